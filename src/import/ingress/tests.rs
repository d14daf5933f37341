//! Ingresses as clusters have them, and what becomes of them.

use super::super::{Document, ImportError, Imported, Kind};
use super::import;
use crate::config::parse_portable;

fn read(text: &str) -> Result<Imported, ImportError> {
    import(&[Document { name: "cluster".to_owned(), text: text.to_owned() }])
}

fn imported(text: &str) -> Imported {
    let imported = read(text).expect("something to import");
    let judged = parse_portable(&imported.routes, "routes.yaml");
    assert!(judged.is_ok(), "{}\n{}", imported.routes, judged.expect_err("errors").render(false));
    imported
}

fn notes(imported: &Imported, kind: Kind) -> Vec<String> {
    imported.notes.iter().filter(|note| note.kind == kind).map(ToString::to_string).collect()
}

const CLUSTER: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: shop, namespace: web, annotations: { alb.ingress.kubernetes.io/healthcheck-path: /healthz } }
spec: { ports: [{ name: http, port: 8080 }] }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  namespace: web
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/listen-ports: '[{"HTTP": 80}, {"HTTPS": 443}]'
    alb.ingress.kubernetes.io/ssl-redirect: '443'
    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:eu-west-1:123456789012:certificate/abc
    alb.ingress.kubernetes.io/auth-type: cognito
    alb.ingress.kubernetes.io/auth-idp-cognito: '{"userPoolARN":"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEfGhI","userPoolClientID":"web","userPoolDomain":"shop"}'
    alb.ingress.kubernetes.io/auth-scope: openid email
    alb.ingress.kubernetes.io/actions.old: '{"type":"redirect","redirectConfig":{"host":"new.example.com","statusCode":"HTTP_301"}}'
    alb.ingress.kubernetes.io/conditions.old: '[{"field":"query-string","queryStringConfig":{"values":[{"key":"v","value":"1"}]}}]'
spec:
  rules:
    - host: shop.example.com
      http:
        paths:
          - { path: /, pathType: Prefix, backend: { service: { name: shop, port: { name: http } } } }
          - { path: /cart, pathType: Prefix, backend: { service: { name: shop, port: { number: 8080 } } } }
          - { path: /old, pathType: Exact, backend: { service: { name: old, port: { name: use-annotation } } } }
"#;

