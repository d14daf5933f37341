//! What holds for all inputs.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::super::*;
use super::support::*;
use crate::config::model::*;

fn gate() -> &'static Gate {
    static GATE: OnceLock<Gate> = OnceLock::new();
    GATE.get_or_init(Gate::cognito)
}

fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| Mint::access().sign())
}

fn ask(token: &[u8]) -> Outcome {
    let gate = gate();
    let (check, now, mono) = (&gate.check, gate.now, gate.mono);
    gate.authorizers.authorize_token(check, token, now, mono, Patience::HasWaited)
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        // 53
        let mut bytes = token().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(!matches!(ask(&bytes), Outcome::Allowed(_)));
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(matches!(ask(&bytes), Outcome::Refused(_)));
    }

    #[test]
    fn arbitrary_texts_under_a_good_signature_never_panic(
        header in r#"\{"alg":"RS256","kid":"access="(,"[a-z0-9]{1,4}":[0-9a-z\[\]{}":,]{0,8})?\}"#,
        payload in r#"[ -~é\\]{0,60}"#,
    ) {
        let _ = ask(sign_text(&header, &payload, 0).as_bytes());
    }

    #[test]
    fn spliced_tokens_are_refused(cut in 0..900_usize, insert in "[A-Za-z0-9_.=-]{0,3}") {
        let token = token();
        let cut = cut.min(token.len() - 1);
        let spliced = format!("{}{insert}{}", &token[..cut], &token[cut + 1..]);
        prop_assume!(spliced != token);
        prop_assert!(!matches!(ask(spliced.as_bytes()), Outcome::Allowed(_)));
    }

    #[test]
    fn no_claim_puts_a_control_byte_into_a_header(
        text in any::<String>(),
        items in prop::collection::vec(any::<String>(), 0..4),
        form in prop::sample::select(vec![ArrayForm::Csv, ArrayForm::Json, ArrayForm::Repeat]),
    ) {
        // 65
        let mint = Mint::access().claim("text", text.clone()).claim("items", items.clone());
        let token = gate().identity(&mint.claim("nested", serde_json::json!({ &text: items })).sign());
        let headers: Vec<ClaimHeader> = ["text", "items", "nested"]
            .iter()
            .map(|claim| ClaimHeader { form, ..header_for(&format!("x-{claim}"), claim) })
            .collect();
        let made = headers::ClaimHeaderSet::compile(&headers).block(token.token.claims());
        for (_, value) in &made.headers {
            let bytes = value.as_bytes();
            prop_assert!(bytes.iter().all(|b| matches!(b, 0x20..=0x7e)));
            prop_assert!(!bytes.starts_with(b" ") && !bytes.ends_with(b" "));
        }
        // What a target decodes is the claim.
        let map = block(&made);
        if let Some(value) = map.get("x-text") {
            let decoded = percent_encoding::percent_decode_str(&value[0]).decode_utf8().unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}

#[test]
fn every_single_bit_of_a_token_matters() {
    for at in 0..token().len() {
        let mut bytes = token().as_bytes().to_vec();
        bytes[at] ^= 1;
        assert!(!matches!(ask(&bytes), Outcome::Allowed(_)), "{at}");
    }
}
