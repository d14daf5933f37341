//! The HTTP client: no redirects, no proxies, no cookies, no compression, every answer capped.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use url::{Host, Url};

use crate::auth::jwks::MAX_BYTES;
use crate::auth::key_source::{FetchFailure, Fetched};

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct ClientError(#[from] reqwest::Error);

/// How long an answer may take and how large it may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the connection. 2 s.
    pub connect: Duration,
    /// For everything. 5 s.
    pub total: Duration,
    /// Longest body in bytes.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), total: Duration::from_secs(5), body: MAX_BYTES }
    }
}

/// Fetches what the configuration names. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    limits: Limits,
}

impl HttpClient {
    /// A client that trusts the system's certificate authorities. Without any, as in a bare
    /// container, it still speaks plain HTTP to loopback, and HTTPS fails.
    ///
    /// # Errors
    /// When the TLS library cannot be set up at all.
    pub fn new(limits: Limits) -> Result<Self, ClientError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .connect_timeout(limits.connect)
                .timeout(limits.total)
                .pool_max_idle_per_host(0)
                .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        };
        let inner = match builder().build() {
            Ok(client) => client,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "no certificate authorities: HTTPS key sets will fail");
                builder().tls_certs_only([]).build()?
            }
        };
        Ok(Self { inner, limits })
    }

    /// Fetches a key set.
    ///
    /// # Errors
    /// The kind of failure; details are logged at debug level.
    pub async fn key_set(&self, url: &str) -> Result<Fetched, FetchFailure> {
        let url = Url::parse(url).ok().filter(is_permitted).ok_or(FetchFailure::Connect)?;
        // reqwest's own limit covers this too; a second one costs nothing and holds whatever the
        // library counts as the end of a request.
        match tokio::time::timeout(self.limits.total, self.get(url)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchFailure::Timeout),
        }
    }

    async fn get(&self, url: Url) -> Result<Fetched, FetchFailure> {
        let request = self.inner.get(url).header(ACCEPT, "application/json");
        let mut answer = request.send().await.map_err(|e| failure(&e, FetchFailure::Connect))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchFailure::Status);
        }
        let limit = self.limits.body;
        let announced = answer.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > limit) {
            return Err(FetchFailure::TooLarge);
        }
        let max_age = max_age(answer.headers());
        let mut body = Vec::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|e| failure(&e, FetchFailure::Broken))?
        {
            if body.len() + chunk.len() > limit {
                return Err(FetchFailure::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { body, max_age })
    }
}

fn failure(error: &reqwest::Error, otherwise: FetchFailure) -> FetchFailure {
    let shown: &dyn std::error::Error = error;
    tracing::debug!(error = shown, "key set attempt failed");
    if error.is_timeout() {
        FetchFailure::Timeout
    } else if error.is_connect() {
        FetchFailure::Connect
    } else {
        otherwise
    }
}

/// `https`, or `http` on loopback. The configuration has checked it; it is held here too, where
/// the request is made.
fn is_permitted(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    directives.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        let seconds = value.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn only_https_and_loopback_are_spoken_to() {
        let permitted = |url: &str| is_permitted(&Url::parse(url).unwrap());
        for good in
            ["https://a.example/x", "http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/"]
        {
            assert!(permitted(good), "{good}");
        }
        for bad in [
            "http://a.example/",
            "file:///etc/passwd",
            "http://169.254.169.254/",
            "ftp://localhost/",
        ] {
            assert!(!permitted(bad), "{bad}");
        }
    }

    #[test]
    fn max_age_is_found_among_other_directives() {
        let age = |text: &'static str| {
            max_age(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(text))]))
        };
        assert_eq!(age("public, Max-Age=600"), Some(Duration::from_secs(600)));
        assert_eq!(age("s-maxage=5, no-store"), None);
        assert_eq!(age("max-age=soon"), None);
    }
}
