//! Drafts `routes.test.yaml` for a file that has none: for each rule, and each route of an API, a
//! request that takes it, and what the file says becomes of it.
//!
//! Requests are found by trying (`sample.rs`): the engine says which rule takes one, so rules in
//! front are seen as they are. What is expected is the file's word, and a request that the engine
//! treats otherwise is no draft but a comment.

mod caller;
mod sample;
mod write;

#[cfg(test)]
mod tests;

use crate::config::model::{
    Action, ApiIndex, AuthorizerKind, Config, GroupIndex, JwtValidation, Listener, ProtocolVersion,
    Rule,
};
use crate::engine::{self, Decision, Moment, Reason, Step};
use crate::explain::{self, Asked, Identity, Question, Signer};
use crate::snapshot::Snapshot;

/// A test, or why there is none.
#[derive(Debug)]
enum Draft {
    Test(Drafted),
    /// Of what, and why.
    None(String),
}

/// A request and its cases.
#[derive(Debug)]
struct Drafted {
    name: String,
    question: Question,
    cases: Vec<Case>,
}

/// A caller, and what becomes of the request.
#[derive(Debug)]
struct Case {
    caller: Option<Identity>,
    expect: Expect,
}

/// What the file says becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expect {
    rule: Option<String>,
    group: Option<String>,
    status: Option<u16>,
    reason: Option<&'static str>,
}

/// Writes the tests. They pass when they are run against the same file.
#[must_use]
pub fn draft(snapshot: &Snapshot, signer: &Signer, moment: Moment) -> String {
    let drafter = Drafter { snapshot, config: &snapshot.config, signer, moment };
    let mut drafts = Vec::new();
    for model in &snapshot.config.listeners {
        for (position, rule) in rules(model).enumerate() {
            drafter.rule(model, position, rule, &mut drafts);
        }
    }
    write::file(&drafts, snapshot.config.listeners.len() > 1)
}

fn rules(listener: &Listener) -> impl Iterator<Item = &Rule> {
    listener.rules.iter().chain(std::iter::once(&listener.default_rule))
}

struct Drafter<'s> {
    snapshot: &'s Snapshot,
    config: &'s Config,
    signer: &'s Signer,
    moment: Moment,
}

