//! The wall clock jumps: expiry follows it, timers do not.

use std::path::PathBuf;

use serde_json::json;

use crate::authorization::protected;
use crate::support::issuer::{Key, now};
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

/// A gateway whose wall clock a test can set.
struct Jumping {
    gateway: Gateway,
    folder: tempfile::TempDir,
}

impl Jumping {
    fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let jump = folder.path().join("jump");
        std::fs::write(&jump, "+0").expect("written");
        let gateway = Start::with(yaml)
            .env("LD_PRELOAD", library().to_str().expect("a path"))
            .env("FAKETIME_TIMESTAMP_FILE", jump.to_str().expect("a path"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .run();
        Self { gateway, folder }
    }

    /// Sets its clock to so many seconds off the real one.
    fn jump(&self, seconds: i64) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{seconds:+}")).expect("written");
        std::fs::rename(&new, self.folder.path().join("jump")).expect("renamed");
    }

    fn status(&self, token: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        wire::request(self.gateway.address(), "GET", "/orders/1", &headers).status
    }

    fn wait_status(&self, token: &str, status: u16) {
        eventually("the verdict follows the clock", || {
            (self.status(token) == status).then_some(())
        });
    }
}

/// libfaketime for programs with threads.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists()).expect(
        "libfaketime is absent, so clock jumps cannot be tested: install the Debian package \
         `libfaketime` (`scripts/prepare tests` does)",
    )
}

/// A token that was issued so many seconds from now, good for ten minutes.
fn issued(issuer: &Issuer, from_now: i64) -> String {
    let at = now().checked_add_signed(from_now).expect("a time");
    let mut claims = issuer.claims();
    for (name, value) in [("iat", at), ("auth_time", at), ("exp", at + 600)] {
        claims[name] = json!(value);
    }
    Key::number(0).sign(&claims)
}

#[test]
fn verdicts_follow_a_clock_that_jumps_and_no_timer_does() {
    const HOUR: i64 = 3600;
    const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Jumping::start(&protected(&issuer, &target));
    let token = issued(&issuer, 0);
    assert_eq!(gateway.status(&token), 200);
    for jump in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
        gateway.jump(jump);
        gateway.wait_status(&token, 401);
        assert_eq!(gateway.status(&issued(&issuer, jump)), 200, "issued by the new clock");
        gateway.jump(0);
        gateway.wait_status(&token, 200);
        assert_eq!(gateway.status(&issued(&issuer, jump)), 401, "issued by the old clock");
    }
    assert_eq!(issuer.fetches(), 1, "the next fetch is due by the monotonic clock");
    let verbose = gateway.gateway.ask_admin("/readyz?verbose");
    assert_eq!(verbose.status, 200, "{}", verbose.text());
}
