//! What a REST API of API Gateway says: gateway responses (api-gateway.md 3.7 and 3.8), which the
//! file may word otherwise.

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;

use super::{Answer, Caller, Refusal, grpc};
use crate::config::model::{GatewayResponse, ResponseCase, ResponseType};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An error of a REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestError {
    response_type: ResponseType,
    error_type: &'static str,
    status: u16,
    /// `null` where absent.
    message: Option<String>,
    /// What validation found.
    validation: Option<String>,
}

impl RestError {
    /// With the status and the error type of its response type.
    #[must_use]
    pub fn of(response_type: ResponseType, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::silent(response_type) }
    }

    /// With another error type than that of its response type.
    #[must_use]
    pub fn spelled(self, error_type: &'static str) -> Self {
        Self { error_type, ..self }
    }

    /// With what validation found.
    #[must_use]
    pub fn because(self, validation: String) -> Self {
        Self { validation: Some(validation), ..self }
    }

    /// With another status than that of its response type.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The message is `null`.
    #[must_use]
    pub const fn silent(response_type: ResponseType) -> Self {
        let (status, error_type) = (response_type.status(), response_type.error_type());
        Self { response_type, error_type, status, message: None, validation: None }
    }
}

/// Who is told of an error.
#[derive(Debug)]
pub struct RestAsker<'a> {
    /// What about the request shapes an answer.
    pub caller: Caller,
    /// `$context.requestId`.
    pub request_id: String,
    /// `$context.extendedRequestId`.
    pub extended_id: &'a str,
}

/// How an error is said, where the file does not say otherwise.
#[must_use]
pub fn rest_error(
    error: &RestError,
    responses: &[GatewayResponse],
    asker: &RestAsker<'_>,
) -> Answer {
    let own = response(responses, error);
    let status = own.and_then(|own| own.status_code).unwrap_or(error.status);
    if asker.caller.is_grpc {
        return grpc::answer(status, error.response_type.as_str());
    }
    let (content_type, body) = match own.and_then(|own| own.template.as_ref()) {
        Some((kind, template)) => {
            (HeaderValue::try_from(kind).unwrap_or(JSON), fill(template, error, asker))
        }
        None => (JSON, format!(r#"{{"{}":{}}}"#, member(error), message_string(error))),
    };
    let mut answer = Answer::new(status, content_type, Bytes::from(body))
        .with(ERROR_TYPE, HeaderValue::from_static(error.error_type));
    for (name, value) in own.map(|own| own.headers.as_slice()).unwrap_or_default() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer = answer.with(name, value);
        }
    }
    answer.for_caller(asker.caller)
}

/// How a refusal is said that is not about who is calling.
#[must_use]
pub fn rest_refuse(
    refusal: Refusal,
    responses: &[GatewayResponse],
    asker: &RestAsker<'_>,
) -> Answer {
    // These are said before an API could say them otherwise.
    let early = match (refusal, refusal.status()) {
        (Refusal::BodyTooLarge, _) => Some((413, "HTTP content length exceeded 10485760 bytes.")),
        (_, 431) => Some((431, "HTTP header is larger than 10240 bytes.")),
        _ => None,
    };
    if let Some((status, text)) = early {
        if asker.caller.is_grpc {
            return grpc::answer(status, refusal.as_str());
        }
        return Answer::new(status, PLAIN, Bytes::from_static(text.as_bytes()))
            .for_caller(asker.caller);
    }
    let error = match refusal {
        Refusal::TargetTimeout | Refusal::TargetConnectTimeout => {
            RestError::of(ResponseType::IntegrationTimeout, "Endpoint request timed out")
        }
        Refusal::TargetMalformed => RestError {
            status: 502,
            ..RestError::of(ResponseType::IntegrationFailure, "Internal server error")
        },
        Refusal::IdentityEnded => RestError::of(ResponseType::Unauthorized, "Unauthorized"),
        Refusal::QuotaExceeded => RestError::of(ResponseType::QuotaExceeded, "Limit Exceeded"),
        _ => match refusal.status() {
            403 => RestError::of(ResponseType::InvalidApiKey, "Forbidden"),
            429 => RestError::of(ResponseType::Throttled, "Too Many Requests"),
            502..=504 => RestError::of(
                ResponseType::IntegrationFailure,
                "Network error communicating with endpoint",
            ),
            408 => RestError {
                status: 408,
                ..RestError::of(ResponseType::BadRequestBody, "Request Timeout")
            },
            400..=499 => RestError::of(ResponseType::BadRequestParameters, "Bad Request"),
            _ => RestError::of(ResponseType::ApiConfigurationError, "Internal server error"),
        },
    };
    rest_error(&error, responses, asker)
}

