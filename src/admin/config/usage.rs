//! API keys and usage plans as JSON. Of keys only names: their digests tell nobody anything.

use serde_json::{Map, Value, json};

use super::{Names, named, path};
use crate::config::model::{ApiKey, Config, Pace, PlanApi, Quota, Usage, UsagePlan};

pub(super) fn api_keys(usage: &Usage) -> Value {
    let key = |key: &ApiKey| {
        let ApiKey { name, digest: _, is_enabled } = key;
        (name.to_string(), json!({ "value": "***", "enabled": is_enabled }))
    };
    usage.keys.iter().map(key).collect::<Map<_, _>>().into()
}

pub(super) fn key_file(usage: &Usage) -> Value {
    usage.key_file.as_ref().map(|(file, _)| path(file)).into()
}

pub(super) fn usage_plans(config: &Config, names: &Names<'_>) -> Value {
    let Usage { keys, key_file: _, plans } = &config.usage;
    let plan = |plan: &UsagePlan| {
        let UsagePlan { name: _, keys: members, apis, throttle, quota } = plan;
        let members = members.iter().filter_map(|key| keys.get(*key)).map(|key| &*key.name);
        json!({
            "api_keys": members.collect::<Vec<_>>(),
            "apis": apis.iter().map(|api| plan_api(api, config, names)).collect::<Vec<_>>(),
            "throttle": throttle.map(pace),
            "quota": quota.map(self::quota),
        })
    };
    named(plans.iter().map(|of| (&of.name, plan(of))))
}

fn plan_api(plan: &PlanApi, config: &Config, names: &Names<'_>) -> Value {
    let PlanApi { api, throttle } = plan;
    let routes = config.apis.get(api.0).map(|api| api.routes.as_slice()).unwrap_or_default();
    let limits: Map<String, Value> = throttle
        .iter()
        .filter_map(|(route, pace)| Some((routes.get(*route)?.key.to_string(), self::pace(*pace))))
        .collect();
    json!({ "api": names.apis.get(api.0).map(|name| &***name), "throttle": limits })
}

fn pace(pace: Pace) -> Value {
    let Pace { rate, burst } = pace;
    json!({ "rate": rate, "burst": burst })
}

fn quota(quota: Quota) -> Value {
    let Quota { limit, offset, period } = quota;
    json!({ "limit": limit, "offset": offset, "period": period.as_str() })
}
