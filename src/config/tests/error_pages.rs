//! `error_pages:` of the file and of a listener.

use std::path::Path;

use super::{bad, good, places};
use crate::clock::UnixMillis;
use crate::config::model::Config;
use crate::config::{Ground, System, parse};

const LISTENERS: &str = "listeners:\n  a: { address: '127.0.0.1:80' }\n  b: { address: '127.0.0.1:81', error_pages: { 404: { body: own }, 5xx: { body: own class } } }\n";

fn body(config: &Config, listener: usize, status: u16) -> Option<&str> {
    Some(&config.listeners[listener].error_pages.get(status)?.body)
}

#[test]
fn a_listener_s_pages_come_before_the_file_s() {
    let loaded = good(&format!(
        "error_pages:\n  404: {{ body: general, content_type: text/plain }}\n  503: {{ body: busy }}\n  4xx: {{ body: yours }}\n{LISTENERS}"
    ));
    let config = &loaded.config;
    assert_eq!(body(config, 0, 404), Some("general"));
    assert_eq!(body(config, 0, 401), Some("yours"));
    assert_eq!(body(config, 0, 502), None);
    assert_eq!(body(config, 1, 404), Some("own"));
    assert_eq!(body(config, 1, 401), Some("yours"));
    assert_eq!(body(config, 1, 503), Some("own class"));
    let page = config.listeners[0].error_pages.get(404).unwrap();
    assert_eq!((page.content_type.as_str(), &page.file), ("text/plain", &None));
    assert_eq!(config.listeners[0].error_pages.get(503).unwrap().content_type, "text/html");
}

#[test]
fn a_page_that_cannot_be_is_refused_at_its_place() {
    for (page, code) in [
        ("200: { body: x }", "invalid-status"),
        ("3xx: { body: x }", "invalid-status"),
        ("default: { body: x }", "invalid-status"),
        ("404: {}", "missing-key"),
        ("404: { body: x, file: y }", "contradiction"),
        ("404: { body: x, content_type: html }", "invalid-content-type"),
        ("404: { body: 'at #{time}' }", "invalid-page"),
        ("404: { body: 'at #{request_id' }", "invalid-page"),
        ("404: { file: '' }", "invalid-path"),
        ("404: { text: x }", "unknown-key"),
        ("404: x", "wrong-type"),
    ] {
        for text in [
            format!("# 1\nerror_pages: {{ {page} }}\n{LISTENERS}"),
            format!("listeners:\n  a: {{ address: '127.0.0.1:80', error_pages: {{ {page} }} }}\n"),
        ] {
            let report = bad(&text);
            let found: Vec<_> =
                places(&report.findings).iter().map(|(code, line, _)| (*code, *line)).collect();
            assert!(found.contains(&(code, 2)), "{page}\n{report}");
        }
    }
}

#[test]
fn a_page_of_a_file_is_read_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.html"), "<p>#{request_id}</p>").unwrap();
    std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
    std::fs::write(folder.path().join("long"), "x".repeat(64 * 1024 + 1)).unwrap();
    std::fs::write(folder.path().join("word"), "#{nothing}").unwrap();
    let judge = |file: &str| {
        let text = format!("error_pages:\n  404: {{ file: {file} }}\n{LISTENERS}");
        let ground = Ground {
            folder: folder.path(),
            surroundings: Some(&System),
            parts: None,
            now: UnixMillis(0),
        };
        parse(text.as_bytes(), "routes.yaml", ground)
    };
    let config = judge("page.html").unwrap().config;
    assert_eq!(body(&config, 0, 404), Some("<p>#{request_id}</p>"));
    let file = config.listeners[0].error_pages.get(404).unwrap().file.clone().unwrap();
    assert_eq!(file, Path::new(folder.path()).join("page.html"));
    for (file, code) in [
        ("none.html", "missing-page"),
        ("binary", "missing-page"),
        (".", "missing-page"),
        ("/dev/zero", "missing-page"),
        ("long", "invalid-page"),
        ("word", "invalid-page"),
    ] {
        let report = judge(file).map(|_| ()).unwrap_err();
        assert_eq!(places(&report.findings)[0].0, code, "{file}\n{report}");
        assert_eq!(places(&report.findings)[0].1, 2, "{file}");
    }
    // A portable check looks at no file.
    assert_eq!(
        body(
            &good(&format!("error_pages: {{ 404: {{ file: none }} }}\n{LISTENERS}")).config,
            0,
            404
        ),
        Some("")
    );
}
