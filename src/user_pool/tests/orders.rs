//! Tokens to order.

use serde_json::json;

use super::*;

fn order(value: Value) -> TokenOrder {
    serde_json::from_value(value).unwrap()
}

fn minted(value: Value) -> Map<String, Value> {
    let pool = pool();
    let token = pool.mint(&order(value), NOW, &mut Counting::default()).unwrap();
    verified(&pool.keys().jwks(), &token)
}

#[test]
fn nothing_said_means_the_first_users_access_token_with_all_scopes() {
    let claims = minted(json!({}));
    assert_eq!(claims["username"], "alice");
    assert_eq!(claims["client_id"], PUBLIC);
    assert_eq!(claims["scope"], "orders/read orders/write");
    assert_eq!(claims["version"], 2, "as from OAuth, the only way to such scopes");
}

#[test]
fn a_client_alone_orders_a_machine_token() {
    let claims = minted(json!({ "client_id": MACHINE, "scope": "orders/read" }));
    assert_eq!(claims["sub"], MACHINE);
    assert!(!claims.contains_key("username"));
}

#[test]
fn an_expired_token_is_wrong_in_nothing_but_exp() {
    let claims = minted(json!({ "expires_in": -10 }));
    let now = NOW.seconds();
    assert_eq!(claims["exp"], now - 10);
    assert_eq!(claims["iat"], now - 10 - 3600);
    let claims = minted(json!({ "expires_in": 5 }));
    assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(now), Some(now + 5)));
}

#[test]
fn claims_are_set_and_left_out_as_ordered() {
    let claims = minted(json!({ "claims": { "tenant": { "id": 7 }, "client_id": null } }));
    assert_eq!(claims["tenant"], json!({ "id": 7 }));
    assert!(!claims.contains_key("client_id"));
}

#[test]
fn an_order_that_cannot_be_is_refused() {
    let pool = pool();
    let many: Map<String, Value> = (0..33).map(|i| (i.to_string(), json!(1))).collect();
    let cases = [
        json!({ "username": "nobody" }),
        json!({ "client_id": "nobody" }),
        json!({ "client_id": MACHINE, "token_use": "id" }),
        json!({ "scope": "a", "scopes": ["b"] }),
        json!({ "scopes": ["two words"] }),
        json!({ "scopes": ["quo\"te"] }),
        json!({ "expires_in": 86_401 }),
        json!({ "expires_in": i64::MIN }),
        json!({ "claims": { "iss": "https://elsewhere.example" } }),
        json!({ "claims": many }),
    ];
    for case in cases {
        let refused = pool.mint(&order(case.clone()), NOW, &mut Counting::default());
        assert!(refused.is_err(), "{case}");
    }
    assert!(serde_json::from_value::<TokenOrder>(json!({ "user": "alice" })).is_err());
}

#[test]
fn distinct_tokens_differ_in_sub_and_jti_and_machines_keep_theirs() {
    let pool = pool();
    let jwks = pool.keys().jwks();
    let mut random = Counting::default();
    let mut mint = |value: Value| {
        verified(&jwks, &pool.mint_distinct(&order(value), NOW, &mut random).unwrap())
    };
    let (first, second) = (mint(json!({})), mint(json!({})));
    assert_ne!(first["sub"], second["sub"]);
    assert_ne!(first["jti"], second["jti"]);
    assert_eq!(mint(json!({ "client_id": MACHINE }))["sub"], MACHINE);
    assert_eq!(mint(json!({ "claims": { "sub": "mine" } }))["sub"], "mine");
}
