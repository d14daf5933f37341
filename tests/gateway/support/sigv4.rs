//! A client that signs with Signature Version 4, written apart from what verifies.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::issuer::now;

/// Credentials, and what they are good for.
pub struct Signer {
    pub access_key_id: &'static str,
    pub secret: &'static str,
    pub token: Option<&'static str>,
    pub region: &'static str,
    pub service: &'static str,
    /// Seconds between our clock and the client's.
    pub ahead: i64,
}

pub const BATCH: Signer = Signer {
    access_key_id: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    token: None,
    region: "eu-west-1",
    service: "execute-api",
    ahead: 0,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

impl Signer {
    /// `Authorization` and the others of a request for a clean target whose query is in order.
    pub fn sign(
        &self,
        method: &str,
        target: &str,
        host: &str,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let stamp = stamp(now().saturating_add_signed(self.ahead));
        let date = &stamp[..8];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = vec![("host", host.to_owned()), ("x-amz-date", stamp.clone())];
        headers.extend(self.token.map(|token| ("x-amz-security-token", token.to_owned())));
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let lines: String = headers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let path = path.replace('%', "%25");
        let canonical =
            format!("{method}\n{path}\n{query}\n{lines}\n{}\n{}", names.join(";"), sha(body));
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", sha(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for step in scope.split('/') {
            key = mac(&key, step.as_bytes());
        }
        let signature = hex(&mac(&key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key_id,
            names.join(";")
        );
        headers.push(("authorization", authorization));
        headers.remove(0);
        headers
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// `20261123T120000Z`
fn stamp(seconds: u64) -> String {
    let text =
        httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(&text[8..11]).expect("a month") / 3 + 1;
    format!(
        "{}{month:02}{}T{}{}{}Z",
        &text[12..16],
        &text[5..7],
        &text[17..19],
        &text[20..22],
        &text[23..25]
    )
}
