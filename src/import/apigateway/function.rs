//! Functions that authorize. The gateway asks a service over HTTP in their place, and AWS does not
//! say where that one is: until its address is filled in, nobody answers, and nobody comes through.

use super::super::name::slug;
use super::super::{Kind, Object};
use super::Import;
use super::draft::{Draft, list, text};

impl Import<'_> {
    /// A function that is told of the request, or of one header of it.
    pub(super) fn function(
        &mut self,
        object: &Object<'_>,
        draft: &mut Draft,
        place: &str,
        is_token: bool,
    ) -> Option<String> {
        let either = |upper, lower| object.text(upper).or_else(|| object.text(lower));
        object.ignore(&["AuthorizerCredentialsArn", "authorizerCredentials"]);
        let uri = either("AuthorizerUri", "authorizerUri")?;
        let function = function_of(uri);
        let (region, account) = owner_of(uri);
        draft.region = draft.region.take().or(region);
        draft.account = draft.account.take().or(account);
        let address = format!("https://{}.authorizer.invalid/", slug(function));
        let mut settings = vec![format!("uri: {}", text(&address))];
        let sources = self.identity_sources(object);
        if is_token {
            settings
                .extend(sources.first().map(|source| format!("identity_source: {}", text(source))));
            let expression = object.text("identityValidationExpression");
            settings.extend(
                expression.map(|expression| {
                    format!("identity_validation_expression: {}", text(expression))
                }),
            );
        } else {
            object.ignore(&["identityValidationExpression", "IdentityValidationExpression"]);
            if !sources.is_empty() {
                let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
                settings.push(format!("identity_source: {}", list(&sources)));
            }
        }
        let lifetime = object
            .number("AuthorizerResultTtlInSeconds")
            .or_else(|| object.number("authorizerResultTtlInSeconds"));
        settings.extend(lifetime.map(|seconds| format!("result_ttl: {seconds}s")));
        if !draft.is_rest {
            let version = object.text("AuthorizerPayloadFormatVersion");
            settings.extend(version.map(|version| {
                format!("payload_format_version: {}", serde_json::Value::from(version))
            }));
            if object.flag("EnableSimpleResponses") == Some(true) {
                settings.push("enable_simple_responses: true".to_owned());
            }
        }
        self.note(
            Kind::ToDo,
            place,
            format!(
                "the function `{function}` cannot be asked from here: have a service take its event \
                 over HTTP, and say its address in `uri`. Until then all routes of this authorizer \
                 answer 500"
            ),
        );
        let kind = if is_token { "token" } else { "request" };
        Some(format!("{{ {kind}: {{ {} }} }}", settings.join(", ")))
    }

    /// A list, or the same with commas.
    fn identity_sources(&self, object: &Object<'_>) -> Vec<String> {
        let listed = object.texts("IdentitySource");
        let text = object.text("IdentitySource").or_else(|| object.text("identitySource"));
        let text = text.into_iter().flat_map(|text| text.split(','));
        let all = listed.into_iter().chain(text).map(str::trim).filter(|source| !source.is_empty());
        all.map(str::to_owned).collect()
    }
}

/// `arn:aws:apigateway:REGION:lambda:path/.../functions/arn:aws:lambda:REGION:ACCOUNT:function:NAME/invocations`
fn function_of(uri: &str) -> &str {
    let name = uri.split(":function:").nth(1).unwrap_or("function");
    name.split(['/', ':', '$']).next().filter(|name| !name.is_empty()).unwrap_or("function")
}

/// Region and account of the last ARN in a text.
pub(super) fn owner_of(text: &str) -> (Option<String>, Option<String>) {
    let Some(arn) = text.rsplit("arn:aws").next().filter(|_| text.contains("arn:aws")) else {
        return (None, None);
    };
    // What is left of `arn:PARTITION:SERVICE:REGION:ACCOUNT:...` begins within the partition.
    let mut parts = arn.split(':').skip(2);
    let region = parts.next().filter(|region| is_region(region)).map(str::to_owned);
    let is_account =
        |account: &&str| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (region, parts.next().filter(is_account).map(str::to_owned))
}

/// The region in a host that AWS generated.
pub(super) fn region_of_host(host: &str) -> Option<String> {
    let mut labels = host.split('.').skip_while(|label| *label != "execute-api").skip(1);
    labels.next().filter(|region| is_region(region)).map(str::to_owned)
}

fn is_region(text: &str) -> bool {
    text.contains('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_say_whose_they_are() {
        let uri = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/\
                   arn:aws:lambda:eu-west-1:123456789012:function:judge:live/invocations";
        assert_eq!(function_of(uri), "judge");
        assert_eq!(owner_of(uri), (Some("eu-west-1".into()), Some("123456789012".into())));
        let pool = "arn:aws-cn:cognito-idp:cn-north-1:123456789012:userpool/cn-north-1_AbCdEf123";
        assert_eq!(owner_of(pool), (Some("cn-north-1".into()), Some("123456789012".into())));
        assert_eq!(owner_of("https://example.com"), (None, None));
        assert_eq!(function_of("arn:aws:lambda:::function:"), "function");
        let host = "a1b2c3.execute-api.eu-west-1.amazonaws.com";
        assert_eq!(region_of_host(host).as_deref(), Some("eu-west-1"));
        assert_eq!(region_of_host("api.example.com"), None);
    }
}
