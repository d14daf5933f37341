//! One rule: its conditions, who may pass, and what happens then.

use std::collections::HashSet;

use super::{Judge, Scene, header, pattern};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, List, Spanned};
use crate::config::model::{
    Action, AdditionalClaim, ClaimFormat, Conditions, Demand, FixedResponse, IdentitySource,
    JwtValidation, Located, Name, PoolIndex, Profile, Rule, TokenUse, Transforms,
};
use crate::config::raw;

/// What a rule must know of its listener.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Whether it speaks HTTPS.
    pub(super) tls: bool,
    /// Whether tokens would come in the clear, and nobody said that this is meant.
    pub(super) tokens_in_clear: bool,
    /// Whether `//` arrives as `/`.
    pub(super) merge_slashes: bool,
}

/// What a listener without `default_action` does.
pub(super) fn not_found(span: Span, scene: &Scene<'_>) -> Rule {
    Rule {
        name: "default".into(),
        priority: 0,
        conditions: Conditions::default(),
        authentication: None,
        sign_in: None,
        transforms: Transforms::default(),
        ends_with_identity: true,
        public: false,
        action: Action::FixedResponse(FixedResponse {
            status_code: 404,
            content_type: "text/plain".to_owned(),
            message_body: String::new(),
        }),
        claim_headers: scene.claim_headers.clone(),
        span,
    }
}

