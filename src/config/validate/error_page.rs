//! `error_pages:` of the file and of a listener.

use super::Judge;
use super::pattern::Refusal;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{ErrorPage, ErrorPages, PageFor};
use crate::config::{raw, suggest};

/// Longest page.
const LONGEST: usize = 64 * 1024;
/// Longest content type.
const LONGEST_TYPE: usize = 128;

impl Judge<'_> {
    pub(super) fn error_pages(&mut self, raw: &Field<Table<raw::ErrorPage>>) -> ErrorPages {
        let mut pages = ErrorPages::default();
        for (name, page) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let target = self.accept("invalid-status", name.span, target(&name.value));
            let page = page.as_ref().and_then(|page| self.error_page(name.span, page));
            if let (Some(target), Some(page)) = (target, page) {
                pages.insert(target, page);
            }
        }
        pages
    }

    fn error_page(&mut self, place: Span, raw: &raw::ErrorPage) -> Option<ErrorPage> {
        let content_type = match raw.content_type.given() {
            None => Some("text/html".to_owned()),
            Some(given) => {
                self.accept("invalid-content-type", given.span, content_type(&given.value))
            }
        };
        if let (Some(body), Some(_)) = (raw.body.key(), raw.file.key()) {
            let message = "a page is a `body` or a `file`, not both";
            self.report(Diagnostic::error("contradiction", body, message));
            return None;
        }
        let (span, body, file) = match (&raw.body, &raw.file) {
            (Field::Given(body), _) => (body.span, body.value.clone(), None),
            (_, Field::Given(file)) => {
                let path = self.path("file", file)?;
                let text = self.page_file(file)?;
                (file.span, text, Some(path))
            }
            _ => {
                if raw.body.is_absent() && raw.file.is_absent() {
                    self.demand(&raw.body, place, "body");
                }
                return None;
            }
        };
        let body = self.accept("invalid-page", span, page(body))?;
        Some(ErrorPage { content_type: content_type?, body, file })
    }

    /// The text of a file; nothing where files are not looked at.
    fn page_file(&mut self, file: &Spanned<String>) -> Option<String> {
        let path = self.path("file", file)?;
        let Some(surroundings) = self.ground.surroundings else { return Some(String::new()) };
        let shown = path.display();
        let problem = match surroundings.file(&path).map(String::from_utf8) {
            Ok(Ok(text)) => return Some(text),
            Ok(Err(_)) => format!("`{shown}` is not UTF-8"),
            Err(why) => format!("cannot read `{shown}`: {why}"),
        };
        self.report(Diagnostic::error("missing-page", file.span, problem));
        None
    }
}

fn refuse<T>(message: impl Into<String>, help: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help })
}

/// `404`, `4xx`.
fn target(text: &str) -> Result<PageFor, Refusal> {
    let class = match text {
        "4xx" => return Ok(PageFor::Class(4)),
        "5xx" => return Ok(PageFor::Class(5)),
        status => status.parse::<u16>(),
    };
    match class {
        Ok(status) if (400..=599).contains(&status) && text.len() == 3 => {
            Ok(PageFor::Status(status))
        }
        _ => refuse(
            format!("{} is no status of an error", crate::config::decode::quoted(text)),
            Some("400 to 599, `4xx` or `5xx`".to_owned()),
        ),
    }
}

pub(super) fn content_type(text: &str) -> Result<String, Refusal> {
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_type =
        essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    let is_plain = parameters.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if text.len() > LONGEST_TYPE || !is_type || !is_plain || text.ends_with([' ', ';']) {
        let help = "as in `text/html; charset=utf-8` or `application/json`".to_owned();
        return refuse("this is not a content type", Some(help));
    }
    Ok(text.to_owned())
}

/// A text that is not too long and asks for nothing that is not known.
fn page(text: String) -> Result<String, Refusal> {
    if text.len() > LONGEST {
        return refuse(format!("the page is longer than {} KiB", LONGEST / 1024), None);
    }
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("#{") {
        let Some((word, after)) = after.split_once('}') else {
            return refuse("`#{` is not closed by `}`", None);
        };
        if !ErrorPage::KEYWORDS.contains(&word) {
            let known = ErrorPage::KEYWORDS.map(|word| format!("#{{{word}}}")).join(", ");
            let help = suggest::closest(word, ErrorPage::KEYWORDS)
                .map_or(format!("known: {known}"), |word| format!("did you mean `#{{{word}}}`?"));
            let shown: String = word.chars().take(40).collect();
            return refuse(format!("unknown keyword `#{{{}}}`", shown.escape_debug()), Some(help));
        }
        rest = after;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_one_status_of_an_error_or_a_class() {
        assert_eq!(target("404").unwrap(), PageFor::Status(404));
        assert_eq!(target("599").unwrap(), PageFor::Status(599));
        assert_eq!(target("5xx").unwrap(), PageFor::Class(5));
        for bad in ["399", "600", "200", "3xx", "default", "", "0404", "+404", "40", "4XX"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn content_types_are_a_type_and_a_subtype() {
        for good in ["text/html", "text/html; charset=utf-8", "application/problem+json"] {
            assert_eq!(content_type(good).unwrap(), good);
        }
        let long = format!("text/{}", "x".repeat(200));
        for bad in [
            "",
            "html",
            "text/",
            "/html",
            "a/b/c",
            "text/html\r\nx: y",
            "text/é",
            "a b/c",
            "text/html;",
            &long,
        ] {
            assert!(content_type(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keywords_are_known() {
        assert!(page("a #{request_id} b #{status_code}, #x {y}".to_owned()).is_ok());
        let refusal = page("#{request-id}".to_owned()).unwrap_err();
        assert_eq!(refusal.help.as_deref(), Some("did you mean `#{request_id}`?"));
        assert!(page("#{host}".to_owned()).is_err());
        assert!(page("#{request_id".to_owned()).is_err());
        assert!(page("x".repeat(64 * 1024)).is_ok() && page("x".repeat(64 * 1024 + 1)).is_err());
    }
}
