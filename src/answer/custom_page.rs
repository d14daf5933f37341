//! Pages of the file in place of ALB's.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::HeaderValue;
use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;

use super::{Answer, Caller, page};
use crate::config::model::{ErrorPage, ErrorPages};

/// The pages of a listener, by status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CustomPages(BTreeMap<u16, Arc<CustomPage>>);

#[derive(Debug, PartialEq, Eq)]
struct CustomPage {
    content_type: HeaderValue,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Bytes),
    StatusCode,
    RequestId,
}

impl CustomPages {
    /// What the file says. It was checked: types are header values, keywords are known.
    pub(super) fn compile(pages: &ErrorPages) -> Self {
        if pages.iter().next().is_none() {
            return Self::default();
        }
        let mut made: Vec<(&Arc<ErrorPage>, Arc<CustomPage>)> = Vec::new();
        let mut by_status = BTreeMap::new();
        for status in 400..=599 {
            let Some(page) = pages.get(status) else { continue };
            let known = made.iter().find(|(source, _)| Arc::ptr_eq(source, page));
            let compiled = match known {
                Some((_, compiled)) => Arc::clone(compiled),
                None => {
                    let compiled = Arc::new(CustomPage::compile(page));
                    made.push((page, Arc::clone(&compiled)));
                    compiled
                }
            };
            by_status.insert(status, compiled);
        }
        Self(by_status)
    }

    /// Puts the page for its status into an answer that has ALB's. `request_id` names the request.
    /// No gRPC caller gets one: it could not read it.
    pub(super) fn put_into(&self, answer: &mut Answer, caller: Caller, request_id: &str) {
        if !answer.is_replaceable || caller.is_grpc {
            return;
        }
        let Some(page) = self.0.get(&answer.status) else { return };
        let body = page.write(answer.status, request_id);
        let set = |headers: &mut Vec<_>, name, value: HeaderValue| match headers
            .iter_mut()
            .find(|(own, _)| *own == name)
        {
            Some((_, own)) => *own = value,
            None => headers.push((name, value)),
        };
        set(&mut answer.headers, CONTENT_TYPE, page.content_type.clone());
        set(&mut answer.headers, CONTENT_LENGTH, HeaderValue::from(body.len()));
        answer.body = if caller.is_head { Bytes::new() } else { body };
    }
}

impl CustomPage {
    fn compile(page: &ErrorPage) -> Self {
        let mut pieces = Vec::new();
        let mut rest = page.body.as_str();
        while let Some((before, after)) = rest.split_once("#{") {
            let (word, after) = after.split_once('}').unwrap_or((after, ""));
            push_text(&mut pieces, before);
            match word {
                "status_code" => pieces.push(Piece::StatusCode),
                "request_id" => pieces.push(Piece::RequestId),
                _ => {}
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        let content_type = HeaderValue::from_str(&page.content_type);
        Self { content_type: content_type.unwrap_or(page::CONTENT_TYPE_HTML), pieces }
    }

    fn write(&self, status: u16, request_id: &str) -> Bytes {
        if let [Piece::Text(whole)] = self.pieces.as_slice() {
            return whole.clone();
        }
        let mut body = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => body.extend_from_slice(text),
                Piece::StatusCode => body.extend_from_slice(status.to_string().as_bytes()),
                // Letters, digits, `_` and `-` mean nothing in HTML, JSON, JavaScript or CSS. Our
                // names for requests hold nothing else; what did would stay out.
                Piece::RequestId => {
                    let is_safe = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                    body.extend(request_id.bytes().filter(is_safe));
                }
            }
        }
        body.into()
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(Bytes::copy_from_slice(text.as_bytes())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Challenge, Refusal, challenge, refuse};
    use crate::config::model::{FixedResponse, PageFor};

    fn pages(body: &str) -> CustomPages {
        let page = ErrorPage {
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
            file: None,
        };
        CustomPages::compile(
            &[(PageFor::Class(4), page.clone()), (PageFor::Class(5), page)].into_iter().collect(),
        )
    }

    fn with(body: &str, mut answer: Answer, caller: Caller) -> Answer {
        pages(body).put_into(&mut answer, caller, "0a\"1<b>");
        answer
    }

    #[test]
    fn keywords_are_filled_in_and_a_request_id_can_break_nothing() {
        let answer =
            with("{\"#{status_code}\": \"#{request_id}\"}", Answer::page(503), Caller::default());
        assert_eq!(answer.body, "{\"503\": \"0a1b\"}");
        assert_eq!(answer.header(&CONTENT_TYPE).unwrap(), "application/json");
        assert_eq!(answer.header(&CONTENT_LENGTH).unwrap(), "15");
        assert_eq!(with("", Answer::page(503), Caller::default()).body, "");
    }

    #[test]
    fn head_gets_the_length_and_no_body() {
        let caller = Caller { is_head: true, is_grpc: false };
        let answer = with("four", Answer::page(404).for_caller(caller), caller);
        assert_eq!(answer.header(&CONTENT_LENGTH).unwrap(), "4");
        assert!(answer.body.is_empty());
    }

    #[test]
    fn a_challenge_keeps_its_headers() {
        let caller = Caller::default();
        let before = challenge(Challenge::NoToken, caller);
        let after = with("x", before.clone(), caller);
        assert_eq!(after.body, "x");
        let name = ::http::header::WWW_AUTHENTICATE;
        assert_eq!(after.header(&name), before.header(&name));
        assert!(after.header(&name).is_some());
    }

    #[test]
    fn what_is_no_page_of_ours_stays() {
        let grpc = Caller { is_head: false, is_grpc: true };
        let fixed = |body: &str| {
            Answer::fixed(&FixedResponse {
                status_code: 404,
                content_type: "text/plain".to_owned(),
                message_body: body.to_owned(),
            })
        };
        for answer in [
            refuse(Refusal::NoTarget, grpc),
            challenge(Challenge::NoToken, grpc),
            Answer::redirect(302, "https://a.test/"),
            fixed("said by a rule"),
        ] {
            assert_eq!(with("x", answer.clone(), Caller::default()), answer);
        }
        assert_eq!(
            with("x", fixed(""), Caller::default()).body,
            "x",
            "a rule that says only a status"
        );
        assert_eq!(with("x", fixed(""), grpc), fixed(""));
    }
}
