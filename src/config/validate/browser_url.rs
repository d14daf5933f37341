//! Where the development pool may send a browser: `callback_urls` and `logout_urls` of a client,
//! by Cognito's rules. They are compared byte for byte when a request names one, so they are kept
//! as they are typed.

use url::Url;

use super::Judge;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned};
use crate::config::model::DevelopmentGrant;
use crate::config::raw;

/// Cognito's limit.
const LONGEST: usize = 1024;

/// Cognito's limit.
const MOST: usize = 100;

/// Schemes that a browser runs or shows by itself: none is an application's own.
const BROWSERS_OWN: [&str; 9] =
    ["javascript", "data", "vbscript", "file", "blob", "filesystem", "about", "ftp", "ws"];

impl Judge<'_> {
    /// Callback and logout URLs of one client.
    pub(super) fn browser_urls(
        &mut self,
        name: &Spanned<String>,
        client: &raw::DevelopmentClient,
        grants: &[DevelopmentGrant],
    ) -> (Vec<String>, Vec<String>) {
        let signs_in = grants.contains(&DevelopmentGrant::AuthorizationCode);
        if signs_in {
            self.demand(&client.callback_urls, name.span, "callback_urls");
        }
        // A client whose `grants` could not be read may well have the grant.
        let without_use = !signs_in && !grants.is_empty();
        let lists =
            [("callback_urls", &client.callback_urls), ("logout_urls", &client.logout_urls)];
        for (key, list) in lists {
            if let Some(list) = list.given().filter(|_| without_use) {
                let message =
                    format!("`{key}` is for a client with the grant `authorization_code`");
                self.report(Diagnostic::error("contradiction", list.key, message));
            }
        }
        (self.url_list(&client.callback_urls), self.url_list(&client.logout_urls))
    }

    fn url_list(&mut self, field: &Field<List<String>>) -> Vec<String> {
        let Some(list) = field.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = "this may not be an empty list";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        if list.value.items.len() > MOST {
            let message = format!("at most {MOST} URLs");
            self.report(Diagnostic::error("out-of-range", list.key, message));
        }
        for url in &list.value.items {
            if let Err(message) = judge(&url.value) {
                self.report(
                    Diagnostic::error("invalid-url", url.span, message)
                        .help("as in `http://localhost:8080/oauth2/idpresponse`"),
                );
            }
        }
        list.value.items.iter().map(|url| url.value.clone()).collect()
    }
}

/// What keeps `text` from being a place to send a browser to.
fn judge(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST {
        return Err("a URL of at most 1024 characters is wanted here");
    }
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return Err("a URL has no spaces, quotes or backslashes and is ASCII");
    }
    // Asked of the text: the parser would repair `https:host`.
    if !text.contains("://") {
        return Err("an absolute URL is wanted here");
    }
    let url = Url::parse(text).map_err(|_| "this is no absolute URL")?;
    if text.contains('#') {
        return Err("this URL may not have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("this URL may not hold a user or a password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(()),
        "http" => Err("`http` is for localhost, 127.0.0.1 and [::1] only"),
        own if BROWSERS_OWN.contains(&own) => Err("a browser may not be sent to this scheme"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn urls_of_cognitos_forms_are_taken() {
        for good in [
            "https://app.example/callback",
            "https://app.example/callback?tenant=1",
            "http://localhost:3000/",
            "http://localhost",
            "http://127.0.0.1:65535/x",
            "http://[::1]:3000/x",
            "myapp://signed-in",
            "com.example.app://x/y",
        ] {
            assert_eq!(judge(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn others_are_refused() {
        let long = format!("https://app.example/{}", "x".repeat(1024));
        for bad in [
            "",
            "/callback",
            "app.example/callback",
            "//app.example/",
            "https:app.example",
            "http://app.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "https://app.example/#x",
            "https://app.example/#",
            "https://user@app.example/",
            "https://user:pass@app.example/",
            "http://localhost:99999/",
            "javascript://x%0aalert(1)",
            "JavaScript://x%0aalert(1)",
            "data://x,y",
            "file:///etc/passwd",
            "https://app.example/a b",
            "https://app.example/\r\nSet-Cookie: a",
            "https://app.example\\@evil.example/",
            "https://é.example/",
            &long,
        ] {
            assert!(judge(bad).is_err(), "{bad}");
        }
    }
}
