//! Values that are put together from a request: `$request.header.x`, `$context.routeKey`, ...
//! (API Gateway, "Transform API requests and responses").

use std::fmt;

/// A value, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// In the order in which they stand.
    pub pieces: Vec<Piece>,
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Itself.
    Literal(String),
    /// All values of the client's header, in lower case, joined by commas.
    RequestHeader(String),
    /// All values of the client's parameter, joined by commas.
    RequestParameter(String),
    /// The path that the route was matched with.
    RequestPath,
    /// A variable of the route's path.
    PathVariable(String),
    /// All values of the target's header, in lower case, joined by commas.
    ResponseHeader(String),
    /// What the gateway knows.
    Context(Variable),
}

macro_rules! variables {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// What the gateway knows of a request.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Variable {
            $($(#[$doc])* $variant,)*
            /// `authorizer.claims.NAME`: a claim of the verified token.
            Claim(String),
            /// `authorizer.KEY`: of the context that a request authorizer has answered with, or its
            /// `principalId`.
            Authorizer(String),
        }

        impl Variable {
            /// The names of all, but what authorizers say.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => claim(name).map(Self::Claim).or_else(|| said(name).map(Self::Authorizer)),
                }
            }

            /// As the file names it, behind `$context.`.
            #[must_use]
            pub fn name(&self) -> std::borrow::Cow<'_, str> {
                match self {
                    $(Self::$variant => $name.into(),)*
                    Self::Claim(claim) => format!("authorizer.claims.{claim}").into(),
                    Self::Authorizer(key) => format!("authorizer.{key}").into(),
                }
            }
        }
    };
}

variables! {
    /// Of who signed: the access key id.
    AccessKey "identity.accessKey",
    /// Of who signed: the account.
    AccountId "identity.accountId",
    /// Of who signed: the id of the user or role.
    Caller "identity.caller",
    /// The same.
    User "identity.user",
    /// Of who signed: the ARN.
    UserArn "identity.userArn",
    /// The API's name in the file.
    ApiId "apiId",
    /// The name of the API key that the request came with.
    ApiKeyId "identity.apiKeyId",
    /// The host that the client asked.
    DomainName "domainName",
    /// The first label of that host.
    DomainPrefix "domainPrefix",
    /// The request's id, as in the access log.
    ExtendedRequestId "extendedRequestId",
    /// The method.
    HttpMethod "httpMethod",
    /// The path, with base path and stage.
    Path "path",
    /// `HTTP/1.1` or `HTTP/2.0`.
    Protocol "protocol",
    /// The request's id, in the shape of the API's kind.
    RequestId "requestId",
    /// `10/Jul/2026:19:19:05 +0000`.
    RequestTime "requestTime",
    /// Milliseconds since 1970.
    RequestTimeEpoch "requestTimeEpoch",
    /// The path of the route's key.
    ResourcePath "resourcePath",
    /// The route's key.
    RouteKey "routeKey",
    /// The client's address.
    SourceIp "identity.sourceIp",
    /// The stage's name.
    Stage "stage",
    /// The client's `User-Agent`.
    UserAgent "identity.userAgent",
}

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Bodies go on as they come.
    #[error("bodies are passed on as they come: nothing can be read from them")]
    Body,
    /// The API has no such stage variable.
    #[error("the API has no stage variable `{0}`")]
    StageVariable(String),
    /// What begins with `$` is not known.
    #[error("`{0}` is not known here")]
    Unknown(String),
    /// A brace is not closed.
    #[error("a `${{` is not closed")]
    Open,
    /// It would break a line.
    #[error("control characters cannot stand in a value")]
    Control,
}

