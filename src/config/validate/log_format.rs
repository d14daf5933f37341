//! `format:` of an access log.

use super::Judge;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::Field;
use crate::config::suggest;
use crate::telemetry::log_format::{LogFormat, Variable, stock};

impl Judge<'_> {
    /// A stock format by its name, or one of the file's own.
    pub(super) fn log_format(&mut self, raw: &Field<String>, is_rest: bool) -> Option<LogFormat> {
        let given = raw.given()?;
        let text = stock(&given.value, is_rest).unwrap_or(&given.value);
        let format = match LogFormat::parse(text) {
            Ok(format) => format,
            Err(why) => {
                let mut finding =
                    Diagnostic::error("invalid-log-format", given.span, why.to_string());
                if !given.value.contains('$') {
                    finding.help = Some("stock formats: `clf`, `json`, `csv`, `xml`".to_owned());
                }
                self.report(finding);
                return None;
            }
        };
        for name in format.unknown() {
            let message = format!("there is no variable `$context.{name}`: it prints `-`");
            let mut finding = Diagnostic::warning("unknown-log-variable", given.span, message);
            let known = Variable::KNOWN.iter().chain(Variable::NEVER).copied();
            finding.help = suggest::did_you_mean(name, known);
            self.report(finding);
        }
        Some(format)
    }
}
