//! `tracing:`, where spans of requests go.

use super::{Judge, Refusal, address};
use crate::config::field::Field;
use crate::config::model::Tracing;
use crate::config::raw;

const DEFAULT_SAMPLE: u32 = 100_000;
const MILLION: u32 = 1_000_000;
const LONGEST_NAME: usize = 100;

impl Judge<'_> {
    pub(super) fn tracing(&mut self, raw: &Field<raw::Tracing>) -> Option<Tracing> {
        let given = raw.given()?;
        let raw = &given.value;
        let endpoint = self
            .demand(&raw.otlp_endpoint, given.span, "otlp_endpoint")
            .and_then(|url| self.accept("invalid-url", url.span, address::collector(&url.value)));
        let sample = raw.sample.given().and_then(|sample| {
            self.accept("invalid-percentage", sample.span, of_a_million(&sample.value))
        });
        let max_per_second = self.number(&raw.max_traces_per_second, 100, 1..=10_000);
        let name = raw
            .service_name
            .given()
            .and_then(|name| self.accept("invalid-name", name.span, service_name(&name.value)));
        Some(Tracing {
            endpoint: endpoint?.into(),
            sample: sample.unwrap_or(DEFAULT_SAMPLE),
            max_per_second,
            service_name: name.unwrap_or("portcullis").into(),
        })
    }
}

/// `10%`, `0.01%`: how many of a million that is.
fn of_a_million(text: &str) -> Result<u32, Refusal> {
    let wrong = || refuse("a share is `0%` to `100%`, with up to four decimals");
    let Some(number) = text.strip_suffix('%') else { return wrong() };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_plain = |digits: &str, most| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_plain(whole, 3) || !is_plain(decimals, 4) {
        return wrong();
    }
    match format!("{whole}{decimals:0<4}").parse() {
        Ok(share) if share <= MILLION => Ok(share),
        _ => wrong(),
    }
}

fn refuse<T>(message: &str) -> Result<T, Refusal> {
    Err(Refusal { message: message.to_owned(), help: None })
}

fn service_name(name: &str) -> Result<&str, Refusal> {
    let is_good = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if is_good { Ok(name) } else { refuse("1 to 100 visible ASCII characters") }
}

#[cfg(test)]
mod tests {
    use super::of_a_million;

    #[test]
    fn a_share_is_a_percentage_in_one_spelling() {
        for (text, share) in
            [("0%", 0), ("100%", 1_000_000), ("10%", 100_000), ("0.5%", 5_000), ("0.0001%", 1)]
        {
            assert_eq!(of_a_million(text).ok(), Some(share), "{text}");
        }
        for text in ["", "%", "10", "-1%", "+1%", "101%", "100.1%", "1e1%", ".5%", "5.%", "1 %"] {
            assert!(of_a_million(text).is_err(), "{text}");
        }
    }
}