impl Expression {
    /// Reads a value: one variable, text with variables in `${}`, or plain text. Where
    /// `is_rest` also as REST APIs spell it: `method.request.header.x`, `'text'`.
    ///
    /// # Errors
    ///
    /// What begins like a variable and is none. API Gateway takes that literally.
    pub fn parse(
        text: &str,
        is_rest: bool,
        stage_variables: &[(String, String)],
    ) -> Result<Self, ExpressionError> {
        if text.chars().any(char::is_control) {
            return Err(ExpressionError::Control);
        }
        let whole = |piece| Ok(Self { pieces: vec![piece] });
        let piece = |name: &str| piece(name, stage_variables);
        if is_rest {
            let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            if let Some(inner) = inner {
                return whole(Piece::Literal(inner.to_owned()));
            }
            let name = match text.strip_prefix("method.request.") {
                Some(rest) => Some(format!("request.{rest}")),
                None => ["context.", "stageVariables.", "integration.response."]
                    .iter()
                    .any(|prefix| text.starts_with(prefix))
                    .then(|| text.trim_start_matches("integration.").to_owned()),
            };
            if let Some(name) = name {
                return whole(piece(&name)?);
            }
        }
        if let Some(name) = text.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
            return whole(piece(name)?);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            let (name, after) = after.split_once('}').ok_or(ExpressionError::Open)?;
            pieces.push(piece(name.strip_prefix('$').unwrap_or(name))?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// Whether a part of it is what an authorizer has proved.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.pieces.iter().any(|piece| {
            matches!(
                piece,
                Piece::Context(
                    Variable::Claim(_)
                        | Variable::Authorizer(_)
                        | Variable::AccessKey
                        | Variable::AccountId
                        | Variable::Caller
                        | Variable::User
                        | Variable::UserArn
                )
            )
        })
    }

    /// Whether a part of it is what any client may choose.
    #[must_use]
    pub fn is_of_client(&self) -> bool {
        self.pieces.iter().any(|piece| match piece {
            Piece::RequestHeader(_)
            | Piece::RequestParameter(_)
            | Piece::RequestPath
            | Piece::PathVariable(_) => true,
            Piece::Context(variable) => matches!(
                variable,
                Variable::DomainName
                    | Variable::DomainPrefix
                    | Variable::HttpMethod
                    | Variable::Path
                    | Variable::UserAgent
            ),
            Piece::Literal(_) | Piece::ResponseHeader(_) => false,
        })
    }
}

impl fmt::Display for Expression {
    /// As HTTP APIs spell it; what stage variables stood for is text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => f.write_str(text)?,
                Piece::RequestHeader(name) => write!(f, "${{request.header.{name}}}")?,
                Piece::RequestParameter(name) => write!(f, "${{request.querystring.{name}}}")?,
                Piece::RequestPath => f.write_str("${request.path}")?,
                Piece::PathVariable(name) => write!(f, "${{request.path.{name}}}")?,
                Piece::ResponseHeader(name) => write!(f, "${{response.header.{name}}}")?,
                Piece::Context(variable) => write!(f, "${{context.{}}}", variable.name())?,
            }
        }
        Ok(())
    }
}

fn piece(name: &str, stage_variables: &[(String, String)]) -> Result<Piece, ExpressionError> {
    let unknown = || ExpressionError::Unknown(name.to_owned());
    let word = |text: &str| (!text.is_empty()).then(|| text.to_owned()).ok_or_else(unknown);
    if let Some(header) = name.strip_prefix("request.header.") {
        return Ok(Piece::RequestHeader(word(header)?.to_ascii_lowercase()));
    }
    if let Some(header) = name.strip_prefix("response.header.") {
        return Ok(Piece::ResponseHeader(word(header)?.to_ascii_lowercase()));
    }
    if let Some(parameter) = name.strip_prefix("request.querystring.") {
        return word(parameter).map(Piece::RequestParameter);
    }
    if let Some(variable) = name.strip_prefix("request.path.") {
        return word(variable).map(Piece::PathVariable);
    }
    if let Some(variable) = name.strip_prefix("context.") {
        return Variable::of(variable).map(Piece::Context).ok_or_else(unknown);
    }
    if let Some(variable) = name.strip_prefix("stageVariables.") {
        let found = stage_variables.iter().find(|(known, _)| known == variable);
        let missing = || ExpressionError::StageVariable(variable.to_owned());
        return found.map(|(_, value)| Piece::Literal(value.clone())).ok_or_else(missing);
    }
    match name {
        "request.path" => Ok(Piece::RequestPath),
        _ if name.starts_with("request.body") || name.starts_with("response.body") => {
            Err(ExpressionError::Body)
        }
        _ => Err(unknown()),
    }
}