#[test]
fn an_ingress_becomes_what_its_controller_would_make_of_it() {
    let imported = imported(CLUSTER);
    let expected = r#"# Made by `portcullis import ingress`. See its report for what could not be carried over.

user_pools:
  eu-west-1-abcdefghi:
    user_pool_id: eu-west-1_AbCdEfGhI
    domain: shop.auth.eu-west-1.amazoncognito.com
    client_id: web
    client_secret: ${env:EU_WEST_1_ABCDEFGHI_CLIENT_SECRET}

target_groups:
  shop:
    targets: ["shop.web.svc.cluster.local:8080"]
    health_check: { path: /healthz, interval: 15s, healthy_threshold: 2 }

listeners:
  http:
    address: "0.0.0.0:80"
    default_action:
      redirect: { protocol: HTTPS, port: "443", status_code: 301 }

  https:
    address: "0.0.0.0:443"
    tls:
      certificates:
        - certificate: certificates/abc.pem
          private_key: certificates/abc.key
    rules:
      # Ingress web/shop
      - name: old
        priority: 1
        conditions:
          host_header: [shop.example.com]
          path_pattern: [/old]
          query_string: [{ key: v, value: "1" }]
        authenticate_cognito:
          user_pool: eu-west-1-abcdefghi
          scope: "openid email"
        redirect: { host: new.example.com, status_code: 301 }
"#;
    assert!(imported.routes.starts_with(expected), "{}", imported.routes);
    let at = |text: &str| imported.routes.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("[/old]") < at(r#"[/cart, "/cart/*"]"#), "{}", imported.routes);
    assert!(at(r#"[/cart, "/cart/*"]"#) < at(r#"path_pattern: ["/*"]"#), "{}", imported.routes);
    assert!(notes(&imported, Kind::Dropped).is_empty(), "{:?}", imported.notes);
}

/// A group of two, in a list as `kubectl` prints it, with a pod's port that nobody knows.
#[test]
fn a_group_shares_its_listener_in_its_order() {
    let item = |name: &str, order: &str, path: &str| {
        format!(
            "  - kind: Ingress\n    metadata: {{ name: {name}, annotations: {{ \
             alb.ingress.kubernetes.io/group.name: one, alb.ingress.kubernetes.io/group.order: '{order}' }} }}\n    \
             spec: {{ rules: [{{ http: {{ paths: [{{ path: {path}, backend: {{ service: {{ name: {name}, \
             port: {{ name: web }} }} }} }}] }} }}] }}\n"
        )
    };
    let text =
        format!("kind: List\nitems:\n{}{}", item("a", "20", "/x/*"), item("b", "10", "/*/y"));
    let imported = imported(&text);
    let at = |text: &str| {
        imported.routes.find(text).unwrap_or_else(|| panic!("{text} in {}", imported.routes))
    };
    assert!(at("forward: b") < at("forward: a"), "{}", imported.routes);
    assert_eq!(imported.routes.matches("address:").count(), 1);
    let to_do = notes(&imported, Kind::ToDo);
    assert_eq!(to_do.iter().filter(|note| note.contains("the port `web`")).count(), 2, "{to_do:?}");
}

#[test]
fn what_an_annotation_guards_and_is_not_understood_answers_503() {
    for annotation in [
        "alb.ingress.kubernetes.io/auth-new-thing: 'x'",
        "alb.ingress.kubernetes.io/mutual-authentication: '[]'",
        "nginx.ingress.kubernetes.io/auth-url: https://x",
        "alb.ingress.kubernetes.io/jwt-validation: '{'",
        "alb.ingress.kubernetes.io/conditions.shop: 'no json'",
        "alb.ingress.kubernetes.io/auth-type: other",
        "alb.ingress.kubernetes.io/auth-idp-cognito: '{}'",
    ] {
        let (front, back) =
            CLUSTER.split_once("    alb.ingress.kubernetes.io/scheme").expect("a scheme");
        let key = annotation.split_once(':').expect("a key").0;
        // The one that it says anew would be a double.
        let back: Vec<&str> =
            back.lines().filter(|line| !line.contains(&format!("{key}:"))).collect();
        let text = format!(
            "{front}    {annotation}\n    alb.ingress.kubernetes.io/scheme{}\n",
            back.join("\n")
        );
        let imported = imported(&text);
        assert!(imported.routes.contains("status_code: 503"), "{annotation}: {}", imported.routes);
        assert!(!imported.routes.contains("forward: shop\n        public"), "{}", imported.routes);
        assert!(!imported.routes.contains("public: true"), "{annotation}: {}", imported.routes);
        assert!(!notes(&imported, Kind::Dropped).is_empty(), "{annotation}");
    }
}

#[test]
fn who_may_connect_stays_who_may_come() {
    let text =
        CLUSTER.replace("scheme: internet-facing", "inbound-cidrs: 10.0.0.0/8, 192.168.0.0/16");
    let imported = imported(&text);
    let rules = imported.routes.matches("- name: ").count();
    assert_eq!(imported.routes.matches("source_ip:").count(), rules, "{}", imported.routes);
}

#[test]
fn hostile_files_are_errors_or_texts() {
    let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(read(&deep), Err(ImportError::Yaml { .. })));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = level - 1;
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            vec![format!("*a{last}"); 9].join(", ")
        ));
    }
    assert!(read(&bomb).is_err());
    for nothing in ["", "kind: Ingress", "[]", "kind: List\nitems: 7", "kind: 7", "--- \n---\n"] {
        assert!(matches!(read(nothing), Err(ImportError::Incomplete(_))), "{nothing}");
    }
    let name = serde_json::json!("x\n    public: true # ${env:HOME}\"'").to_string();
    let text = format!(
        "kind: Ingress\nmetadata: {{ name: {name} }}\nspec: {{ rules: [{{ http: {{ paths: [{{ path: {name}, \
         backend: {{ service: {{ name: {name}, port: {{ number: 1 }} }} }} }}] }} }}] }}"
    );
    let made = read(&text).expect("a file").routes;
    assert_eq!(
        made.lines().filter(|line| line.trim_start().starts_with("public")).count(),
        1,
        "{made}"
    );
}
