//! The request that is asked about: from a command line, or from a test, to what the engine wants.
//!
//! What is typed goes to the engine byte for byte, so that a strange spelling is explained and not
//! repaired.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use ::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::model::{IdentitySource, JwtValidation};
use crate::engine::{Body, Request};
use crate::http::names::invalid_names;
use crate::http::{Client, Received, Scheme};
use crate::snapshot::{Listener, Snapshot};

/// What somebody wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: String,
    /// `https://HOST/PATH?QUERY`, or `/PATH`.
    pub url: String,
    /// In the order in which they were given.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Where its connection comes from.
    pub source: IpAddr,
    /// The listener; found by the URL when it is not said.
    pub listener: Option<String>,
    /// Whether it comes over HTTP/2.
    pub is_http2: bool,
}

/// Why a question cannot be asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuestionError {
    /// Neither `http://`, `https://` nor a path.
    #[error("`{0}` is no URL: say https://HOST/PATH, http://HOST/PATH or /PATH")]
    Url(String),
    /// Not `name: value`.
    #[error("`{0}` is no header: say 'name: value'")]
    Header(String),
    /// The file has no listener of this name.
    #[error("there is no listener `{name}`; the file has {known}")]
    UnknownListener {
        /// What was said.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file has no listener.
    #[error("the file has no listener")]
    NoListener,
    /// More than one listener may be meant.
    #[error("which listener? Say one of {0}")]
    WhichListener(String),
}

/// Reads `name: value`.
///
/// # Errors
///
/// [`QuestionError::Header`].
pub fn read_header(text: &str) -> Result<(HeaderName, HeaderValue), QuestionError> {
    let wrong = || QuestionError::Header(text.to_owned());
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| wrong())?;
    Ok((name, value))
}

/// A question about one file.
#[derive(Debug, Clone)]
pub struct Asked {
    pub(super) listener: usize,
    pub(super) method: String,
    /// The request target.
    pub(super) target: String,
    /// All headers but those that the listener drops.
    pub(super) headers: HeaderMap,
    pub(super) notes: Vec<String>,
    /// `:authority`, over HTTP/2.
    pseudo: Option<String>,
    is_http2: bool,
    source: SocketAddr,
}

/// The id of a request that nobody has sent.
const NO_ID: &str = "0000000000000000";

impl Question {
    /// Finds out which listener is asked, and makes the request that it would get.
    ///
    /// # Errors
    ///
    /// See [`QuestionError`].
    pub fn ask(&self, snapshot: &Snapshot) -> Result<Asked, QuestionError> {
        let url = Url::read(&self.url)?;
        let mut notes = Vec::new();
        let (position, listener) = self.find(&url, &snapshot.listeners)?;
        if let Some(scheme) = url.scheme
            && scheme != listener.scheme
        {
            notes.push(format!(
                "the URL says {}, and listener `{}` speaks {}",
                scheme.as_str(),
                listener.name,
                listener.scheme.as_str()
            ));
        }
        if listener.verifies_clients {
            notes.push(
                "taken for granted: the client has a certificate that the trust store vouches for"
                    .to_owned(),
            );
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        let authority = match url.authority {
            Some(authority) => Some(authority.to_owned()),
            None if headers.contains_key(HOST) => None,
            None => {
                let assumed = match listener.port {
                    // Any port that is free, and so none that can be named.
                    0 => "localhost".to_owned(),
                    port => format!("localhost:{port}"),
                };
                notes.push(format!("no host was said: `{assumed}` is assumed"));
                Some(assumed)
            }
        };
        let pseudo = authority.clone().filter(|_| self.is_http2 && !headers.contains_key(HOST));
        if pseudo.is_none() && !headers.contains_key(HOST) {
            let value = authority.as_deref().map(HeaderValue::from_str);
            let wrong = || QuestionError::Url(self.url.clone());
            headers.insert(HOST, value.ok_or_else(wrong)?.map_err(|_| wrong())?);
        }
        if listener.drops_invalid {
            for name in invalid_names(&headers) {
                notes.push(format!("`{name}` is dropped: drop_invalid_header_fields"));
                headers.remove(name);
            }
        }
        Ok(Asked {
            listener: position,
            method: self.method.clone(),
            target: url.target.to_owned(),
            headers,
            notes,
            pseudo,
            is_http2: self.is_http2,
            source: SocketAddr::new(self.source, 0),
        })
    }

    fn find<'s>(
        &self,
        url: &Url<'_>,
        listeners: &'s [Listener],
    ) -> Result<(usize, &'s Listener), QuestionError> {
        let names = |of: &[(usize, &Listener)]| {
            let names: Vec<_> = of.iter().map(|(_, each)| format!("`{}`", each.name)).collect();
            names.join(", ")
        };
        let all: Vec<_> = listeners.iter().enumerate().collect();
        if let Some(name) = &self.listener {
            let found = all.iter().find(|(_, listener)| *listener.name == **name).copied();
            return found.ok_or_else(|| QuestionError::UnknownListener {
                name: name.clone(),
                known: names(&all),
            });
        }
        if let [only] = &all[..] {
            return Ok(*only);
        }
        let fitting: Vec<_> = all
            .iter()
            .filter(|(_, listener)| url.scheme.is_none_or(|scheme| scheme == listener.scheme))
            .copied()
            .collect();
        let by_port: Vec<_> = fitting
            .iter()
            .filter(|(_, listener)| url.port() == Some(listener.port))
            .copied()
            .collect();
        match (&by_port[..], &fitting[..], &all[..]) {
            ([only], _, _) | ([], [only], _) => Ok(*only),
            (_, _, []) => Err(QuestionError::NoListener),
            ([], [], all) => Err(QuestionError::WhichListener(names(all))),
            ([], some, _) | (some, _, _) => Err(QuestionError::WhichListener(names(some))),
        }
    }
}