impl Judge<'_> {
    /// `span` is where the rule is shown, and `mapping` where its mapping stands.
    pub(super) fn rule(
        &mut self,
        name: Name,
        (span, mapping): (Span, Span),
        raw: &raw::Rule,
        place: Place,
        scene: &mut Scene<'_>,
    ) -> Option<Rule> {
        let conditions = self.conditions(raw.conditions.value().map(Box::as_ref), place);
        let validated = raw.jwt_validation.given();
        let authentication = validated.map(|jwt| self.jwt_validation(jwt, scene));
        let claim_headers = match validated {
            Some(jwt) => self.rule_claim_headers(&scene.claim_headers, &jwt.value.claim_headers),
            None => scene.claim_headers.clone(),
        };
        let (sign_in, asks) = self.authenticate(raw, scene);
        let transforms = self.transforms(raw);
        let public = self.public(raw);
        let action = self.action((span, mapping), raw, place, scene);
        let is_protected = match &action {
            Some(Action::Api(api)) => {
                self.only_api(raw);
                scene.protected_apis.get(api.0).copied().unwrap_or(false)
            }
            _ => false,
        };
        let by_api = raw.api.key().filter(|_| is_protected);
        let authenticates = raw.jwt_validation.key().or(asks).or(by_api);
        if let Some(key) = authenticates.filter(|_| place.tokens_in_clear) {
            let message = format!("rule `{name}` takes credentials in the clear, beyond loopback");
            self.report(Diagnostic::error("plaintext-authentication", key, message).help(
                "give the listener `tls`, or say `plaintext: accepted` if something in front of it does TLS",
            ));
        }
        if let Some(key) = raw.end_with_identity.key().filter(|_| authenticates.is_none()) {
            let message = format!("rule `{name}` asks for no identity that could end");
            self.report(Diagnostic::error("contradiction", key, message));
        }
        let misspelt = self.misspelt.has_any(
            mapping,
            &["jwt_validation", "authenticate_cognito", "authenticate_oidc", "public"],
        );
        let open = authenticates.is_none() && !public && !misspelt;
        let denied = matches!(raw.public.value(), Some(false)) && open;
        if let Some(key) = raw.forward.key().filter(|_| denied) {
            let message =
                format!("rule `{name}` says `public: false`, but nothing asks who is calling");
            self.report(Diagnostic::error("contradiction", key, message));
        }
        let authentication = match authentication {
            Some(authentication) => Some(authentication?),
            None if raw.jwt_validation.is_absent() => None,
            None => return None,
        };
        let sign_in = match (sign_in, asks) {
            (Some(sign_in), _) => Some(sign_in),
            (None, None) => None,
            (None, Some(_)) => return None,
        };
        Some(Rule {
            name,
            priority: 0,
            conditions,
            authentication,
            sign_in,
            transforms,
            ends_with_identity: raw.end_with_identity.value().copied().unwrap_or(true),
            public,
            action: action?,
            claim_headers,
            span,
        })
    }

    /// An API's routes say who may come: the rule says nothing beside it.
    fn only_api(&mut self, raw: &raw::Rule) {
        let beside = [("jwt_validation", raw.jwt_validation.key()), ("public", raw.public.key())];
        for (name, key) in beside {
            let Some(key) = key else { continue };
            let message = format!("`{name}` stands beside `api`, whose routes say who may come");
            self.report(
                Diagnostic::error("contradiction", key, message)
                    .help("name an authorizer, or `none`, on the API's routes"),
            );
        }
    }

    fn public(&mut self, raw: &raw::Rule) -> bool {
        let Some(public) = raw.public.given() else { return false };
        let asked = [&raw.authenticate_cognito, &raw.authenticate_oidc];
        let asked =
            asked.iter().find_map(|field| Some((field.key()?, "an `authenticate_*` action")));
        let asked = raw.jwt_validation.key().map(|key| (key, "`jwt_validation`")).or(asked);
        if let Some((jwt, what)) = asked.filter(|_| public.value) {
            let message = format!("`public: true` contradicts {what}");
            self.report(
                Diagnostic::error("contradiction", public.key, message).related(jwt, "given here"),
            );
        }
        public.value
    }

    pub(super) fn patterns(
        &mut self,
        raw: &Field<List<String>>,
        what: &str,
        judge: impl Fn(&str) -> Result<String, pattern::Refusal>,
    ) -> Vec<Located<String>> {
        let Some(list) = raw.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = format!("{what} may not be an empty list: nothing would match it");
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut patterns: Vec<Located<String>> = Vec::with_capacity(list.value.items.len());
        let mut seen = HashSet::new();
        for item in &list.value.items {
            let Some(value) = self.accept("invalid-pattern", item.span, judge(&item.value)) else {
                continue;
            };
            if !seen.insert(value.clone()) {
                let message = format!("`{value}` is listed twice");
                self.report(Diagnostic::error("duplicate-value", item.span, message));
                continue;
            }
            patterns.push(Located { value, span: item.span });
        }
        patterns
    }

    fn jwt_validation(
        &mut self,
        raw: &Spanned<Box<raw::JwtValidation>>,
        scene: &mut Scene<'_>,
    ) -> Option<JwtValidation> {
        let place = raw.key;
        let raw = &raw.value;
        let pools = self.pools(place, raw, scene);
        let token_use = match raw.token_use.value() {
            None | Some(raw::TokenUse::Access) => TokenUse::Access,
            Some(raw::TokenUse::Id) => TokenUse::Id,
            Some(raw::TokenUse::Any) => TokenUse::Any,
        };
        self.check_token_use(raw, &pools, scene);
        let scopes = self.demand_of(&raw.scopes, "scopes");
        let groups = self.demand_of(&raw.groups, "groups");
        if let (TokenUse::Id, Some(scopes)) = (token_use, raw.scopes.key()) {
            let message = "ID tokens of Cognito have no scopes, so no token can pass here";
            self.report(
                Diagnostic::warning("scopes-on-id-token", scopes, message)
                    .help("use `token_use: access`, or demand `groups`"),
            );
        }
        let identity_source = match raw.identity_source.given() {
            None => IdentitySource::Authorization,
            Some(text) => {
                let header = header::identity_source(&text.value);
                match self.accept("invalid-identity-source", text.span, header)? {
                    name if name == "authorization" => IdentitySource::Authorization,
                    name => {
                        self.token_headers.push((name.clone(), text.span));
                        IdentitySource::Header(name)
                    }
                }
            }
        };
        Some(JwtValidation {
            pools: pools?,
            token_use,
            scopes,
            groups,
            additional_claims: self.additional_claims(&raw.additional_claims),
            identity_source,
            forward_authorization: raw.forward_authorization.value().copied().unwrap_or(true),
        })
    }

    fn pools(
        &mut self,
        place: Span,
        raw: &raw::JwtValidation,
        scene: &mut Scene<'_>,
    ) -> Option<Vec<PoolIndex>> {
        let list = self.demand(&raw.user_pools, place, "user_pools")?;
        if list.value.is_empty {
            let message = "`user_pools` may not be an empty list: no token would pass";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut pools = Vec::with_capacity(list.value.items.len());
        let mut seen = HashSet::new();
        for name in &list.value.items {
            let Some(pool) = scene.pools.pool(self, name) else { continue };
            if !seen.insert(pool) {
                let message = format!("`{}` is listed twice", name.value);
                self.report(Diagnostic::error("duplicate-value", name.span, message));
                continue;
            }
            pools.push(pool);
        }
        Some(pools)
    }

    fn check_token_use(
        &mut self,
        raw: &raw::JwtValidation,
        pools: &Option<Vec<PoolIndex>>,
        scene: &Scene<'_>,
    ) {
        let (Some(given), Some(pools)) = (raw.token_use.given(), pools) else { return };
        let foreign = |pool: &PoolIndex| {
            let profile = scene.profiles.get(pool.0).copied().flatten();
            profile.is_some_and(|profile| profile != Profile::Cognito)
        };
        if !pools.is_empty() && pools.iter().all(foreign) {
            let message = "`token_use` exists only in tokens of Cognito, and no pool here is one";
            self.report(Diagnostic::error("contradiction", given.key, message));
        }
    }

    fn demand_of(&mut self, raw: &Field<raw::Demand>, what: &str) -> Option<Demand> {
        let given = raw.given()?;
        let what = format!("`{what}`");
        match &given.value {
            raw::Demand::AnyOf(list) => {
                Some(Demand::AnyOf(self.words(&given.at(list.clone()), &what)))
            }
            raw::Demand::Object(object) => match (&object.all_of, &object.any_of) {
                (Field::Given(list), Field::Absent) => Some(Demand::AllOf(self.words(list, &what))),
                (Field::Absent, Field::Given(list)) => Some(Demand::AnyOf(self.words(list, &what))),
                (Field::Absent, Field::Absent) => {
                    let message = format!("{what} has neither `all_of` nor `any_of`");
                    self.report(Diagnostic::error("missing-key", given.key, message));
                    None
                }
                (Field::Given(all), Field::Given(any)) => {
                    let message = "`all_of` and `any_of` cannot stand together";
                    self.report(
                        Diagnostic::error("contradiction", any.key, message)
                            .related(all.key, "given here"),
                    );
                    None
                }
                (Field::Wrong(_), _) | (_, Field::Wrong(_)) => None,
            },
        }
    }

    /// Scopes and groups: what holds a space could never be found in a scope claim.
    fn words(&mut self, list: &Spanned<List<String>>, what: &str) -> Vec<String> {
        if what == "`scopes`" {
            for item in &list.value.items {
                if item.value.contains(' ') {
                    let message = "a scope has no spaces";
                    self.report(
                        Diagnostic::error("invalid-value", item.span, message)
                            .help("list them one by one: [a, b]"),
                    );
                }
            }
        }
        self.texts(list, what)
    }

    pub(super) fn additional_claims(
        &mut self,
        raw: &Field<List<raw::AdditionalClaim>>,
    ) -> Vec<AdditionalClaim> {
        /// What is judged for every token.
        const ALWAYS_JUDGED: [&str; 4] = ["exp", "iss", "nbf", "iat"];
        let mut claims = Vec::new();
        for item in raw.value().map(|list| &list.items).into_iter().flatten() {
            let (span, item) = (item.span, &item.value);
            let name = self.demand(&item.name, span, "name");
            let format = self.demand(&item.format, span, "format");
            let values = self.demand(&item.values, span, "values");
            if let Some(name) = name.filter(|name| ALWAYS_JUDGED.contains(&name.value.as_str())) {
                let message = format!("`{}` is always judged and cannot be demanded", name.value);
                self.report(Diagnostic::error("invalid-claim", name.span, message));
            } else if let Some(name) = name.filter(|name| name.value.is_empty()) {
                let message = "a claim's name may not be empty";
                self.report(Diagnostic::error("invalid-claim", name.span, message));
            }
            let (Some(name), Some(format), Some(values)) = (name, format, values) else { continue };
            let format = match format.value {
                raw::ClaimFormat::SingleString => ClaimFormat::SingleString,
                raw::ClaimFormat::StringArray => ClaimFormat::StringArray,
                raw::ClaimFormat::SpaceSeparatedValues => ClaimFormat::SpaceSeparatedValues,
            };
            for value in values.value.items.iter().filter(|value| value.value.contains(' ')) {
                if format == ClaimFormat::SpaceSeparatedValues {
                    let message = "a value of `space_separated_values` has no spaces itself";
                    self.report(
                        Diagnostic::error("invalid-value", value.span, message)
                            .help("list them one by one: [a, b]"),
                    );
                }
            }
            let values = self.texts(values, "`values`");
            claims.push(AdditionalClaim { name: name.value.clone(), format, values });
        }
        claims
    }
}
