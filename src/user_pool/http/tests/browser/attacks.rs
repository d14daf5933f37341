//! What somebody else's page, link or code must not achieve.

use super::*;

#[tokio::test]
async fn only_a_registered_redirect_uri_is_ever_redirected_to() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    // Signed in, so that nothing but the URI stands in the way.
    browser.code(&query(&request(WEB))).await;
    let upper = CALLBACK.replace("https", "HTTPS");
    for uri in [
        "https://evil.example/",
        "https://app.example/oauth2/idpresponse/",
        "https://app.example/oauth2/idpresponse?x=1",
        "https://app.example/oauth2/idpresponse#x",
        "https://app.example/oauth2/idpresponse%2F..",
        "https://app.example/oauth2/../oauth2/idpresponse",
        "https://app.example/oauth2//idpresponse",
        "https://app.example:443/oauth2/idpresponse",
        "https://app.example./oauth2/idpresponse",
        "https://APP.example/oauth2/idpresponse",
        "https://evil@app.example/oauth2/idpresponse",
        "https://app.example@evil.example/oauth2/idpresponse",
        "https://app.example\\@evil.example/oauth2/idpresponse",
        "https://app.example/oauth2/idpresponse\r\nX: y",
        "https://app.example/oauth2/idpresponse\0",
        " https://app.example/oauth2/idpresponse",
        "https://app.example/oauth2/idpresponse ",
        "http://app.example/oauth2/idpresponse",
        "//app.example/oauth2/idpresponse",
        "https://app.example/bye",
        "javascript:alert(1)",
        "/login",
        "",
        &upper,
    ] {
        for path in ["/oauth2/authorize", "/login", "/logout"] {
            let query = with("redirect_uri", Some(uri));
            let response = browser.get(&format!("{path}?{query}")).await;
            assert_eq!(response.status(), 400, "{path} {uri:?}");
            assert_eq!(location(&response), "", "{path} {uri:?}");
        }
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", query(&request(WEB)));
    assert_eq!(browser.get(&format!("/oauth2/authorize?{twice}")).await.status(), 400);
}

#[tokio::test]
async fn a_form_of_another_page_signs_nobody_in() {
    let pool = start().await;
    let query = query(&request(WEB));
    let mut attacker = Browser::new(&pool);
    let theirs = attacker.form(&query).await;

    let alice =
        |token: &'static str| [("_csrf", token), ("username", "alice"), ("password", "Passw0rd!x")];
    // Without a cookie, with somebody else's token, and without a token.
    let mut victim = Browser::new(&pool);
    let leaked: &'static str = theirs.leak();
    for token in [leaked, ""] {
        assert_eq!(victim.post(&query, &alice(token)).await.status(), 403, "{token:?}");
    }
    let own: &'static str = victim.form(&query).await.leak();
    for token in [leaked, "", "x", &own[1..]] {
        let fields = [("_csrf", token), ("username", "alice"), ("password", "Passw0rd!x")];
        assert_eq!(victim.post(&query, &fields).await.status(), 403, "{token:?}");
    }
    // The cookie's own value, but a cookie that this pool never made.
    let name = format!("XSRF-TOKEN-{}", pool.address.port());
    victim.cookies.insert(name.clone(), "x".to_owned());
    assert_eq!(victim.post(&query, &alice("x")).await.status(), 403);
    victim.cookies.insert(name, own.to_owned());

    // Right in every way, but sent by a page of another origin.
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://localhost:1"] {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(alice(own)).finish();
        let request = victim
            .client
            .post(pool.url(&format!("/login?{query}")))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(body);
        assert_eq!(victim.send(request).await.status(), 403, "{origin}");
    }
    assert_eq!(victim.post(&query, &alice(own)).await.status(), 302);
}