/// `authorizer.claims.NAME`, or `authorizer.claims['NAME']`.
fn claim(name: &str) -> Option<String> {
    let rest = name.strip_prefix("authorizer.claims")?;
    let quoted = rest.strip_prefix("['").and_then(|rest| rest.strip_suffix("']"));
    let claim = quoted.or_else(|| rest.strip_prefix('.'))?;
    (!claim.is_empty()).then(|| claim.to_owned())
}

/// `authorizer.KEY`, where the key is a word.
fn said(name: &str) -> Option<String> {
    let key = name.strip_prefix("authorizer.")?;
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    (!key.is_empty() && key != "claims" && key.bytes().all(is_word)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, is_rest: bool) -> Result<Vec<Piece>, ExpressionError> {
        let variables = [("host".to_owned(), "a.example".to_owned())];
        Expression::parse(text, is_rest, &variables).map(|expression| expression.pieces)
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    #[test]
    fn a_value_is_one_variable_or_text_with_variables_in_braces() {
        let claim = |name: &str| Piece::Context(Variable::Claim(name.to_owned()));
        for (text, pieces) in [
            ("$request.header.X-A", vec![Piece::RequestHeader("x-a".into())]),
            ("$request.querystring.A", vec![Piece::RequestParameter("A".into())]),
            ("$request.path", vec![Piece::RequestPath]),
            ("$context.authorizer.claims.cognito:groups", vec![claim("cognito:groups")]),
            ("${context.authorizer.claims.cognito:groups}", vec![claim("cognito:groups")]),
            ("$context.authorizer.claims['custom:a b']", vec![claim("custom:a b")]),
            ("$stageVariables.host", vec![literal("a.example")]),
            (
                "a${request.path.id} ${context.requestId}/",
                vec![
                    literal("a"),
                    Piece::PathVariable("id".into()),
                    literal(" "),
                    Piece::Context(Variable::RequestId),
                    literal("/"),
                ],
            ),
            ("plain, 'text'", vec![literal("plain, 'text'")]),
            ("method.request.header.a", vec![literal("method.request.header.a")]),
            ("", vec![]),
        ] {
            assert_eq!(parse(text, false), Ok(pieces), "{text}");
        }
        assert_eq!(
            parse("method.request.header.A", true),
            Ok(vec![Piece::RequestHeader("a".into())])
        );
        assert_eq!(parse("'text'", true), Ok(vec![literal("text")]));
        assert_eq!(parse("context.stage", true), Ok(vec![Piece::Context(Variable::Stage)]));
        assert_eq!(
            parse("integration.response.header.A", true),
            Ok(vec![Piece::ResponseHeader("a".into())])
        );
    }

    #[test]
    fn what_begins_like_a_variable_and_is_none_is_refused() {
        assert_eq!(parse("$request.body.a", false), Err(ExpressionError::Body));
        assert_eq!(
            parse("$stageVariables.b", false),
            Err(ExpressionError::StageVariable("b".into()))
        );
        for text in [
            "$context.nothing",
            "$context.authorizer.claims",
            "$context.authorizer.claims.",
            "$request.header.",
            "$request.cookie.a",
            "$5",
            "${nothing}",
        ] {
            assert!(matches!(parse(text, false), Err(ExpressionError::Unknown(_))), "{text}");
        }
        assert_eq!(parse("${context.stage", false), Err(ExpressionError::Open));
        assert_eq!(parse("a\r\nb", false), Err(ExpressionError::Control));
    }
}
