//! How header names are written to a target of HTTP/1.1 when the client spoke HTTP/2.
//!
//! Names have no case, but there are targets that do not know. HTTP/2 has lower case only; ALB
//! sends that on, and a few names of its own in the case that HTTP/1.1 has always had.

use ::http::header::{CONNECTION, HOST, UPGRADE};
use ::http::{HeaderMap, HeaderName};
use bytes::{BufMut, Bytes, BytesMut};
use pingora_error::Result;
use pingora_http::RequestHeader;

/// Names that ALB writes in this case (alb.md 10.3).
fn mixed_case(name: &HeaderName) -> Option<&'static str> {
    match *name {
        HOST => Some("Host"),
        CONNECTION => Some("Connection"),
        UPGRADE => Some("Upgrade"),
        _ => match name.as_str() {
            "x-forwarded-for" => Some("X-Forwarded-For"),
            "x-forwarded-proto" => Some("X-Forwarded-Proto"),
            "x-forwarded-port" => Some("X-Forwarded-Port"),
            "x-amzn-trace-id" => Some("X-Amzn-Trace-Id"),
            _ => None,
        },
    }
}

/// Gives the names of a head that came over HTTP/2 the case that ALB gives them.
///
/// Pingora keeps spellings in a map beside the headers, which only a head has that was built with
/// it. So this builds one.
pub(super) fn spell_as_alb(request: &mut RequestHeader) -> Result<()> {
    if request.has_case() {
        return Ok(());
    }
    let fields = request.headers.len() + 4;
    let mut spelled =
        RequestHeader::build(request.method.clone(), request.raw_path(), Some(fields))?;
    spelled.set_version(request.version);
    if let (None, Some(authority)) = (request.headers.get(HOST), request.uri.authority()) {
        spelled.insert_header(HOST, authority.as_str())?;
    }
    let mut lower = all_names(&request.headers);
    for (name, value) in &request.headers {
        let as_it_is = lower.split_to(name.as_str().len());
        match mixed_case(name) {
            Some(mixed) => spelled.append_header(mixed, value.clone())?,
            None => spelled.append_header(as_it_is, value.clone())?,
        };
    }
    *request = spelled;
    Ok(())
}

/// One behind the other, once for each field: one allocation for all spellings.
fn all_names(headers: &HeaderMap) -> Bytes {
    let mut names = BytesMut::with_capacity(headers.len() * 16);
    for (name, _) in headers {
        names.put_slice(name.as_str().as_bytes());
    }
    names.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_but_for_those_of_alb() {
        let mut request = RequestHeader::build_no_case("GET", b"/a?b", None).unwrap();
        for (name, value) in [
            ("x-custom", "1"),
            ("x-forwarded-for", "192.0.2.1"),
            ("content-type", "text/plain"),
            ("x-custom", "2"),
            ("host", "a.test"),
            ("x-amzn-trace-id", "Root=1"),
        ] {
            request.append_header(name, value).unwrap();
        }
        spell_as_alb(&mut request).unwrap();
        let mut wire = Vec::new();
        request.header_to_h1_wire(&mut wire);
        let wire = String::from_utf8(wire).unwrap();
        let mut lines: Vec<_> = wire.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "Host: a.test",
                "X-Amzn-Trace-Id: Root=1",
                "X-Forwarded-For: 192.0.2.1",
                "content-type: text/plain",
                "x-custom: 1",
                "x-custom: 2",
            ]
        );
        assert_eq!(request.raw_path(), b"/a?b");
        // Maps of names and values must still agree when more is written and removed.
        request.insert_header("X-Forwarded-Port", "443").unwrap();
        request.remove_header("x-custom");
        request.append_header("x-last", "3").unwrap();
        request.header_to_h1_wire(&mut Vec::new());
    }

    #[test]
    fn a_host_that_only_the_authority_names_is_not_lost() {
        let uri = "https://a.test:8443/x".parse::<::http::Uri>().unwrap();
        let parts = ::http::Request::builder().uri(uri).body(()).unwrap().into_parts().0;
        let mut request = RequestHeader::from(parts);
        spell_as_alb(&mut request).unwrap();
        assert_eq!(request.headers[HOST], "a.test:8443");
    }
}
