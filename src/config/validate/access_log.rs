//! `access_log:` and `health_check_log:`: where lines go, and in which format.

use super::Judge;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned};
use crate::config::model::{AccessLog, LogDestination};
use crate::config::raw;

impl Judge<'_> {
    pub(super) fn access_log(&mut self, raw: Option<&raw::AccessLog>) -> AccessLog {
        let absent = raw::AccessLog::default();
        let raw = raw.unwrap_or(&absent);
        let mut log = AccessLog {
            destination: self.destination(&raw.destination).unwrap_or(LogDestination::Stdout),
            format: self.log_format(&raw.format, false),
            query: raw.query.value().copied().unwrap_or(false),
            alb: LogDestination::Off,
            load_balancer: "app/portcullis/0000000000000000".into(),
        };
        if let Some(key) = raw.query.key().filter(|_| log.format.is_some()) {
            let message = "no variable of a `format` tells the query string";
            let finding = Diagnostic::error("contradiction", key, message);
            self.report(finding.help("keep one of `format` and `query`"));
        }
        if let Some(alb) = raw.alb.given() {
            self.alb(alb, &mut log);
        }
        log
    }

    pub(super) fn health_check_log(&mut self, raw: &Field<raw::HealthCheckLog>) -> LogDestination {
        let destination = raw.value().map(|log| &log.destination);
        destination.and_then(|field| self.destination(field)).unwrap_or(LogDestination::Off)
    }

    fn alb(&mut self, raw: &Spanned<raw::AlbLog>, log: &mut AccessLog) {
        let Some(place) = self.demand(&raw.value.destination, raw.span, "destination") else {
            return;
        };
        log.alb = self.destination(&raw.value.destination).unwrap_or(LogDestination::Off);
        if log.alb == log.destination && log.alb != LogDestination::Off {
            let message = "both formats would be written to the same place";
            self.report(
                Diagnostic::error("conflicting-keys", place.span, message)
                    .help("name another one, or turn one of them `off`"),
            );
        }
        let Some(name) = raw.value.load_balancer.given() else { return };
        if !is_load_balancer(&name.value) {
            let message = format!("`{}` is not the name of a load balancer", name.value);
            self.report(Diagnostic::error("invalid-name", name.span, message).help(
                "`app/`, up to 32 letters, digits and `-`, `/`, and 16 hexadecimal digits: \
                 `app/edge/50dc6c495c0c9188`",
            ));
        }
        log.load_balancer = name.value.as_str().into();
    }

    pub(super) fn connection_log(
        &mut self,
        raw: &Field<raw::ConnectionLog>,
        access_log: &AccessLog,
    ) -> LogDestination {
        let Some(given) = raw.given() else { return LogDestination::Off };
        let Some(place) = self.demand(&given.value.destination, given.key, "destination") else {
            return LogDestination::Off;
        };
        let destination = self.destination(&given.value.destination).unwrap_or(LogDestination::Off);
        let is_taken = destination == access_log.destination || destination == access_log.alb;
        if is_taken && destination != LogDestination::Off {
            let message = "the access log is written to the same place";
            self.report(
                Diagnostic::error("conflicting-keys", place.span, message)
                    .help("name another one: a line of connections has other fields"),
            );
        }
        destination
    }

    fn destination(&mut self, field: &Field<String>) -> Option<LogDestination> {
        let text = field.given()?;
        Some(match text.value.as_str() {
            "stdout" => LogDestination::Stdout,
            "off" => LogDestination::Off,
            _ => LogDestination::File(self.path("destination", text)?),
        })
    }
}

fn is_load_balancer(name: &str) -> bool {
    let mut parts = name.split('/');
    let (kind, given, id, rest) = (parts.next(), parts.next(), parts.next(), parts.next());
    let is_name = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_id = |text: &str| {
        text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    kind == Some("app") && given.is_some_and(is_name) && id.is_some_and(is_id) && rest.is_none()
}
