//! An explanation as a person reads it.

use std::fmt::Write as _;

use ::http::HeaderValue;

use super::paint::Ink;
use super::{ApiStep, Check, Explanation, Forwarding, Missed, Outcome, RuleStep, State, Verdict};
use crate::answer::Answer;
use crate::engine::Reason;
use crate::sign_in::Outcome::{Begun, Failed, ScriptRefused, SessionMissing};

/// More rules than this are not all shown: those next to the one that matters are.
const MOST_RULES: usize = 40;

/// Writes it; `color` for a person on a terminal.
#[must_use]
pub fn render(explanation: &Explanation, color: bool) -> String {
    let mut page = Page { text: String::new(), color };
    page.request(explanation);
    page.rules(explanation);
    page.api(explanation);
    page.checks(explanation);
    page.outcome(explanation);
    page.text
}

struct Page {
    text: String,
    color: bool,
}

impl Page {
    // Writing to a text cannot fail.
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        super::paint::ink(self.color, ink, text)
    }

    fn head(&mut self, title: &str) {
        let title = self.ink(Ink::Strong, title);
        self.line("");
        self.line(&title);
    }

    fn request(&mut self, explanation: &Explanation) {
        let Explanation { method, target, client, listener, canonical, .. } = explanation;
        let host = canonical.as_ref().map(|c| format!(" for {}", clean(&c.authority)));
        let asked = format!("{} {}", clean(method), clean(target));
        let asked = self.ink(Ink::Strong, &asked);
        let host = host.unwrap_or_default();
        self.line(&format!("{asked}{host} on listener `{listener}`, from {client}"));
        if let Some(canonical) = canonical {
            let query = canonical.query.as_deref().map(|query| format!("?{query}"));
            let whole = format!("{}{}", canonical.path, query.unwrap_or_default());
            if whole != *target {
                self.line(&format!("  is the same as {whole}, and that is judged and sent"));
            }
        }
        for note in &explanation.notes {
            self.line(&format!("  note: {}", clean(note)));
        }
    }

    fn rules(&mut self, explanation: &Explanation) {
        let steps = &explanation.rules;
        if steps.is_empty() {
            return;
        }
        self.head("rules");
        let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        let hidden = steps.len().saturating_sub(MOST_RULES);
        if hidden > 0 {
            let line = format!("  ... {hidden} rules in front do not take it; --json shows them");
            let line = self.ink(Ink::Faint, &line);
            self.line(&line);
        }
        for step in steps.iter().skip(hidden) {
            self.rule(step, width);
        }
        if explanation.unseen > 0 {
            let are = if explanation.unseen == 1 { "rule is" } else { "rules are" };
            let line = format!("  {} more {are} not looked at", explanation.unseen);
            let line = self.ink(Ink::Faint, &line);
            self.line(&line);
        }
    }

    fn rule(&mut self, step: &RuleStep, width: usize) {
        let name = format!("{:width$}", step.name);
        let line = match &step.verdict {
            Verdict::Taken => {
                let takes = self.ink(Ink::Good, "takes it");
                let place = self.ink(Ink::Faint, &format!("(line {})", step.line));
                format!("  {name}  {takes}  {place}")
            }
            Verdict::Missed(missed) => {
                let no = self.ink(Ink::Bad, "no");
                format!("  {name}  {no}  {}", told(missed))
            }
        };
        self.line(&line);
    }

    fn api(&mut self, explanation: &Explanation) {
        let Some(ApiStep { name, kind, path, route, authorizer, place: _ }) = &explanation.api
        else {
            return;
        };
        self.head(&format!("api {name} ({kind})"));
        let path = match path {
            Some(path) => clean(path),
            None => return self.line("  the path is not under its base path and stage"),
        };
        let method = clean(&explanation.method);
        match route {
            Some(route) => self.line(&format!("  {method} {path} is taken by the route `{route}`")),
            None => self.line(&format!("  no route takes {method} {path}")),
        }
        match (route, authorizer) {
            (Some(_), Some(authorizer)) => self.line(&format!("  authorizer `{authorizer}`")),
            (Some(_), None) => self.line("  no authorizer: everybody may come"),
            (None, _) => {}
        }
    }

    fn checks(&mut self, explanation: &Explanation) {
        if explanation.checks.is_empty() {
            return;
        }
        let by_api = explanation.api.is_some();
        self.head(if by_api { "authorizer" } else { "jwt_validation" });
        for check in &explanation.checks {
            self.check(check);
        }
        let not_made = explanation.checks.iter().filter(|check| check.state == State::NotMade);
        let not_made: Vec<_> = not_made.map(|check| check.what.as_str()).collect();
        if !not_made.is_empty() {
            let line = format!("  -   not looked at: {}", not_made.join(", "));
            let line = self.ink(Ink::Faint, &line);
            self.line(&line);
        }
    }

    fn check(&mut self, check: &Check) {
        let what = format!("{:17}", check.what.as_str());
        let (mark, rest) = match check.state {
            State::Held => (self.ink(Ink::Good, "ok"), check.found.clone()),
            State::Failed => {
                let found = if check.found.is_empty() { "not so" } else { &check.found };
                let found = self.ink(Ink::Bad, found);
                (self.ink(Ink::Bad, "no"), format!("{found}; wanted {}", check.wanted))
            }
            State::NotMade => return,
        };
        self.line(&format!("  {mark}  {what}  {rest}"));
    }

    fn outcome(&mut self, explanation: &Explanation) {
        self.head("outcome");
        let mut reason = explanation.reason.as_str().to_owned();
        match explanation.reason {
            Reason::Refused(refusal) => {
                let _ = write!(reason, ": {refusal}");
            }
            Reason::SignIn(Failed(failure)) => {
                let _ = write!(reason, ": {failure}");
            }
            Reason::SignIn(Begun | SessionMissing | ScriptRefused) => {
                reason.push_str(": there is no good session");
            }
            _ => {}
        }
        if !explanation.error_reason.is_empty() {
            let _ = write!(reason, " (ALB: {})", explanation.error_reason);
        }
        match &explanation.outcome {
            Outcome::Forward(forwarding) => self.forward(forwarding, explanation),
            Outcome::Answer(answer) => self.answer(answer),
            Outcome::Asks(what) => self.line(&format!("  it would {what}, and then decide")),
        }
        self.line(&format!("  reason  {reason}"));
    }

    fn forward(&mut self, forwarding: &Forwarding, explanation: &Explanation) {
        let groups = match &forwarding.groups[..] {
            [(only, _)] => format!("target group `{only}`"),
            several => {
                let total: u32 = several.iter().map(|(_, weight)| u32::from(*weight)).sum();
                let share = |weight: u16| f64::from(weight) * 100.0 / f64::from(total.max(1));
                let share = |(name, weight): &(_, u16)| format!("`{name}` {:.0} %", share(*weight));
                let shares: Vec<_> = several.iter().map(share).collect();
                format!("one of the target groups {}", shares.join(", "))
            }
        };
        let forward = self.ink(Ink::Good, "forward");
        self.line(&format!("  {forward} to {groups}"));
        let method = clean(&explanation.method);
        self.line(&format!("    {method} {}", clean(&forwarding.target)));
        self.line(&format!("    host: {}", clean(&forwarding.host)));
        if forwarding.is_rewritten {
            let line = self.ink(Ink::Faint, "    rewritten by the rule's transforms");
            self.line(&line);
        }
        for (name, value) in &forwarding.set {
            self.line(&format!("    {name}: {}", text_of(value)));
        }
        if forwarding.in_session {
            self.line("    x-amzn-oidc-accesstoken, -identity, -data: (of the session)");
        }
        if forwarding.is_vouched_for {
            self.line("    x-portcullis-identity: (signed for each request)");
        }
        for name in &forwarding.removed {
            let line = format!("    {name} of the client is removed: only the gateway may set it");
            let line = self.ink(Ink::Faint, &line);
            self.line(&line);
        }
        if let Some(name) = &forwarding.withheld {
            let line = format!("    {name} is kept from the target");
            let line = self.ink(Ink::Faint, &line);
            self.line(&line);
        }
    }

    fn answer(&mut self, answer: &Answer) {
        let status = format!("answer {}", answer.status);
        let ink = if answer.status < 400 { Ink::Good } else { Ink::Bad };
        let status = self.ink(ink, &status);
        self.line(&format!("  {status} {}", answer.reason_phrase()));
        for (name, value) in &answer.headers {
            self.line(&format!("    {name}: {}", text_of(value)));
        }
    }
}

/// `path_pattern wants /a/* or /b; the path is /c`
fn told(missed: &Missed) -> String {
    let Missed { condition, subject, wanted, found } = missed;
    let wanted: Vec<_> = wanted.iter().map(|each| clean(each)).collect();
    let wanted = match &wanted[..] {
        [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        all => all.concat(),
    };
    match found {
        Some(found) => format!("{condition} wants {wanted}; the {subject} is {}", clean(found)),
        None => format!("{condition} wants {wanted}; there is no {subject}"),
    }
}

fn text_of(value: &HeaderValue) -> String {
    clean(&String::from_utf8_lossy(value.as_bytes()))
}

/// What came from outside must not play with the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
