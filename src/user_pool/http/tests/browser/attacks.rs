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