/// What the file says to this error: of its type, else of its class.
fn response<'a>(
    responses: &'a [GatewayResponse],
    error: &RestError,
) -> Option<&'a GatewayResponse> {
    let class =
        if error.status < 500 { ResponseCase::Default4xx } else { ResponseCase::Default5xx };
    let of = |case| responses.iter().find(|response| response.case == case);
    of(ResponseCase::Type(error.response_type)).or_else(|| of(class))
}

/// Access denied has always been spelled with a capital.
fn member(error: &RestError) -> &'static str {
    let is_denied = error.error_type == ResponseType::AccessDenied.error_type();
    if is_denied && error.message.as_deref() != Some("Forbidden") { "Message" } else { "message" }
}

fn message_string(error: &RestError) -> String {
    serde_json::to_string(&error.message).unwrap_or_else(|_| "null".to_owned())
}

/// Puts what is known into a template; longer names first, since `message` begins `messageString`.
fn fill(template: &str, error: &RestError, asker: &RestAsker<'_>) -> String {
    let values = [
        ("$context.error.messageString", message_string(error)),
        ("$context.error.message", error.message.clone().unwrap_or_default()),
        ("$context.error.validationErrorString", error.validation.clone().unwrap_or_default()),
        ("$context.error.responseType", error.response_type.as_str().to_owned()),
        ("$context.extendedRequestId", asker.extended_id.to_owned()),
        ("$context.requestId", asker.request_id.clone()),
    ];
    let mut text = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (before, found) = rest.split_at(at);
        text.push_str(before);
        let known = values.iter().find(|(name, _)| found.starts_with(name));
        let (name, value) = known.map_or(("$", "$"), |(name, value)| (*name, value.as_str()));
        text.push_str(value);
        let length = name.len();
        rest = found.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use ::http::header::CONTENT_TYPE;

    use super::*;

    fn asker() -> RestAsker<'static> {
        RestAsker { caller: Caller::default(), request_id: "uuid".into(), extended_id: "id" }
    }

    fn told(answer: &Answer) -> (u16, &str, String) {
        let kind = answer.header(&ERROR_TYPE).map_or("", |value| value.to_str().unwrap());
        (answer.status, kind, String::from_utf8(answer.body.to_vec()).unwrap())
    }

    #[test]
    fn errors_are_told_as_api_gateway_tells_them() {
        for (error, status, kind, body) in [
            (
                RestError::of(ResponseType::Unauthorized, "Unauthorized"),
                401,
                "UnauthorizedException",
                r#"{"message":"Unauthorized"}"#,
            ),
            (
                RestError::of(ResponseType::AccessDenied, "User is not authorized"),
                403,
                "AccessDeniedException",
                r#"{"Message":"User is not authorized"}"#,
            ),
            (
                RestError::silent(ResponseType::AuthorizerConfigurationError),
                500,
                "AuthorizerConfigurationException",
                r#"{"message":null}"#,
            ),
        ] {
            let answer = rest_error(&error, &[], &asker());
            assert_eq!(told(&answer), (status, kind, body.to_owned()));
        }
    }

    #[test]
    fn the_file_words_an_error_by_its_type_and_else_by_its_class() {
        let word = |case, status_code, template: &str| GatewayResponse {
            case,
            status_code,
            headers: vec![("access-control-allow-origin".into(), "*".into())],
            template: Some(("text/plain".into(), template.into())),
        };
        let responses = [
            word(ResponseCase::Default4xx, Some(418), "class $context.error.responseType"),
            word(
                ResponseCase::Type(ResponseType::Unauthorized),
                None,
                "$context.error.message|$context.error.messageString|$context.requestId|$5",
            ),
        ];
        let say = |kind| {
            let answer = rest_error(&RestError::of(kind, "a \"b\""), &responses, &asker());
            assert!(
                answer.header(&HeaderName::from_static("access-control-allow-origin")).is_some()
            );
            assert_eq!(answer.header(&CONTENT_TYPE).unwrap(), "text/plain");
            (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
        };
        assert_eq!(say(ResponseType::Unauthorized), (401, r#"a "b"|"a \"b\""|uuid|$5"#.to_owned()));
        assert_eq!(say(ResponseType::AccessDenied), (418, "class ACCESS_DENIED".to_owned()));
    }
}
