//! `api_keys:`, `api_key_file:` and `usage_plans:`.

use std::collections::HashMap;

use super::Judge;
use crate::config::api_key::{self, KeyDigest, Line, MOST_KEYS, check_value};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{
    Api, ApiIndex, ApiKey, Flavour, Pace, Period, PlanApi, Quota, Usage, UsagePlan,
};
use crate::config::{raw, suggest};

/// Most usage plans (API Gateway's quota).
const MOST_PLANS: usize = 300;
/// Most buckets of all plans together, 24 bytes each.
const MOST_BUCKETS: usize = 1_000_000;
const MOST_REQUESTS: u64 = 1_000_000_000_000;

/// The APIs of the file, by name; `None` where one is wrong.
pub(super) struct KnownApis<'a> {
    by_name: HashMap<&'a str, usize>,
    apis: &'a [Option<Api>],
}

impl<'a> KnownApis<'a> {
    pub(super) fn new(raw: &'a Field<Table<raw::Api>>, apis: &'a [Option<Api>]) -> Self {
        let names = raw.value().map(|table| &table.entries).into_iter().flatten();
        let by_name = names.enumerate().map(|(at, (name, _))| (name.value.as_str(), at)).collect();
        Self { by_name, apis }
    }
}

/// The keys while they are gathered.
#[derive(Default)]
struct Ring {
    keys: Vec<ApiKey>,
    places: Vec<Span>,
    /// Also of keys that are wrong, which is told already.
    by_name: HashMap<String, Option<usize>>,
    by_digest: HashMap<KeyDigest, Span>,
    /// Plans that keys of the file of keys name, with the key's position.
    named: Vec<(String, usize)>,
    /// Whether all names are known: not where the file of keys was not read.
    is_whole: bool,
}

