//! Access-log lines in formats of the file's own, with API Gateway's variables.

use serde_json::json;

use crate::support::process::portcullis;
use crate::support::{Gateway, Issuer, Start, Target, wire};

/// An HTTP API in the stage `dev`, and a REST API that is written as the file says.
fn file(issuer: &Issuer, target: &Target, log: &str, api_log: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n{log}\
         user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n    \
         - {{ name: shop, conditions: {{ path_pattern: ['/shop/*'] }}, api: shop }}\n    \
         - {{ name: pay, conditions: {{ path_pattern: ['/pay/*'] }}, api: pay }}\n\
         apis:\n  shop:\n    type: http\n    base_path: /shop\n    stage: dev\n{api_log}    \
         authorizers: {{ main: {{ jwt: {{ user_pool: customers }} }} }}\n    authorizer: main\n    \
         routes:\n      GET /orders/{{id}}: {{ integration: {{ target_group: all }} }}\n      \
         GET /scoped: {{ scopes: [a/b], integration: {{ target_group: all }} }}\n\
         \x20 pay:\n    type: rest\n    base_path: /pay\n    authorizer: none\n    routes:\n      \
         GET /a/{{id}}: {{ integration: {{ target_group: all }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

/// The lines of the access log, when there are so many.
fn lines(gateway: &Gateway, count: usize) -> Vec<String> {
    crate::support::eventually("the lines are there", || {
        let text = std::fs::read_to_string(gateway.folder().join("access.log")).ok()?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (lines.len() == count && text.ends_with('\n')).then_some(lines)
    })
}

#[test]
fn an_api_has_its_own_format_and_other_requests_have_the_file_s() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let own = "    access_log: { format: '$context.requestId|$context.apiId|$context.stage|\
               $context.routeKey|$context.resourcePath|$context.path|$context.httpMethod|\
               $context.status|$context.integrationStatus|$context.identity.sourceIp|\
               $context.authorizer.claims.sub|$context.customDomain.basePathMatched|\
               $context.protocol|$context.nonsense|$context.identity.caller' }\n";
    let log = "access_log: { format: '$context.requestId $context.extendedRequestId $context.stage \
               $context.routeKey $context.status' }\n";
    let gateway = Gateway::start(&file(&issuer, &target, log, own));
    let token = issuer.token_with(&json!({ "sub": "a|b\"c" }));
    let bearer = [("Authorization", token.as_str())];
    let answer = wire::request(gateway.address(), "GET", "/shop/orders/7", &bearer);
    assert_eq!(answer.status, 200);
    lines(&gateway, 1);
    let rest = wire::get(gateway.address(), "/pay/a/1");
    assert_eq!(rest.status, 200);
    lines(&gateway, 2);
    wire::get(gateway.address(), "/none");
    let lines = lines(&gateway, 3);
    let id = answer.header("apigw-requestid").unwrap();
    assert_eq!(
        lines[0],
        format!(
            "{id}|shop|dev|GET /orders/{{id}}|/orders/{{id}}|/shop/orders/7|GET|200|200|127.0.0.1|\
             a|b\\\"c|shop|HTTP/1.1|-|-"
        )
    );
    let ids = ["x-amzn-requestid", "x-amz-apigw-id"].map(|name| rest.header(name).unwrap());
    assert_eq!(lines[1], format!("{} {} prod GET /a/{{id}} 200", ids[0], ids[1]));
    assert!(lines[2].ends_with(" - - 404"), "{}", lines[2]);
}

#[test]
fn why_an_authorizer_refused_is_told_and_no_token_is() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let own = "    access_log: { format: '$context.requestId $context.authorizer.error' }\n";
    let gateway = Gateway::start(&file(&issuer, &target, "", own));
    let ask = |path: &str, headers: &[(&str, &str)]| {
        wire::request(gateway.address(), "GET", path, headers).status
    };
    let token = issuer.token();
    for (number, (path, token, status)) in [
        ("/shop/orders/7", "", 401),
        ("/shop/orders/7", "not-a-jwt", 401),
        ("/shop/scoped", &token, 403),
        ("/shop/orders/7", &token, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let headers = [("Authorization", token)];
        assert_eq!(ask(path, if token.is_empty() { &[] } else { &headers }), status);
        lines(&gateway, number + 1);
    }
    let lines = lines(&gateway, 4);
    let errors: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(
        errors,
        [
            "missing: token not provided",
            "invalid_token: token contains an invalid number of segments",
            "insufficient_scope: expected scopes: [a/b]",
            "-",
        ]
    );
    let all = lines.concat();
    assert!(!all.contains("not-a-jwt") && !all.contains(&token));
}

#[test]
fn what_a_client_sends_stays_in_its_value_in_every_stock_format() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let json = "{ \"id\":\"$context.requestId\", \"ua\":\"$context.identity.userAgent\", \
                \"bare\":$context.identity.userAgent, \"status\":$context.status }";
    let own = format!("    access_log: {{ format: '{json}' }}\n");
    let gateway = Gateway::start(&file(&issuer, &target, "access_log: { format: clf }\n", &own));
    let agents = ["x\",\"admin\":\"true", "a\\", "1, \"admin\": 1", "$context.requestId"];
    for (number, agent) in agents.iter().enumerate() {
        wire::request(gateway.address(), "GET", "/shop/none", &[("User-Agent", agent)]);
        lines(&gateway, number + 1);
    }
    wire::request(gateway.address(), "GET", "/pay/a/%22%0aGET%20x", &[]);
    let lines = lines(&gateway, 5);
    for (line, agent) in lines.iter().zip(agents) {
        let value: serde_json::Value = serde_json::from_str(line).expect(line);
        assert_eq!(value.as_object().unwrap().len(), 4, "{line}");
        assert_eq!((&value["ua"], &value["bare"]), (&json!(agent), &json!(agent)));
        assert_eq!(value["status"], 404);
    }
    assert!(lines[4].starts_with("127.0.0.1 - - ["), "{}", lines[4]);
    assert_eq!(lines[4].matches('"').count(), 2, "{}", lines[4]);
}

#[test]
fn a_format_without_an_id_is_refused_and_an_unknown_variable_is_warned_of() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let check = |format: &str| {
        let own = format!("    access_log: {{ format: '{format}' }}\n");
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("routes.yaml");
        std::fs::write(&path, file(&issuer, &target, "", &own)).unwrap();
        let output = portcullis(&["check", "--portable", path.to_str().unwrap()]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (is_good, said) = check("$context.status");
    assert!(!is_good && said.contains("must contain `$context.requestId`"), "{said}");
    let (is_good, said) = check("$context.requestId $context.routekey");
    assert!(is_good && said.contains("$context.routekey") && said.contains("routeKey"), "{said}");
    let start = Start::with(&file(&issuer, &target, "access_log: { format: nonsense }\n", ""));
    assert!(start.try_run().is_err());
}
