//! `extends:` of an API: the keys of another one, but for those that are written here.

use std::collections::HashSet;

use super::super::{Judge, Scene};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned, Table};
use crate::config::literal::Literal;
use crate::config::raw;

macro_rules! merged {
    ($($key:ident: $type:ty,)*) => {
        /// An API with all its keys, wherever each of them is written.
        pub(super) struct Merged<'a> {
            $(pub(super) $key: &'a Field<$type>,)*
        }

        impl<'a> Merged<'a> {
            /// The first of them that has a key says what it is.
            fn of(own: &'a raw::Api, bases: &[&'a raw::Api]) -> Self {
                Self {
                    $($key: {
                        let base = || bases.iter().map(|base| &base.$key).find(|key| !key.is_absent());
                        if own.$key.is_absent() { base().unwrap_or(&own.$key) } else { &own.$key }
                    },)*
                }
            }
        }
    };
}

merged! {
    kind: raw::ApiType,
    base_path: String,
    stage: String,
    stage_in_path: bool,
    stage_variables: Table<String>,
    compatibility: raw::Compatibility,
    region: String,
    account_id: String,
    policy: Literal,
    request_validators: Table<raw::RequestValidator>,
    request_validator: String,
    models: Table<raw::Model>,
    authorizers: Table<raw::Authorizer>,
    authorizer: String,
    gateway_responses: Table<raw::GatewayResponse>,
    cors: Box<raw::Cors>,
    throttle: raw::Throttle,
    api_key_required: bool,
    api_key_source: raw::ApiKeySource,
    access_log: raw::ApiAccessLog,
    routes: Table<raw::Route>,
}

impl Judge<'_> {
    pub(super) fn merged<'f>(
        &mut self,
        table: &'f Table<raw::Api>,
        name: &'f Spanned<String>,
        own: &'f raw::Api,
        scene: &mut Scene<'_>,
    ) -> Merged<'f> {
        if let Some(given) = own.extends.given() {
            // Tells of a name that is none, and notes that the other one is of use.
            scene.apis.resolve(self, given);
        }
        let mut bases: Vec<&raw::Api> = Vec::new();
        let mut seen = HashSet::from([name.value.as_str()]);
        let mut next = own.extends.given();
        while let Some(extended) = next {
            if !seen.insert(extended.value.as_str()) {
                if extended.value == name.value {
                    let message = format!("the API `{}` extends itself in the end", name.value);
                    let place = own.extends.given().map_or(extended.span, |given| given.span);
                    self.report(Diagnostic::error("extends-loop", place, message));
                }
                break;
            }
            let base = table.entries.iter().find(|(known, _)| known.value == extended.value);
            let Some(base) = base.and_then(|(_, base)| base.as_ref()) else { break };
            bases.push(base);
            next = base.extends.given();
        }
        let inherited = bases.iter().find_map(|base| base.kind.given());
        if let (Some(kind), Some(inherited)) = (own.kind.given(), inherited)
            && std::mem::discriminant(&kind.value) != std::mem::discriminant(&inherited.value)
        {
            let message = "an API cannot be of another type than the one that it extends";
            let finding = Diagnostic::error("contradiction", kind.span, message);
            self.report(finding.related(inherited.span, "the other's type"));
        }
        Merged::of(own, &bases)
    }

    /// What is wrong with a key is told once, however many APIs have it.
    pub(super) fn forget_repeated(&mut self, before: usize) {
        let mut told = HashSet::new();
        let mut at = 0;
        self.findings.retain(|finding| {
            at += 1;
            at <= before || told.insert((finding.code, finding.span.start, finding.message.clone()))
        });
    }
}