#[tokio::test]
async fn a_cookie_that_somebody_planted_is_never_the_one_that_signs_in() {
    let pool = start().await;
    let name = format!("cognito-{}", pool.address.port());
    let mut browser = Browser::new(&pool);
    browser.cookies.insert(name.clone(), "planted".to_owned());
    browser.code(&query(&request(WEB))).await;
    let own = browser.cookies[&name].clone();
    assert_ne!(own, "planted");

    // Beside the real one, a planted one makes both count for nothing.
    let authorize = format!("/oauth2/authorize?{}", query(&request(WEB)));
    for cookies in [
        format!("{name}={own}; {name}=planted"),
        format!("{name}=planted; {name}={own}"),
        format!("x{name}={own}"),
        format!("{name}={own}x"),
    ] {
        let request = browser.client.get(pool.url(&authorize)).header("cookie", cookies);
        let response = request.send().await.unwrap();
        assert!(location(&response).starts_with("/login?"), "{}", location(&response));
    }
}

#[tokio::test]
async fn markup_in_a_request_comes_back_as_text() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let hostile = "\"'><script>alert(1)</script>";
    let hint = format!("/login?{}&x=\"'><script>", with("login_hint", Some(hostile)));
    let login = browser.get(&hint).await.text().await.unwrap();
    let state = with("state", Some(hostile));
    let wrong = browser.sign_in(&state, hostile, hostile).await.text().await.unwrap();
    let uri = with("redirect_uri", Some(hostile));
    let refused = browser.get(&format!("/login?{uri}")).await.text().await.unwrap();
    let client = with("client_id", Some(hostile));
    let unknown = browser.get(&format!("/login?{client}")).await.text().await.unwrap();
    for page in [login, wrong, refused, unknown] {
        assert!(!page.contains("<script") && !page.contains("\"'>"), "{page}");
    }
    let sent = browser.sign_in(&state, "alice", "Passw0rd!x").await;
    assert_eq!(parameter(&location(&sent), "state").as_deref(), Some(hostile));
    assert!(location(&sent).bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>".contains(&b)));
}

#[tokio::test]
async fn pages_can_be_neither_framed_nor_kept() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    for query in [query(&request(WEB)), with("redirect_uri", None)] {
        let response = browser.get(&format!("/login?{query}")).await;
        let policy = header(&response, "content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(header(&response, "x-frame-options"), "DENY");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(header(&response, "access-control-allow-origin"), "");
        assert!(header(&response, "content-type").starts_with("text/html"));
    }
}

#[tokio::test]
async fn huge_and_broken_requests_are_refused() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let long = with("state", Some(&"x".repeat(8 * 1024)));
    let many = format!("{}{}", query(&request(WEB)), "&a=1".repeat(33));
    for query in [&*long, &*many, "", "&&&=&=", "%zz=%00"] {
        for path in ["/oauth2/authorize", "/login", "/logout"] {
            let response = browser.get(&format!("{path}?{query}")).await;
            assert_eq!(response.status(), 400, "{path} {query}");
        }
    }
    let query = query(&request(WEB));
    let token = browser.form(&query).await;
    let long = "x".repeat(30 * 1024);
    let fields = [("_csrf", &*token), ("username", &*long), ("password", &*long)];
    let page = browser.post(&query, &fields).await;
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().len() < 16 * 1024, "the answer repeats the request");
    let longer = "x".repeat(MAX_BODY);
    let fields = [("_csrf", &*token), ("username", "alice"), ("password", &*longer)];
    assert_eq!(browser.post(&query, &fields).await.status(), 413);
    // JSON, which a page of another origin could not send without being asked first, and could
    // not read.
    let url = pool.url(&format!("/login?{query}"));
    let request = browser.client.post(url).header("content-type", "text/plain").body("a=b");
    assert_eq!(browser.send(request).await.status(), 400);
}

