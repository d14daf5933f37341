//! What an API adds to requests and answers, and what its integrations change in them.

use std::net::IpAddr;

use ::http::header::{ACCEPT, FORWARDED, HOST, USER_AGENT, VIA};
use ::http::{HeaderMap, HeaderName};
use pingora_error::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::api::{Api, HeaderEdit};
use crate::config::model::Flavour;
use crate::engine::Sent;
use crate::http::Scheme;

const API_ID: HeaderName = HeaderName::from_static("x-amzn-apigateway-api-id");

/// What a REST API does not pass on under its own name (API Gateway, "Amazon API Gateway important
/// notes for REST APIs").
const REMAPPED: [(&str, &str); 8] = [
    ("authorization", "x-amzn-remapped-authorization"),
    ("content-md5", "x-amzn-remapped-content-md5"),
    ("date", "x-amzn-remapped-date"),
    ("max-forwards", "x-amzn-remapped-max-forwards"),
    ("server", "x-amzn-remapped-server"),
    ("upgrade", "x-amzn-remapped-upgrade"),
    ("user-agent", "x-amzn-remapped-user-agent"),
    ("www-authenticate", "x-amzn-remapped-www-authenticate"),
];
/// What a REST API does not pass on at all.
const DROPPED: [&str; 6] = ["expect", "host", "proxy-authenticate", "te", "trailer", "via"];

/// Tells the target of the API, and makes the integration's changes.
pub(super) fn prepare_request(
    request: &mut RequestHeader,
    api: &Api,
    sent: &Sent,
    (client, scheme): (IpAddr, Scheme),
) -> Result<()> {
    match api.flavour {
        Flavour::Http => {
            let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
            let host = host.unwrap_or_default();
            let client = match client {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("\"[{address}]\""),
            };
            // A port makes it no token (RFC 7239 4).
            let host = if host.contains(':') { format!("\"{host}\"") } else { host.to_owned() };
            let proto = scheme.as_str();
            let told = format!("for={client};host={host};proto={proto}");
            let before = joined(&request.headers, &FORWARDED);
            let told = before.map_or_else(|| told.clone(), |before| format!("{before}, {told}"));
            request.insert_header(FORWARDED, told)?;
            request.append_header(VIA, "HTTP/1.1 AmazonAPIGateway")?;
        }
        Flavour::Rest => {
            request.insert_header(API_ID, &*api.name)?;
            if !request.headers.contains_key(ACCEPT) {
                request.insert_header(ACCEPT, "application/json")?;
            }
            if !request.headers.contains_key(USER_AGENT) {
                request.insert_header(USER_AGENT, format!("AmazonAPIGateway_{}", api.name))?;
            }
        }
    }
    for edit in &sent.headers {
        match edit {
            HeaderEdit::Remove(name) => {
                request.remove_header(name);
            }
            HeaderEdit::Set(name, value) => request.insert_header(name, value.clone())?,
            HeaderEdit::Add(name, value) => {
                request.append_header(name, value.clone())?;
            }
        }
    }
    Ok(())
}

/// Makes the integration's changes of an answer, and says which request it is for.
pub(super) fn prepare_response(
    response: &mut ResponseHeader,
    api: &Api,
    sent: Option<&Sent>,
    id: &str,
) -> Result<()> {
    let status = response.status.as_u16();
    let edits = sent.and_then(|sent| sent.responses.iter().find(|edits| edits.status == status));
    let headers = edits.map(|edits| edits.headers(&response.headers)).unwrap_or_default();
    if api.flavour == Flavour::Rest {
        remap(response)?;
    }
    for edit in headers {
        match edit {
            HeaderEdit::Remove(name) => {
                response.remove_header(&name);
            }
            HeaderEdit::Set(name, value) => response.insert_header(name, value)?,
            HeaderEdit::Add(name, value) => {
                response.append_header(name, value)?;
            }
        }
    }
    if let Some(new) = edits.and_then(|edits| edits.new_status) {
        response.set_status(new)?;
    }
    for (name, value) in api.identify(id) {
        response.insert_header(name, value)?;
    }
    Ok(())
}

fn remap(response: &mut ResponseHeader) -> Result<()> {
    for (name, new) in REMAPPED {
        if name == "upgrade" && response.status == 101 {
            continue;
        }
        let values: Vec<_> = response.headers.get_all(name).into_iter().cloned().collect();
        if values.is_empty() {
            continue;
        }
        response.remove_header(name);
        for value in values {
            response.append_header(new, value)?;
        }
    }
    for name in DROPPED {
        response.remove_header(name);
    }
    Ok(())
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Option<Vec<&str>> =
        headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
}
