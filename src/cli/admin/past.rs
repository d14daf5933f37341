//! A past request by its id: what became of it, and why.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::Value;

use super::{AdminArgs, PATIENCE, clean, shown, written};
use crate::admin::page::meaning;
use crate::recording::{Caller, Shape};

/// Says what became of a past request: one that was turned away, or one of the last.
pub(in crate::cli) fn past(
    args: &AdminArgs,
    id: &str,
    json: bool,
    out: &mut impl Write,
) -> Result<u8, String> {
    let answer = args.ask("GET", "/denials", PATIENCE)?.json()?;
    let denials = answer["denials"].as_array();
    let found = denials.into_iter().flatten().find(|denial| denial["request_id"] == *id);
    if let Some(denial) = found {
        return match json {
            true => written(out, &format!("{denial}\n")),
            false => written(out, &tell_denial(denial)),
        };
    }
    let shape = shape_of(args, id)?;
    if json {
        let text = serde_json::to_string(&shape).map_err(|why| why.to_string())?;
        return written(out, &format!("{text}\n"));
    }
    written(out, &tell(&shape))
}

/// What a running gateway has kept of a request.
pub(in crate::cli) fn shape_of(args: &AdminArgs, id: &str) -> Result<Shape, String> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain {
        return Err(format!("`{}` is no id of a request", clean(id)));
    }
    let mut answer = args.ask("GET", &format!("/requests?id={id}"), PATIENCE)?.json()?;
    match answer["requests"].get_mut(0).map(Value::take) {
        Some(shape) => serde_json::from_value(shape)
            .map_err(|why| format!("the gateway speaks of requests in another way: {why}")),
        None => Err(format!(
            "no request `{id}` is among the last that the gateway has kept; the access log may \
             have it"
        )),
    }
}

fn tell_denial(denial: &Value) -> String {
    let say = |key: &str| shown(&denial[key]);
    let mut text = format!(
        "{} {}{} was answered {}\n\n  at        {}\n  client    {}\n  listener  {}\n  rule      {}\n",
        say("method"),
        say("host"),
        say("path"),
        denial["status"],
        say("ts"),
        say("client_ip"),
        say("listener"),
        say("rule"),
    );
    if !say("api").is_empty() {
        let _ = writeln!(text, "  api       {}, route {}", say("api"), say("route"));
    }
    let _ = writeln!(text, "\nreason  {}", say("reason"));
    if !say("compared").is_empty() {
        let _ = writeln!(
            text,
            "  {} wanted  {}\n  found  {}",
            say("compared"),
            say("wanted"),
            say("found")
        );
    }
    add_meaning(&mut text, &say("reason"));
    text
}

/// One that nobody was turned away with.
fn tell(shape: &Shape) -> String {
    let host = shape.host.as_deref().unwrap_or_default();
    let met = &shape.met;
    let mut text =
        format!("{} {host}{} was answered {}\n\n", shape.method, shape.target, met.status);
    let api = match met.api.as_str() {
        "" => String::new(),
        api => format!("{api}, route {}", met.route),
    };
    let source = shape.source_ip.to_string();
    let caller = match &shape.caller {
        Caller::None => String::new(),
        Caller::Token { claims } => format!("a token, {}", told(claims)),
        Caller::Session { claims } => format!("a session, {}", told(claims)),
        Caller::Refused { why } => format!("a credential that was not good: {why}"),
        Caller::Unjudged => "a credential that nobody looked at".to_owned(),
    };
    let lines = [
        ("at", shape.ts.as_str()),
        ("client", &source),
        ("listener", &shape.listener),
        ("rule", &met.rule),
        ("api", &api),
        ("caller", &caller),
        ("api key", shape.api_key.as_deref().unwrap_or_default()),
        ("signed by", shape.signed_by.as_deref().unwrap_or_default()),
        ("sent to", &met.target_group),
    ];
    for (what, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {what:<9} {value}");
    }
    let _ = writeln!(text, "\nreason  {}", met.reason);
    add_meaning(&mut text, &met.reason);
    clean(&text)
}

/// Claims that were kept, but for those that say what every token of the pool says.
fn told(claims: &serde_json::Map<String, Value>) -> String {
    let kept = claims.iter().filter(|(name, value)| !value.is_null() && *name != "iss");
    let kept: Vec<String> = kept.map(|(name, value)| format!("{name} {value}")).collect();
    kept.join(", ")
}

fn add_meaning(text: &mut String, reason: &str) {
    if let Some((what, advice)) = meaning(reason) {
        let _ = writeln!(text, "\nwhat it means  {what}");
        if !advice.is_empty() {
            let _ = writeln!(text, "what to do     {advice}");
        }
    }
}