#[tokio::test]
async fn guessing_locks_the_user_on_the_page_as_well() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let query = query(&request(WEB));
    for guess in 0..6 {
        browser.sign_in(&query, "alice", &format!("guess{guess}")).await;
    }
    let response = browser.sign_in(&query, "alice", "Passw0rd!x").await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("Password attempts exceeded"));
    // A new browser is the same user.
    let response = Browser::new(&pool).sign_in(&query, "alice", "Passw0rd!x").await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn signing_out_leads_to_a_registered_place_or_back_to_the_form() {
    let pool = start().await;
    let mut browser = Browser::new(&pool);
    let query = query(&request(WEB));
    browser.code(&query).await;
    for bad in ["https://evil.example/", "https://app.example/bye/", CALLBACK, "//evil.example"] {
        let uri: String = url::form_urlencoded::byte_serialize(bad.as_bytes()).collect();
        let response = browser.get(&format!("/logout?client_id={WEB}&logout_uri={uri}")).await;
        assert_eq!((response.status().as_u16(), &*location(&response)), (400, ""), "{bad}");
    }
    let name = format!("cognito-{}", pool.address.port());
    let old = browser.cookies[&name].clone();
    let response = browser.get(&format!("/logout?{query}")).await;
    assert_eq!(location(&response), format!("/login?{query}"));
    assert!(!browser.cookies.contains_key(&name));
    // Whoever kept the cookie has nothing.
    browser.cookies.insert(name, old);
    let response = browser.get(&format!("/oauth2/authorize?{query}")).await;
    assert!(location(&response).starts_with("/login?"), "{}", location(&response));
}

#[tokio::test]
async fn user_info_wants_one_bearer_token_and_says_what_is_wrong() {
    let pool = start().await;
    let url = pool.url("/oauth2/userInfo");
    let ask = |value: &str| pool.client.get(&*url).header("authorization", value);
    let query = query(&request(APP));
    let code = Browser::new(&pool).code(&query).await;
    let (_, tokens) = pool.form("/oauth2/token", &exchange(&code)).await;
    let token = tokens["access_token"].as_str().unwrap();
    let good = format!("Bearer {token}");
    for request in [ask(&good), pool.post("/oauth2/userInfo").header("authorization", &good)] {
        let (status, info) = judged(request).await;
        assert_eq!((status, &info["username"]), (200, &json!("alice")));
        assert_eq!(info["email_verified"], "true");
    }
    let id = format!("Bearer {}", tokens["id_token"].as_str().unwrap());
    for (request, status) in [
        (pool.client.get(&*url), 400),
        (ask("Basic eA=="), 400),
        (ask("Bearer"), 400),
        (ask(&good).header("authorization", &good), 400),
        (ask("Bearer x"), 401),
        (ask(&format!("{good}x")), 401),
        (ask(&format!("Bearer  {token}")), 401),
        (ask(&id), 401),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        let error = if status == 400 { "invalid_request" } else { "invalid_token" };
        let challenge = header(&response, "www-authenticate");
        assert!(challenge.starts_with(&format!("Bearer error=\"{error}\"")), "{challenge}");
    }
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let revoke = format!("client_id={APP}&token={refresh}");
    assert_eq!(pool.form("/oauth2/revoke", &revoke).await.0, 200);
    assert_eq!(judged(ask(&good)).await.0, 401);
}

#[tokio::test]
async fn a_code_that_two_redeem_at_once_is_one_s_and_then_nobody_s() {
    let pool = start().await;
    let code = Browser::new(&pool).code(&query(&request(APP))).await;
    let body = exchange(&code);
    let answers =
        futures_util::future::join_all((0..8).map(|_| pool.form("/oauth2/token", &body))).await;
    let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    assert_eq!(won.len(), 1);
    for (_, answer) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!(answer["error"], "invalid_grant");
    }
    let token = won[0].1["refresh_token"].as_str().unwrap();
    let refresh = format!("grant_type=refresh_token&client_id={APP}&refresh_token={token}");
    assert_eq!(pool.form("/oauth2/token", &refresh).await.1["error"], "invalid_grant");
}
