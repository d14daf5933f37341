//! `routes.test.yaml`: requests with callers, and what must become of them.
//!
//! Read as strictly as `routes.yaml` itself: unknown keys, unknown names and expectations that
//! contradict each other are mistakes with a place. Running the tests is not done here.

pub(super) mod raw;
mod validate;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::diagnostics::{Diagnostic, Severity, Span};
use super::model::{Config, Located};
use super::report::Report;
use super::source::Source;
use super::{decode, field, syntax, tree};

/// The schema as it is committed at `schema/routes.test.schema.json`.
#[must_use]
pub fn schema() -> String {
    super::schema::render_for::<raw::File>()
}

/// Where the tests of a file are if they are not inside: `routes.test.yaml` for `routes.yaml`.
#[must_use]
pub fn beside(file: &Path) -> PathBuf {
    let extension = file.extension().map(|own| own.to_string_lossy().into_owned());
    file.with_extension(format!("test.{}", extension.as_deref().unwrap_or("yaml")))
}

/// All tests of a file.
#[derive(Debug)]
pub struct Suite {
    /// In file order; each case of a test is one.
    pub tests: Vec<Test>,
    /// Their text, to show places in it.
    pub source: Source,
}

/// Expectations of reasons that there are not: `known` are all. Which there are is not for a
/// configuration to know.
#[must_use]
pub fn unknown_reasons(tests: &[Test], known: &[&str]) -> Vec<Diagnostic> {
    let wanted = tests.iter().filter_map(|test| test.expect.reason.as_ref());
    let unknown = wanted.filter(|reason| !known.contains(&reason.value.as_str()));
    unknown.map(|reason| validate::unknown("reason", &reason.value, reason.span, known)).collect()
}

/// Requests by one caller, and what must become of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What the report calls it.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// At least one.
    pub requests: Vec<Request>,
    /// Headers of the request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the connection comes from.
    pub source_ip: IpAddr,
    /// Which listener, if that was said.
    pub listener: Option<String>,
    /// Whether it comes over HTTP/2.
    pub http2: bool,
    /// Who asks; nobody in particular if absent.
    pub caller: Option<Caller>,
    /// What must become of it.
    pub expect: Expect,
}

/// A method and a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// A URL or a path.
    pub url: String,
}

/// Somebody with a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// Whose token, if that was said.
    pub user_pool: Option<String>,
    /// The claims that were said.
    pub claims: Map<String, Value>,
    /// Seconds until the token expires, if that was said; negative for one that has.
    pub expires_in: Option<i64>,
    /// Whether nobody signed it.
    pub is_forged: bool,
    /// Whether it is a browser that has signed in.
    pub in_session: bool,
}

/// What must become of a request; at least one of these is said. Texts may hold `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The rule's name.
    pub rule: Option<String>,
    /// The key of an API's route.
    pub route: Option<String>,
    /// Whether a target would get it.
    pub forwarded: Option<bool>,
    /// One of the groups that may get it.
    pub target_group: Option<String>,
    /// The status of the gateway's own answer.
    pub status: Option<u16>,
    /// The reason; [`unknown_reasons`] tells whether there is one of that name.
    pub reason: Option<Located<String>>,
    /// `Location`.
    pub location: Option<String>,
    /// `path?query` toward the target.
    pub target_path: Option<String>,
    /// Headers that are set.
    pub headers: Vec<(String, String)>,
    /// Headers that are not.
    pub headers_absent: Vec<String>,
}

/// The tests that stand in the configuration itself.
pub(super) fn inside(
    raw: &field::Field<field::List<raw::Test>>,
    config: &Config,
    misspelt: &decode::Misspelt,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Test> {
    let known = validate::Known::of(config);
    validate::Judge::new(&known, misspelt, findings).list(raw)
}

/// Reads the tests of a configuration.
///
/// # Errors
///
/// Everything that is wrong with them, at once.
pub fn load(path: &Path, config: &Config) -> Result<Suite, Box<Report>> {
    let name = path.display().to_string();
    match super::read(path) {
        Ok((bytes, _)) => parse(&bytes, &name, config),
        Err(finding) => {
            let source = Source::new(name, String::new());
            Err(Box::new(Report::new(source, vec![*finding])))
        }
    }
}

/// Reads tests from a text; `name` is what messages call it.
///
/// # Errors
///
/// Everything that is wrong with them, at once.
pub fn parse(bytes: &[u8], name: &str, config: &Config) -> Result<Suite, Box<Report>> {
    let text = match syntax::decode_text(bytes) {
        Ok(text) => text,
        Err(refused) => {
            let (readable, finding) = *refused;
            let source = Source::new(name.to_owned(), readable);
            return Err(Box::new(Report::new(source, vec![finding])));
        }
    };
    let mut source = Source::new(name.to_owned(), text);
    let mut findings = Vec::new();
    let mut tests = Vec::new();
    if let Some(root) = tree::read(&source, &mut findings) {
        let (file, notes) = decode::decode::<raw::File>(&root, &source);
        findings.extend(notes.findings);
        source.mask(notes.masked);
        if let field::Field::Given(file) = file {
            let known = validate::Known::of(config);
            let mut judge = validate::Judge::new(&known, &notes.misspelt, &mut findings);
            tests = judge.file(&file);
        }
    }
    findings.sort_by_key(|finding: &Diagnostic| (finding.span.start, finding.span.line));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Box::new(Report::new(source, findings)));
    }
    Ok(Suite { tests, source })
}
