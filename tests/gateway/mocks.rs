//! Mock integrations: a route that answers by itself, with its authorizer, CORS and record.

use crate::support::{Gateway, Issuer, wire};

fn api(issuer: &Issuer, kind: &str, keys: &str) -> Gateway {
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         listeners: {{ public: {{ address: 127.0.0.1:0, default_action: {{ api: shop }} }} }}\n\
         apis:\n  shop:\n    type: {kind}\n{keys}    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n    routes:\n      \
         GET /open:\n        authorizer: none\n        integration:\n          \
         mock: {{ status_code: 418, content_type: text/plain, headers: {{ X-A: one, x-b: two }}, body: short and stout }}\n          \
         response_parameters:\n            \
         \"418\": {{ \"append:header.x-a\": \"$context.httpMethod\", \"remove:header.x-b\": \"\", \"overwrite:statuscode\": \"203\" }}\n      \
         GET /closed: {{ authorizer: main, integration: {{ mock: {{ body: '{{}}' }} }} }}\n      \
         DELETE /open: {{ authorizer: none, integration: {{ mock: {{ status_code: 204 }} }} }}\n",
        pool = issuer.pool("customers"),
    ))
}

#[test]
fn a_mock_answers_in_both_kinds_of_api_and_its_answer_is_changed_like_a_targets() {
    let issuer = Issuer::start();
    for kind in ["http", "rest"] {
        let gateway = api(&issuer, kind, "");
        let answer = wire::get(gateway.address(), "/open");
        assert_eq!((answer.status, answer.text().as_str()), (203, "short and stout"), "{kind}");
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        let all: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-a"))
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(all, ["one", "GET"]);
        assert!(answer.header("x-b").is_none());
        let id = if kind == "http" { "apigw-requestid" } else { "x-amz-apigw-id" };
        assert!(answer.header(id).is_some(), "{answer:?}");
        let answer = wire::request(gateway.address(), "DELETE", "/open", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert!(answer.header("content-length").is_none());
    }
}

#[test]
fn a_mock_says_nothing_to_whom_its_authorizer_refuses() {
    let issuer = Issuer::start();
    let gateway = api(&issuer, "http", "");
    let refused = wire::get(gateway.address(), "/closed");
    assert_eq!((refused.status, refused.text().as_str()), (401, r#"{"message":"Unauthorized"}"#));
    let token = issuer.token();
    let token = ("Authorization", token.as_str());
    let answer = wire::request(gateway.address(), "GET", "/closed", &[token]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[test]
fn browsers_are_told_of_cors_by_mocks_too_and_the_record_names_them() {
    let issuer = Issuer::start();
    let cors = "    cors: { allow_origins: [https://app.example] }\n";
    let gateway = api(&issuer, "http", cors);
    let origin = [("Origin", "https://app.example")];
    let answer = wire::request(gateway.address(), "GET", "/open", &origin);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    let lines = gateway.wait_access_log(|lines| !lines.is_empty());
    assert_eq!(lines[0]["reason"], "mock", "{}", lines[0]);
    assert_eq!(lines[0]["status"], 203);
}