impl Asked {
    /// Puts a token where a rule looks for it, instead of what is there.
    pub fn present(&mut self, token: &str, to: Option<&JwtValidation>) {
        let (name, value) = match to.map(|to| &to.identity_source) {
            Some(IdentitySource::Query(name)) => {
                let sign = if self.target.contains('?') { '&' } else { '?' };
                self.target.extend([sign.to_string().as_str(), name, "=", token]);
                return;
            }
            Some(IdentitySource::Header(name) | IdentitySource::BearerOrBare(name)) => {
                (HeaderName::try_from(name.as_str()).ok(), token.to_owned())
            }
            Some(IdentitySource::Authorization) | None => {
                (Some(AUTHORIZATION), format!("Bearer {token}"))
            }
        };
        if let (Some(name), Ok(mut value)) = (name, HeaderValue::try_from(value)) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
    }

    /// Its headers, with a token of the query where one in a header would stand.
    pub(super) fn headers_with_token(&self, wanted: &JwtValidation) -> Cow<'_, HeaderMap> {
        let IdentitySource::Query(name) = &wanted.identity_source else {
            return Cow::Borrowed(&self.headers);
        };
        let mut headers = self.headers.clone();
        headers.remove(AUTHORIZATION);
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        for (_, value) in url::form_urlencoded::parse(query.as_bytes()).filter(|(n, _)| n == name) {
            if let Ok(value) = HeaderValue::try_from(&*value) {
                headers.append(AUTHORIZATION, value);
            }
        }
        Cow::Owned(headers)
    }

    /// The position of its listener.
    #[must_use]
    pub const fn listener(&self) -> usize {
        self.listener
    }

    /// The host as it was sent.
    pub(super) fn host(&self) -> Option<String> {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok().map(str::to_owned));
        host.or_else(|| self.pseudo.clone())
    }

    /// The client's address, as far as somebody who is believed has told.
    pub(super) fn client(&self, snapshot: &Snapshot) -> IpAddr {
        let listener = snapshot.listeners.get(self.listener);
        listener.map_or(self.source.ip(), |listener| {
            Client::of(self.source, &listener.trusted_proxies, &self.headers).address
        })
    }

    /// What the engine is asked.
    #[must_use]
    pub fn request<'a>(&'a self, snapshot: &'a Snapshot) -> Request<'a> {
        let listener = snapshot.listeners.get(self.listener);
        let told = listener.and_then(|listener| {
            Client::of(self.source, &listener.trusted_proxies, &self.headers).scheme
        });
        let own = listener.map_or(Scheme::Http, |listener| listener.scheme);
        let length = self.headers.get(CONTENT_LENGTH);
        Request {
            listener: self.listener,
            id: NO_ID,
            received: Received {
                method: &self.method,
                target: self.target.as_bytes(),
                authority: self.pseudo.as_deref().map(str::as_bytes),
                scheme: told.unwrap_or(own),
            },
            headers: &self.headers,
            client: self.client(snapshot),
            content_length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
            is_http2: self.is_http2,
            presented: None,
            is_unverified: false,
            is_counted: false,
            renewed: None,
            body: Body::Unread,
            consulted: None,
        }
    }
}

/// A URL taken apart and not repaired.
struct Url<'a> {
    scheme: Option<Scheme>,
    authority: Option<&'a str>,
    target: &'a str,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Result<Self, QuestionError> {
        if text.starts_with('/') || text == "*" {
            return Ok(Self { scheme: None, authority: None, target: text });
        }
        let wrong = || QuestionError::Url(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => return Err(wrong()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or_else(wrong)?;
        if authority.is_empty() {
            return Err(wrong());
        }
        let target = if target.is_empty() { "/" } else { target };
        if !target.starts_with('/') {
            return Err(wrong());
        }
        Ok(Self { scheme: Some(scheme), authority: Some(authority), target })
    }

    /// The port that its connection goes to.
    fn port(&self) -> Option<u16> {
        let authority = self.authority?;
        let after = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
        match after.rsplit_once(':') {
            Some((_, port)) => port.parse().ok(),
            None => self.scheme.map(Scheme::default_port),
        }
    }
}