impl Judge<'_> {
    pub(super) fn usage(&mut self, raw: &raw::File, known: &KnownApis<'_>) -> Usage {
        let mut ring = Ring { is_whole: true, ..Ring::default() };
        for (name, key) in raw.api_keys.value().map(|table| &table.entries).into_iter().flatten() {
            self.check_name("API key", name);
            let position = key.as_ref().and_then(|key| self.api_key(name, key, &mut ring));
            ring.by_name.insert(name.value.clone(), position);
        }
        let key_file = self.api_key_file(&raw.api_key_file, &mut ring);
        if ring.keys.len() > MOST_KEYS {
            let span = raw.api_keys.key().or_else(|| raw.api_key_file.key()).unwrap_or_default();
            let message = format!("more than {MOST_KEYS} API keys");
            self.report(Diagnostic::error("out-of-range", span, message));
        }
        let plans = self.usage_plans(&raw.usage_plans, &ring, known);
        if let Some(place) = raw.api_key_file.key() {
            for (plan, _) in ring.named.iter().filter(|(name, _)| !has_name(raw, name)) {
                let message =
                    format!("a key of this file names the usage plan `{plan}`, which is none");
                self.report(Diagnostic::error("unknown-usage-plan", place, message));
            }
        }
        Usage { keys: ring.keys, key_file, plans }
    }

    fn api_key(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::ApiKey,
        ring: &mut Ring,
    ) -> Option<usize> {
        let given = self.demand(&raw.value, name.span, "value")?;
        let secret = self.secret(given)?;
        let is_enabled = raw.enabled.value().copied().unwrap_or(true);
        // A file that is judged by itself does not know its secrets.
        if self.ground.surroundings.is_some()
            && let Err(why) = check_value(secret.expose())
        {
            self.report(Diagnostic::error("invalid-api-key", given.span, why.to_string()));
            return None;
        }
        let place = (given.span, secret.expose());
        self.keep_key(&name.value, place, is_enabled, ring)
    }

    fn keep_key(
        &mut self,
        name: &str,
        (place, value): (Span, &str),
        is_enabled: bool,
        ring: &mut Ring,
    ) -> Option<usize> {
        let Some(digest) = KeyDigest::of(value.as_bytes()) else {
            let message = "the system has no randomness to keep API keys safe with";
            self.report(Diagnostic::error("no-randomness", place, message));
            return None;
        };
        if !value.is_empty()
            && let Some(first) = ring.by_digest.insert(digest, place)
        {
            let message = format!("the API key `{name}` has the same value as another one");
            let finding = Diagnostic::error("duplicate-api-key", place, message);
            self.report(finding.related(first, "the other key"));
        }
        ring.keys.push(ApiKey { name: name.into(), digest, is_enabled });
        ring.places.push(place);
        Some(ring.keys.len() - 1)
    }

    fn api_key_file(
        &mut self,
        raw: &Field<String>,
        ring: &mut Ring,
    ) -> Option<(std::path::PathBuf, [u8; 32])> {
        let given = raw.given()?;
        let path = self.path("api_key_file", given)?;
        let Some(surroundings) = self.ground.surroundings else {
            ring.is_whole = false;
            return Some((path, [0; 32]));
        };
        let shown = path.display().to_string();
        let read = surroundings
            .large_file(&path)
            .map_err(|why| ("missing-secret", format!("cannot read `{shown}`: {why}")));
        let lines = read.and_then(|bytes| {
            let digest = crate::config::digest(&bytes);
            let refuse = |why: String| ("invalid-api-key", why);
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| refuse(format!("`{shown}` is not UTF-8")))?;
            let lines = api_key::read_file(text)
                .map_err(|(line, why)| refuse(format!("{shown}:{line}: {why}")))?;
            Ok((digest, lines))
        });
        match lines {
            Ok((digest, lines)) => {
                for (number, line) in lines {
                    self.api_key_line(given.span, (&shown, number), line, ring);
                }
                Some((path, digest))
            }
            Err((code, message)) => {
                self.report(Diagnostic::error(code, given.span, message));
                ring.is_whole = false;
                None
            }
        }
    }

    fn api_key_line(
        &mut self,
        place: Span,
        (file, number): (&str, usize),
        line: Line,
        ring: &mut Ring,
    ) {
        let Line { name, value, enabled, usage_plans } = line;
        let before = self.findings.len();
        self.check_name("API key", &Spanned { value: name.clone(), span: place, key: place });
        if ring.by_name.contains_key(&name) {
            let message = format!("there are two API keys `{name}`");
            self.report(Diagnostic::error("duplicate-name", place, message));
        }
        let position = self.keep_key(&name, (place, &value), enabled, ring);
        for finding in self.findings.iter_mut().skip(before) {
            finding.message = format!("{file}:{number}: {}", finding.message);
        }
        ring.by_name.insert(name, position);
        if let Some(position) = position {
            ring.named.extend(usage_plans.into_iter().map(|plan| (plan, position)));
        }
    }

    fn usage_plans(
        &mut self,
        raw: &Field<Table<raw::UsagePlan>>,
        ring: &Ring,
        known: &KnownApis<'_>,
    ) -> Vec<UsagePlan> {
        let Some(table) = raw.given() else { return Vec::new() };
        if let Some((name, _)) = table.value.entries.get(MOST_PLANS) {
            let message = format!("more than {MOST_PLANS} usage plans");
            self.report(Diagnostic::error("out-of-range", name.span, message));
        }
        let mut plans = Vec::with_capacity(table.value.entries.len());
        // Which plan opens an API for a key.
        let mut opened: HashMap<(usize, ApiIndex), &str> = HashMap::new();
        let mut buckets = 0_usize;
        for (name, raw) in &table.value.entries {
            self.check_name("usage plan", name);
            let Some(plan) = raw.as_ref().and_then(|raw| self.usage_plan(name, raw, ring, known))
            else {
                continue;
            };
            for (key, api) in pairs(&plan) {
                if let Some(other) = opened.insert((key, api), &name.value) {
                    let key = ring.keys.get(key).map_or("", |key| &*key.name);
                    let message = format!(
                        "the API key `{key}` is in two plans for one API: `{other}` and `{}`",
                        name.value
                    );
                    let finding = Diagnostic::error("duplicate-usage-plan", name.span, message);
                    self.report(finding.help("a key has one plan for each API"));
                    break;
                }
            }
            let limits: usize = plan.apis.iter().map(|api| api.throttle.len()).sum();
            buckets = buckets.saturating_add(plan.keys.len().saturating_mul(limits + 1));
            plans.push(plan);
        }
        if buckets > MOST_BUCKETS {
            let message =
                format!("the usage plans keep {buckets} buckets, more than {MOST_BUCKETS}");
            let finding = Diagnostic::error("out-of-range", table.key, message);
            self.report(finding.help("each key has one for each limit of its plan"));
        }
        plans
    }

    fn usage_plan(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::UsagePlan,
        ring: &Ring,
        known: &KnownApis<'_>,
    ) -> Option<UsagePlan> {
        let mut keys = self.plan_keys(raw, ring);
        keys.extend(ring.named.iter().filter(|(plan, _)| *plan == name.value).map(|(_, key)| *key));
        keys.sort_unstable();
        keys.dedup();
        let apis = self.demand(&raw.apis, name.span, "apis").map(|list| {
            if list.value.is_empty {
                let message = "`apis` may not be an empty list";
                self.report(Diagnostic::error("empty-list", list.key, message));
            }
            let mut apis: Vec<PlanApi> = Vec::with_capacity(list.value.items.len());
            for item in &list.value.items {
                let Some(api) = self.plan_api(item, known) else { continue };
                if apis.iter().any(|other| other.api == api.api) {
                    let message = "this API is listed twice";
                    self.report(Diagnostic::error("duplicate-value", item.span, message));
                }
                apis.push(api);
            }
            apis
        });
        let throttle = raw.throttle.given().and_then(|raw| self.pace(raw.key, &raw.value));
        let quota = raw.quota.given().and_then(|raw| self.quota(raw));
        Some(UsagePlan { name: name.value.as_str().into(), keys, apis: apis?, throttle, quota })
    }

    fn plan_keys(&mut self, raw: &raw::UsagePlan, ring: &Ring) -> Vec<usize> {
        let Some(list) = raw.api_keys.given() else { return Vec::new() };
        self.texts(list, "`api_keys`");
        let mut keys = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            match ring.by_name.get(&item.value) {
                Some(position) => keys.extend(position),
                None if ring.is_whole => {
                    let shown = crate::config::decode::quoted(&item.value);
                    let message = format!("unknown API key {shown}");
                    let mut finding = Diagnostic::error("unknown-api-key", item.span, message);
                    let names = ring.by_name.keys().map(String::as_str);
                    finding.help = suggest::did_you_mean(&item.value, names);
                    self.report(finding);
                }
                None => {}
            }
        }
        keys
    }

    fn plan_api(&mut self, item: &Spanned<raw::PlanApi>, known: &KnownApis<'_>) -> Option<PlanApi> {
        let (name, throttle) = match &item.value {
            raw::PlanApi::Name(name) => (item.at(name.as_str()), None),
            raw::PlanApi::Object(object) => {
                let name = self.demand(&object.api, item.span, "api")?;
                (name.at(name.value.as_str()), object.throttle.value())
            }
        };
        let Some(&index) = known.by_name.get(name.value) else {
            let shown = crate::config::decode::quoted(name.value);
            let message = format!("unknown API {shown}");
            let mut finding = Diagnostic::error("unknown-api", name.span, message);
            finding.help = suggest::did_you_mean(name.value, known.by_name.keys().copied());
            self.report(finding);
            return None;
        };
        // One that is wrong is told already.
        let api = known.apis.get(index)?.as_ref()?;
        if api.flavour != Flavour::Rest {
            let message = format!("`{}` is an HTTP API: it has no API keys", name.value);
            let finding = Diagnostic::error("contradiction", name.span, message);
            self.report(finding.help("usage plans are for `type: rest`"));
            return None;
        }
        let mut paces = Vec::new();
        for (key, raw) in throttle.map(|table| &table.entries).into_iter().flatten() {
            let Some(raw) = raw else { continue };
            let Some(route) = api.routes.iter().position(|route| *route.key == *key.value) else {
                let shown = crate::config::decode::quoted(&key.value);
                let message = format!("the API `{}` has no route {shown}", name.value);
                let mut finding = Diagnostic::error("unknown-route", key.span, message);
                let keys = api.routes.iter().map(|route| &*route.key);
                finding.help = suggest::did_you_mean(&key.value, keys);
                self.report(finding);
                continue;
            };
            paces.extend(self.pace(key.span, raw).map(|pace| (route, pace)));
        }
        Some(PlanApi { api: ApiIndex(index), throttle: paces })
    }

    fn pace(&mut self, place: Span, raw: &raw::PlanThrottle) -> Option<Pace> {
        let rate = self.demand(&raw.rate, place, "rate").map(|rate| self.rate(rate));
        let burst = self.demand(&raw.burst, place, "burst");
        let burst = burst.map(|_| self.number(&raw.burst, 1, 1..=1_000_000));
        Some(Pace { rate: rate?, burst: burst? })
    }

    fn quota(&mut self, given: &Spanned<raw::Quota>) -> Option<Quota> {
        let raw = &given.value;
        let limit = self.demand(&raw.limit, given.key, "limit");
        let limit = limit.map(|_| self.number::<u64>(&raw.limit, 1, 1..=MOST_REQUESTS));
        let period =
            self.demand(&raw.period, given.key, "period").map(|period| match period.value {
                raw::Period::Day => Period::Day,
                raw::Period::Week => Period::Week,
                raw::Period::Month => Period::Month,
            });
        let (limit, period) = (limit?, period?);
        let offset = self.number(&raw.offset, 0, 0..=limit.saturating_sub(1));
        Some(Quota { limit, offset, period })
    }
}

fn has_name(raw: &raw::File, plan: &str) -> bool {
    let plans = raw.usage_plans.value().map(|table| &table.entries);
    plans.into_iter().flatten().any(|(name, _)| name.value == plan)
}

/// Each key with each API that the plan opens for it.
fn pairs(plan: &UsagePlan) -> impl Iterator<Item = (usize, ApiIndex)> + '_ {
    plan.keys.iter().flat_map(|key| plan.apis.iter().map(move |api| (*key, api.api)))
}
