//! What browsers are told about calls from pages of other origins (api-gateway.md 4).
//!
//! Nothing is refused here: a page that may not call reads nothing, because it is told nothing. Who
//! writes the headers takes out first whatever else an answer says about CORS.

use ::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::model::{self, AllowedOrigin};

const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// An API's `cors`, ready for requests.
pub struct Cors {
    origins: Box<[AllowedOrigin]>,
    credentials: bool,
    /// Said beside the origin on each answer but a preflight's.
    exposed: Option<HeaderValue>,
    /// Said beside the origin on a preflight's answer.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    pub(super) fn compile(cors: &model::Cors) -> Self {
        let max_age = cors.max_age.map(|seconds| (ACCESS_CONTROL_MAX_AGE, seconds.into()));
        let lists = [
            (ACCESS_CONTROL_ALLOW_METHODS, joined(&cors.allow_methods)),
            (ACCESS_CONTROL_ALLOW_HEADERS, joined(&cors.allow_headers)),
        ];
        let lists = lists.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Self {
            origins: cors.allow_origins.clone().into(),
            credentials: cors.allow_credentials,
            exposed: joined(&cors.expose_headers),
            preflight: lists.chain(max_age).collect(),
        }
    }

    /// What the answer to a request says. Nothing where its origin may not call, or there is none.
    #[must_use]
    pub fn headers(&self, method: &str, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let Some(origin) = self.allowed(request) else { return Vec::new() };
        let mut headers = Vec::with_capacity(5);
        headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        if self.credentials {
            headers.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE));
        }
        if is_preflight(method, request) {
            headers.extend_from_slice(&self.preflight);
        } else if let Some(exposed) = &self.exposed {
            headers.push((ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone()));
        }
        headers
    }

    /// The word for the one origin of a request, if it may call.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(ORIGIN).into_iter();
        let origin = origins.next()?;
        if origins.next().is_some() {
            return None;
        }
        self.origins.iter().find_map(|allowed| match allowed {
            AllowedOrigin::Any => Some(ANY),
            AllowedOrigin::Exact(text) => (origin == text.as_str()).then(|| origin.clone()),
            AllowedOrigin::Scheme(scheme) => {
                let host = origin.as_bytes().strip_prefix(scheme.as_bytes())?;
                is_host(host).then(|| origin.clone())
            }
        })
    }
}

/// Whether a browser asks if a page may call: `OPTIONS` with an origin and the method to come.
#[must_use]
pub fn is_preflight(method: &str, request: &HeaderMap) -> bool {
    method == "OPTIONS"
        && request.contains_key(ORIGIN)
        && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether a header of an answer speaks of CORS.
#[must_use]
pub fn is_cors(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-")
}

/// Whether an answer says already that it depends on the origin.
#[must_use]
pub fn varies_by_origin(answer: &HeaderMap) -> bool {
    let values =
        answer.get_all(VARY).into_iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let mut fields = values.map(<[u8]>::trim_ascii);
    fields.any(|field| field == b"*" || field.eq_ignore_ascii_case(b"origin"))
}

fn is_host(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(b))
}

fn joined(list: &[String]) -> Option<HeaderValue> {
    // The file was checked: these are names.
    Some(list.join(",")).filter(|text| !text.is_empty()).and_then(|text| text.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[AllowedOrigin], credentials: bool) -> Cors {
        Cors::compile(&model::Cors {
            allow_origins: origins.to_vec(),
            allow_methods: vec!["GET".to_owned(), "PUT".to_owned()],
            allow_headers: vec!["authorization".to_owned(), "x-a".to_owned()],
            expose_headers: vec!["etag".to_owned()],
            max_age: Some(600),
            allow_credentials: credentials,
        })
    }

    fn said(cors: &Cors, method: &str, request: &[(HeaderName, &'static str)]) -> Vec<String> {
        let headers =
            request.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        map.extend(headers);
        let said = cors.headers(method, &map).into_iter();
        said.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn only_an_allowed_origin_is_told_anything() {
        let one = cors(&[AllowedOrigin::Exact("https://a.example".to_owned())], true);
        assert_eq!(
            said(&one, "GET", &[(ORIGIN, "https://a.example")]),
            [
                "access-control-allow-origin: https://a.example",
                "access-control-allow-credentials: true",
                "access-control-expose-headers: etag"
            ]
        );
        let strangers = [
            "https://a.example.evil",
            "https://a.example:8443",
            "http://a.example",
            "https://A.example",
            "https://a.exampl",
            "null",
            "",
            "*",
        ];
        for origin in strangers {
            assert!(said(&one, "GET", &[(ORIGIN, origin)]).is_empty(), "{origin}");
        }
        let both = [(ORIGIN, "https://a.example"), (ORIGIN, "https://evil.example")];
        assert!(said(&one, "GET", &both).is_empty());
        assert!(said(&one, "GET", &[]).is_empty());
    }

    #[test]
    fn a_scheme_allows_hosts_and_nothing_else() {
        let https = cors(&[AllowedOrigin::Scheme("https://")], false);
        for origin in ["https://a", "https://a.example:8443", "https://[::1]:1"] {
            let line = format!("access-control-allow-origin: {origin}");
            assert_eq!(said(&https, "GET", &[(ORIGIN, origin)]).first(), Some(&line));
        }
        for origin in ["https://", "http://a", "https://a/b", "https://a, b", "https://a b", "null"]
        {
            assert!(said(&https, "GET", &[(ORIGIN, origin)]).is_empty(), "{origin}");
        }
    }

    #[test]
    fn a_preflight_is_options_with_an_origin_and_a_method_to_come() {
        let any = cors(&[AllowedOrigin::Any], false);
        let asks = [(ORIGIN, "https://x"), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")];
        let [origin, _] = asks.clone();
        assert_eq!(
            said(&any, "OPTIONS", &asks),
            [
                "access-control-allow-origin: *",
                "access-control-allow-methods: GET,PUT",
                "access-control-allow-headers: authorization,x-a",
                "access-control-max-age: 600"
            ]
        );
        let plain = ["access-control-allow-origin: *", "access-control-expose-headers: etag"];
        assert_eq!(said(&any, "OPTIONS", &[origin]), plain);
        assert_eq!(said(&any, "PUT", &asks), plain);
    }

    #[test]
    fn an_answer_that_varies_by_origin_is_known_in_every_spelling() {
        let varies = |values: &[&'static str]| {
            let mut map = HeaderMap::new();
            for value in values {
                map.append(VARY, HeaderValue::from_static(value));
            }
            varies_by_origin(&map)
        };
        assert!(varies(&["Origin"]));
        assert!(varies(&["accept-encoding ,ORIGIN"]));
        assert!(varies(&["accept", "*"]));
        assert!(!varies(&["x-origin, accept"]));
        assert!(!varies(&[]));
    }
}
