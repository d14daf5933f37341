//! Many requests to one gateway, each with the verdict that it must get: what the caller is told,
//! what the target hears, and the reason in the access log.

use std::net::SocketAddr;

use serde_json::Value;

use super::{Gateway, Target, wire};

/// What must become of a request.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    /// It reaches the target.
    Passes,
    /// 401 with a bare challenge, and this reason in the log.
    NoToken(&'static str),
    /// 401 `invalid_token`, and a reason in the log that begins so.
    Invalid(&'static str),
    /// 401 `invalid_token`, and the caller may know that it has expired.
    Expired,
    /// 403 `insufficient_scope` that names the scopes.
    WantsScope(&'static str),
    /// 403 `insufficient_scope` that names none.
    WantsGroup,
}

impl Verdict {
    const fn status(self) -> u16 {
        match self {
            Self::Passes => 200,
            Self::NoToken(_) | Self::Invalid(_) | Self::Expired => 401,
            Self::WantsScope(_) | Self::WantsGroup => 403,
        }
    }

    fn challenge(self) -> Option<String> {
        let invalid = |why| format!("Bearer error=\"invalid_token\", error_description=\"{why}\"");
        match self {
            Self::Passes => None,
            Self::NoToken(_) => Some("Bearer".to_owned()),
            Self::Invalid(_) => Some(invalid("The token is not valid")),
            Self::Expired => Some(invalid("The token has expired")),
            Self::WantsScope(scopes) => {
                Some(format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\""))
            }
            Self::WantsGroup => Some("Bearer error=\"insufficient_scope\"".to_owned()),
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Passes => "authorized",
            Self::NoToken(reason) | Self::Invalid(reason) => reason,
            Self::Expired => "token_expired",
            Self::WantsScope(_) => "scope_missing",
            Self::WantsGroup => "group_missing",
        }
    }
}

struct Trial {
    what: String,
    folder: &'static str,
    headers: Vec<(String, String)>,
    verdict: Verdict,
}

/// Trials in the order in which they are held.
#[derive(Default)]
pub struct Trials(Vec<Trial>);

impl Trials {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A bearer token at a path of `/orders/`.
    pub fn token(&mut self, what: &str, token: impl AsRef<str>, verdict: Verdict) {
        self.token_at("/orders", what, token, verdict);
    }

    /// A bearer token at a path of this folder.
    pub fn token_at(
        &mut self,
        folder: &'static str,
        what: &str,
        token: impl AsRef<str>,
        verdict: Verdict,
    ) {
        let bearer = format!("Bearer {}", token.as_ref());
        self.headers_at(folder, what, &[("Authorization", &bearer)], verdict);
    }

    /// These headers at a path of this folder.
    pub fn headers_at(
        &mut self,
        folder: &'static str,
        what: &str,
        headers: &[(&str, &str)],
        verdict: Verdict,
    ) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(own).collect();
        self.0.push(Trial { what: what.to_owned(), folder, headers, verdict });
    }

    /// Holds them all. No target may hear of a request that was refused, callers of one verdict
    /// must not be able to tell their answers apart, and no token may be in the log.
    pub fn hold(self, gateway: &Gateway, target: &Target) {
        let mut unlike: Vec<(Option<String>, String)> = Vec::new();
        for (n, trial) in self.0.iter().enumerate() {
            let (what, verdict) = (&trial.what, trial.verdict);
            let path = format!("{}/{n}", trial.folder);
            let answer = ask(gateway.address(), &path, &trial.headers);
            assert_eq!(answer.status, verdict.status(), "{what}: {answer:?}");
            let challenge = answer.header("www-authenticate").map(str::to_owned);
            assert_eq!(challenge, verdict.challenge(), "{what}");
            if matches!(verdict, Verdict::Passes) {
                assert_eq!(target.next().target(), path, "{what}");
                continue;
            }
            let mut told = answer.clone();
            told.headers.retain(|(name, _)| name != "date" && name != "x-request-id");
            let told = format!("{told:?}");
            match unlike.iter().find(|(known, _)| *known == challenge) {
                Some((_, known)) => assert_eq!(*known, told, "{what}"),
                None => unlike.push((challenge, told)),
            }
        }
        assert!(target.taken().is_empty());
        self.check_log(gateway);
    }

    fn check_log(&self, gateway: &Gateway) {
        let is_there = |lines: &[Value]| {
            let path = |n: usize| format!("{}/{n}", self.0[n].folder);
            (0..self.0.len()).all(|n| lines.iter().any(|line| line["path"] == *path(n)))
        };
        let lines = gateway.wait_access_log(is_there);
        for (n, trial) in self.0.iter().enumerate() {
            let path = format!("{}/{n}", trial.folder);
            let mut found = lines.iter().filter(|line| line["path"] == *path);
            let line = found.next().expect("a line");
            assert!(found.next().is_none(), "{}: two lines of {path}", trial.what);
            let reason = line["reason"].as_str().expect("a reason");
            assert!(reason.starts_with(trial.verdict.reason()), "{}: {line}", trial.what);
            assert!(!line.to_string().contains("eyJ"), "{}: {line}", trial.what);
        }
    }
}

fn ask(address: SocketAddr, path: &str, headers: &[(String, String)]) -> wire::Response {
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    wire::request(address, "GET", path, &headers)
}