impl Drafter<'_> {
    fn rule(&self, model: &Listener, position: usize, rule: &Rule, drafts: &mut Vec<Draft>) {
        let name = match self.config.listeners.len() {
            1 => rule.name.to_string(),
            _ => format!("{} of {}", rule.name, model.name),
        };
        let Action::Api(ApiIndex(api)) = rule.action else {
            let takes = |decision: &Decision| decision.rule == Some(position);
            let version = self.version(rule);
            let questions =
                sample::of_rule(model, rule).map(|one| sample::in_version(one, version));
            let found = self.find(questions, takes);
            drafts.push(self.test(name, rule, found, None));
            return;
        };
        let Some(model_api) = self.config.apis.get(api) else { return };
        for (number, route) in model_api.routes.iter().enumerate() {
            let takes = |decision: &Decision| {
                decision.rule == Some(position)
                    && decision.api.is_some_and(|at| at.api == api && at.route == Some(number))
            };
            let found = self.find(sample::of_route(model, rule, model_api, route), takes);
            let name = format!("{name}, {}", route.key);
            drafts.push(self.test(name, rule, found, Some((api, number))));
        }
    }

    /// The first of these requests that goes where it is meant to.
    fn find(
        &self,
        questions: impl Iterator<Item = Question>,
        takes: impl Fn(&Decision) -> bool,
    ) -> Option<Question> {
        questions.take(sample::MOST).find(|question| {
            let Ok(asked) = question.ask(self.snapshot) else { return false };
            takes(&self.decide(&asked))
        })
    }

    fn decide(&self, asked: &Asked) -> Decision {
        engine::decide(self.snapshot, &asked.request(self.snapshot), self.moment)
    }

    fn test(
        &self,
        name: String,
        rule: &Rule,
        found: Option<Question>,
        route: Option<(usize, usize)>,
    ) -> Draft {
        let Some(question) = found else {
            return Draft::None(format!(
                "{name}: no request was found that takes it; is it behind one that takes all of its requests?"
            ));
        };
        let Ok(asked) = question.ask(self.snapshot) else { return Draft::None(name) };
        let wanted = explain::demanded(self.snapshot, &asked, self.moment);
        let meant = self.meant(rule, route);
        let nobody = self.met(rule, &asked);
        let is_asked = wanted.is_some() || rule.is_protected();
        if !is_asked && !self.is_closed(route) && !meant.agrees(&nobody) {
            return Draft::None(format!(
                "{name}: what becomes of it depends on more than the file"
            ));
        }
        let mut cases = vec![Case { caller: None, expect: nobody.clone() }];
        if is_asked {
            self.callers(rule, &question, wanted, &meant, &mut cases);
        }
        Draft::Test(Drafted { name, question, cases })
    }

    /// Whether a route asks for something that no token is: a signature, an API key, a service's word.
    fn is_closed(&self, route: Option<(usize, usize)>) -> bool {
        let route = route.and_then(|(api, route)| {
            self.config.apis.get(api).and_then(|api| api.routes.get(route))
        });
        route.is_some_and(|route| {
            let needs_more = !route.required.is_empty() || !route.body_models.is_empty();
            let asks = route.authorizer.as_ref().is_some_and(|authorizer| {
                !matches!(authorizer.kind, AuthorizerKind::Jwt | AuthorizerKind::Cognito { .. })
            });
            needs_more || asks || route.is_api_key_required
        })
    }

    /// Who may come, and who has a token and may not.
    fn callers(
        &self,
        rule: &Rule,
        question: &Question,
        wanted: Option<&JwtValidation>,
        meant: &Meant,
        cases: &mut Vec<Case>,
    ) {
        let guest = caller::right(wanted);
        if let Some(expect) = self.met_by(rule, question, &guest)
            && meant.agrees(&expect)
        {
            cases.push(Case { caller: Some(guest), expect: Expect { rule: None, ..expect } });
        }
        for stranger in caller::wrong(wanted) {
            if let Some(expect) = self.met_by(rule, question, &stranger)
                && matches!(expect.status, Some(401 | 403))
            {
                cases
                    .push(Case { caller: Some(stranger), expect: Expect { rule: None, ..expect } });
            }
        }
    }

    fn met_by(&self, rule: &Rule, question: &Question, identity: &Identity) -> Option<Expect> {
        let mut asked = question.ask(self.snapshot).ok()?;
        explain::ask_as(identity, self.snapshot, self.signer, &mut asked, self.moment).ok()?;
        Some(self.met(rule, &asked))
    }

    /// What the engine makes of a request.
    fn met(&self, rule: &Rule, asked: &Asked) -> Expect {
        let decision = self.decide(asked);
        let mut expect =
            Expect { rule: Some(rule.name.to_string()), group: None, status: None, reason: None };
        match &decision.step {
            Step::Forward(plan) => expect.group = self.group(plan.group),
            Step::Answer { answer, .. } => {
                expect.status = Some(answer.status);
                expect.reason = matches!(decision.reason, Reason::Auth(_) | Reason::SignIn(_))
                    .then(|| decision.reason.as_str());
            }
            // What would be asked elsewhere cannot be told here.
            _ => {}
        }
        expect
    }

    /// What the file says.
    fn meant(&self, rule: &Rule, route: Option<(usize, usize)>) -> Meant {
        if let Some((api, route)) = route {
            let route = self.config.apis.get(api).and_then(|api| api.routes.get(route));
            let group = route.and_then(|route| route.integration.backend.group());
            return group
                .and_then(|group| self.group(group))
                .map_or(Meant::Anything, |name| Meant::Groups(vec![name]));
        }
        match &rule.action {
            Action::Forward(forward) => Meant::Groups(
                forward.groups.iter().filter_map(|weighted| self.group(weighted.group)).collect(),
            ),
            Action::Redirect(redirect) => Meant::Status(redirect.status_code),
            Action::FixedResponse(response) => Meant::Status(response.status_code),
            Action::SignOut(_) | Action::Api(_) => Meant::Anything,
        }
    }

    /// What the targets of a rule speak.
    fn version(&self, rule: &Rule) -> ProtocolVersion {
        let Action::Forward(forward) = &rule.action else { return ProtocolVersion::Http1 };
        let first =
            forward.groups.first().and_then(|first| self.config.target_groups.get(first.group.0));
        first.map_or(ProtocolVersion::Http1, |group| group.protocol_version)
    }

    fn group(&self, GroupIndex(group): GroupIndex) -> Option<String> {
        self.config.target_groups.get(group).map(|group| group.name.to_string())
    }
}

/// What the file says becomes of a request that may pass.
#[derive(Debug)]
enum Meant {
    /// It goes to one of these groups.
    Groups(Vec<String>),
    /// It is answered.
    Status(u16),
    /// The file alone does not tell.
    Anything,
}

impl Meant {
    fn agrees(&self, met: &Expect) -> bool {
        match self {
            Self::Groups(groups) => met.group.as_ref().is_some_and(|group| groups.contains(group)),
            Self::Status(status) => met.status == Some(*status),
            Self::Anything => true,
        }
    }
}
