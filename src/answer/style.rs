//! How a listener dresses answers: what it says on every one, and who it says it is.

use ::http::header::{CONNECTION, DATE, SERVER};
use ::http::{HeaderName, HeaderValue};

use super::custom_page::CustomPages;
use super::{Answer, Caller};
use crate::config::model::{ErrorPages, ResponseHeaders};

/// What a listener does to answers; made once for a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// What our own answers say.
    server: Option<HeaderValue>,
    /// Whether a target may say it.
    removes_server: bool,
    /// Said on every answer, ours or a target's, in place of what that says.
    added: Vec<(HeaderName, HeaderValue)>,
    /// In place of ALB's.
    pages: CustomPages,
}

impl Default for Style {
    fn default() -> Self {
        Self::compile(&ResponseHeaders::default(), &ErrorPages::default())
    }
}

impl Style {
    /// What the file says of a listener. It was checked: these are names and values.
    #[must_use]
    pub fn compile(headers: &ResponseHeaders, pages: &ErrorPages) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let added = headers.added.iter().filter_map(|(header, text)| {
            Some((HeaderName::from_static(header.name()), value(text)?))
        });
        Self {
            server: headers.server.value.as_deref().and_then(value),
            removes_server: headers.server.remove_from_targets,
            added: added.collect(),
            pages: CustomPages::compile(pages),
        }
    }

    /// Said on every answer, in place of what it says under these names.
    #[must_use]
    pub fn added(&self) -> &[(HeaderName, HeaderValue)] {
        &self.added
    }

    /// Whether a target's `Server` is removed.
    #[must_use]
    pub const fn removes_server(&self) -> bool {
        self.removes_server
    }

    /// An answer of ours as this listener gives it to this caller, in answer to a request of this name.
    #[must_use]
    pub fn dress(&self, mut answer: Answer, caller: Caller, request_id: &str) -> Answer {
        self.pages.put_into(&mut answer, caller, request_id);
        match &self.server {
            Some(ours) => {
                for (_, value) in answer.headers.iter_mut().filter(|(name, _)| *name == SERVER) {
                    value.clone_from(ours);
                }
            }
            None => answer.headers.retain(|(name, _)| *name != SERVER),
        }
        if !self.added.is_empty() {
            answer.headers.retain(|(name, _)| self.added.iter().all(|(own, _)| own != name));
            answer.headers.extend_from_slice(&self.added);
        }
        answer
    }
}

impl Answer {
    /// The bytes of HTTP/1.1, of an answer after which the connection ends. For whoever has to
    /// speak before there is an HTTP engine to speak for it.
    #[must_use]
    pub fn to_last_words(&self, date: &HeaderValue) -> Vec<u8> {
        let mut bytes =
            format!("HTTP/1.1 {} {}\r\n", self.status, self.reason_phrase()).into_bytes();
        let close = HeaderValue::from_static("close");
        let own = self.headers.iter().map(|(name, value)| (name, value));
        for (name, value) in own.chain([(&DATE, date), (&CONNECTION, &close)]) {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{AddedHeader, ServerHeader};

    fn style(server: Option<&str>, added: &[(AddedHeader, &str)]) -> Style {
        let headers = ResponseHeaders {
            server: ServerHeader { value: server.map(str::to_owned), remove_from_targets: false },
            added: added.iter().map(|(header, text)| (*header, (*text).to_owned())).collect(),
        };
        Style::compile(&headers, &ErrorPages::default())
    }

    #[test]
    fn our_answers_say_who_answers_as_the_listener_wants_it() {
        let said = |style: Style| {
            let answer = style.dress(Answer::page(404), Caller::default(), "");
            answer.header(&SERVER).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(said(Style::default()).as_deref(), Some("portcullis"));
        assert_eq!(said(style(Some("awselb/2.0"), &[])).as_deref(), Some("awselb/2.0"));
        assert_eq!(said(style(None, &[])), None);
    }

    #[test]
    fn what_is_added_stands_once() {
        let name = HeaderName::from_static("x-frame-options");
        let answer = Answer::page(404).with(name.clone(), HeaderValue::from_static("other"));
        let dressed = style(None, &[(AddedHeader::FrameOptions, "DENY")]).dress(
            answer,
            Caller::default(),
            "",
        );
        let values: Vec<_> = dressed.headers.iter().filter(|(own, _)| *own == name).collect();
        assert_eq!(values, [&(name, HeaderValue::from_static("DENY"))]);
    }

    #[test]
    fn last_words_are_a_whole_answer_after_which_nothing_comes() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let words =
            Style::default().dress(Answer::page(408), Caller::default(), "").to_last_words(&date);
        let text = String::from_utf8(words).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            head,
            format!(
                "HTTP/1.1 408 Request Time-out\r\nserver: portcullis\r\ncontent-type: text/html\r\n\
                 content-length: {}\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close",
                body.len()
            )
        );
        assert_eq!(body.as_bytes(), crate::answer::error_page(408));
    }
}
