//! `x-amzn-oidc-data`: the claims of somebody who signed in, signed as ALB does it (alb.md 7.7).
//!
//! A JWT whose parts keep their base64 padding, good for two minutes, under a key that is published
//! as PEM at a path of its own ([`KEYS_PATH`]), so that AWS's `AlbJwtVerifier` reads it unchanged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::value::RawValue;

use super::keys::{NamedKey, Published, Ring};
use crate::clock::UnixMillis;
use crate::config::model::OidcData;

/// Where listeners publish the keys: this, and a key's name.
pub const KEYS_PATH: &str = "/.well-known/portcullis/oidc-data-keys/";

/// How long what is minted is good.
const LIFETIME: Duration = Duration::from_secs(120);

/// Says who signed in.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn<'a> {
    /// Members of the user info, each as it was written.
    pub user_info: &'a [(Box<str>, Box<RawValue>)],
    /// The issuer of the session's tokens.
    pub issuer: &'a str,
    /// The client that they were given to.
    pub client: &'a str,
}

/// Mints, and holds the keys for it.
pub struct OidcSigner {
    settings: OidcData,
    ring: Mutex<Ring>,
    published: ArcSwap<Published>,
}

impl OidcSigner {
    /// For the settings of a file: the one before when they are the same, so that a reload changes
    /// no key. `None` when the system has no randomness.
    #[must_use]
    pub fn compile(settings: &OidcData, previous: Option<&Arc<Self>>) -> Option<Arc<Self>> {
        if let Some(previous) = previous.filter(|previous| previous.settings == *settings) {
            return Some(Arc::clone(previous));
        }
        let has_own = |signer: &OidcData| signer.signing_keys.is_empty();
        let ring = match previous.filter(|old| has_own(&old.settings) && has_own(settings)) {
            Some(previous) => previous.ring.lock().clone(),
            None => Ring::new(&settings.signing_keys)?,
        };
        Some(Arc::new(Self {
            settings: settings.clone(),
            published: ArcSwap::from_pointee(ring.published()),
            ring: Mutex::new(ring),
        }))
    }

    /// The header's value. `None` when it cannot be signed: then nothing may be forwarded.
    #[must_use]
    pub fn mint(&self, signed_in: SignedIn<'_>, now: UnixMillis) -> Option<HeaderValue> {
        let published = self.published.load();
        let expires = now.plus(LIFETIME).seconds();
        let SignedIn { user_info, issuer, client } = signed_in;
        let text = |text: &str| Value::from(text).to_string();
        let header = format!(
            r#"{{"typ":"JWT","kid":"{}","alg":"ES256","iss":{},"client":{},"signer":{},"exp":{expires}}}"#,
            published.signing.uuid(),
            text(issuer),
            text(client),
            text(&self.settings.signer),
        );
        let mut payload = String::from("{");
        // These two are ours to say.
        for (name, value) in user_info.iter().filter(|(name, _)| !matches!(&**name, "exp" | "iss"))
        {
            payload.push_str(&text(name));
            payload.push(':');
            payload.push_str(value.get());
            payload.push(',');
        }
        payload.push_str(&format!(r#""exp":{expires},"iss":{}}}"#, text(issuer)));
        let mut token = URL_SAFE.encode(header);
        token.push('.');
        URL_SAFE.encode_string(payload, &mut token);
        let signature = published.signing.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE.encode_string(signature, &mut token);
        let mut value = HeaderValue::try_from(token).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The public key of a name, as PEM.
    #[must_use]
    pub fn public_key(&self, kid: &str) -> Option<Bytes> {
        let published = self.published.load();
        let key = published.keys.iter().find(|key| key.uuid().eq_ignore_ascii_case(kid))?;
        Some(key.pem())
    }

    /// Lets a new key take over when it is time. Call it every few seconds.
    pub fn rotate(&self, mono: Instant) {
        let mut ring = self.ring.lock();
        if ring.rotate(self.settings.rotation, mono) {
            self.published.store(Arc::new(ring.published()));
        }
    }
}

impl NamedKey {
    /// Its name as ALB's keys have one. Gateways that share a key agree on it.
    pub(super) fn uuid(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.kid().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.as_ref().first_chunk::<16>().unwrap_or(&[0; 16]));
        // Version 8 and its variant (RFC 9562 5.8): made by a rule of our own.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_566_480_056_000);

    fn signer() -> Arc<OidcSigner> {
        let settings = OidcData {
            signer: "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/0".into(),
            rotation: Duration::from_secs(3600),
            signing_keys: Vec::new(),
        };
        OidcSigner::compile(&settings, None).unwrap()
    }

    fn mint(signer: &OidcSigner, user_info: &str) -> String {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let object: serde_json::Map<String, Value> = serde_json::from_str(user_info).unwrap();
        let members: Vec<_> = object
            .iter()
            .map(|(name, value)| (name.as_str().into(), raw(&value.to_string())))
            .collect();
        let signed_in =
            SignedIn { user_info: &members, issuer: "https://i.example", client: "c\"1" };
        signer.mint(signed_in, NOW).unwrap().to_str().unwrap().to_owned()
    }

    fn read(part: &str) -> String {
        String::from_utf8(URL_SAFE.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn parts_are_padded_and_say_what_albs_say() {
        let signer = signer();
        let token = mint(&signer, r#"{"sub":"a","email_verified":"true","exp":1,"iss":"x"}"#);
        let parts: Vec<&str> = token.split('.').collect();
        assert!(parts.len() == 3 && parts.iter().all(|part| part.len().is_multiple_of(4)));
        assert!(parts[2].ends_with("=="), "{token}");
        let kid = signer.published.load().signing.uuid();
        let header = format!(
            r#"{{"typ":"JWT","kid":"{kid}","alg":"ES256","iss":"https://i.example","client":"c\"1","signer":"arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/a/0","exp":1566480176}}"#
        );
        assert_eq!(read(parts[0]), header);
        let payload =
            r#"{"sub":"a","email_verified":"true","exp":1566480176,"iss":"https://i.example"}"#;
        assert_eq!(read(parts[1]), payload);
    }

    #[test]
    fn the_published_key_verifies_it() {
        let signer = signer();
        let token = mint(&signer, r#"{"sub":"a"}"#);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let pem = signer.public_key(&signer.published.load().signing.uuid()).unwrap();
        let pem = String::from_utf8(pem.to_vec()).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let point = der.get(der.len() - 65..).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        assert!(key.verify(signed.as_bytes(), &URL_SAFE.decode(signature).unwrap()).is_ok());
        assert_eq!(signer.public_key("00000000-0000-0000-0000-000000000000"), None);
        assert_eq!(signer.public_key(""), None);
    }
}
