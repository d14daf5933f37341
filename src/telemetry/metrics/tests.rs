use super::*;
use std::time::Duration;

const REASONS: &[&str] = &["allowed", "token_missing", "token_expired"];
const CAUSES: &[&str] = &["limit", "tls_handshake"];
const RESULTS: &[&str] = &["success", "timeout"];

fn metrics() -> Arc<Metrics> {
    Metrics::new("0.1.0", "abcdef0")
}

fn value(text: &str, series: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

fn request(rule: &RuleMetrics, group: Option<usize>, status: u16) {
    rule.request(group, status, Duration::from_millis(3), Some(Duration::from_millis(2)));
}

#[test]
fn requests_are_counted_by_rule_group_and_class() {
    let metrics = metrics();
    let rule = metrics.rule("public", "orders", &["blue", "green"], REASONS);
    request(&rule, Some(1), 200);
    request(&rule, Some(1), 204);
    request(&rule, None, 401);
    request(&rule, None, 0);
    request(&rule, Some(7), 700);
    let text = metrics.text();
    let series = |group: &str, class: &str| {
        let series = format!(
            "portcullis_requests_total{{listener=\"public\",rule=\"orders\",\
             target_group=\"{group}\",status_class=\"{class}\"}}"
        );
        value(&text, &series)
    };
    assert_eq!(series("green", "2xx").as_deref(), Some("2"));
    assert_eq!(series("", "4xx").as_deref(), Some("1"));
    assert_eq!(series("", "none").as_deref(), Some("2"));
    assert_eq!(series("blue", "2xx"), None);
}

#[test]
fn a_rule_keeps_its_counts_over_a_reload_and_loses_them_when_it_goes() {
    let metrics = metrics();
    let before = metrics.rule("public", "orders", &["blue"], REASONS);
    request(&before, Some(0), 200);
    before.decision(2);
    let after = metrics.rule("public", "orders", &["green", "blue"], REASONS);
    drop(before);
    request(&after, Some(1), 200);
    after.decision(2);
    let text = metrics.text();
    assert!(text.contains("target_group=\"blue\",status_class=\"2xx\"} 2\n"), "{text}");
    assert!(text.contains("reason=\"token_expired\"} 2\n"), "{text}");
    assert!(text.contains(
        "portcullis_request_duration_seconds_count{listener=\"public\",rule=\"orders\"} 2\n"
    ));

    let moved = metrics.rule("public", "orders", &["green"], REASONS);
    drop(after);
    assert!(!metrics.text().contains("target_group=\"blue\""));
    drop(moved);
    assert!(!metrics.text().contains("rule=\"orders\""));
}

#[test]
fn routes_are_counted_by_class_and_keep_their_counts_over_a_reload() {
    let metrics = metrics();
    let before = metrics.route("shop", "GET /orders/{id}");
    let _never_asked = metrics.route("shop", "GET /never");
    before.request(200, false);
    let after = metrics.route("shop", "GET /orders/{id}");
    drop(before);
    after.request(403, true);
    after.request(503, false);
    let told = after.outcomes();
    assert_eq!((told.requests, told.errors, told.denials), (3, 1, 1));
    let text = metrics.text();
    let series = |class: &str| {
        let labels =
            format!("{{api=\"shop\",route=\"GET /orders/{{id}}\",status_class=\"{class}\"}}");
        value(&text, &format!("portcullis_route_requests_total{labels}"))
    };
    assert_eq!(series("2xx").as_deref(), Some("1"), "{text}");
    assert_eq!(series("4xx").as_deref(), Some("1"));
    assert_eq!(series("3xx"), None);
    assert!(!text.contains("GET /never"));
    drop(after);
    assert!(!metrics.text().contains("api=\"shop\""));
}

#[test]
fn names_that_run_together_alike_are_kept_apart() {
    let metrics = metrics();
    let one = metrics.rule("a", "bc", &["x", "xy"], REASONS);
    let two = metrics.rule("ab", "c", &["x"], REASONS);
    request(&one, Some(0), 200);
    request(&two, None, 200);
    let text = metrics.text();
    assert!(
        text.contains("{listener=\"a\",rule=\"bc\",target_group=\"x\",status_class=\"2xx\"} 1")
    );
    assert!(text.contains("{listener=\"ab\",rule=\"c\",target_group=\"\",status_class=\"2xx\"} 1"));
}

#[test]
fn buckets_are_cumulative_and_end_in_the_count() {
    let metrics = metrics();
    let rule = metrics.rule("public", "orders", &[], REASONS);
    for millis in [0, 1, 2, 3, 60_000] {
        rule.request(None, 200, Duration::from_millis(millis), None);
    }
    let text = metrics.text();
    let bucket = |bound: &str| {
        let labels = format!("{{listener=\"public\",rule=\"orders\",le=\"{bound}\"}}");
        value(&text, &format!("portcullis_request_duration_seconds_bucket{labels}"))
    };
    assert_eq!(bucket("0.0005").as_deref(), Some("1"));
    assert_eq!(bucket("0.001").as_deref(), Some("2"));
    assert_eq!(bucket("0.005").as_deref(), Some("4"));
    assert_eq!(bucket("30").as_deref(), Some("4"));
    assert_eq!(bucket("+Inf").as_deref(), Some("5"));
    let sum = "portcullis_request_duration_seconds_sum{listener=\"public\",rule=\"orders\"}";
    assert_eq!(value(&text, sum).as_deref(), Some("60.006"));
    assert!(!text.contains("portcullis_time_to_first_byte_seconds_bucket"));
}

#[test]
fn the_number_of_series_does_not_grow_with_requests() {
    let metrics = metrics();
    let rule = metrics.rule("public", "orders", &["blue"], REASONS);
    let all_classes = || (0..700).for_each(|status| request(&rule, Some(0), status));
    all_classes();
    let series = metrics.text().lines().count();
    (0..20).for_each(|_| all_classes());
    assert_eq!(metrics.text().lines().count(), series);
}

#[test]
fn label_values_of_any_spelling_are_escaped() {
    let metrics = metrics();
    let rule = metrics.rule("public", "a\"b\\c\nd", &[], REASONS);
    request(&rule, None, 200);
    assert!(metrics.text().contains(r#"rule="a\"b\\c\nd""#));
}

#[test]
fn samplers_run_before_every_scrape_and_stale_targets_go() {
    let metrics = metrics();
    let scrape = std::sync::atomic::AtomicU64::new(0);
    metrics.on_scrape(Box::new(move |metrics| {
        let scrape = scrape.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let group = if scrape == 0 { "old" } else { "new" };
        metrics.set_targets(group, "healthy", 3);
        metrics.token_cache_entries.set(i64::try_from(scrape).unwrap());
    }));
    assert!(
        metrics.text().contains("portcullis_targets{target_group=\"old\",state=\"healthy\"} 3\n")
    );
    let text = metrics.text();
    assert!(text.contains("target_group=\"new\"") && !text.contains("target_group=\"old\""));
    assert!(text.contains("portcullis_token_cache_entries 1\n"));
}

#[test]
fn a_refused_reload_keeps_the_generation() {
    let metrics = metrics();
    metrics.reload_succeeded(3, UnixMillis(1_795_395_735_500));
    metrics.reload_refused();
    let text = metrics.text();
    assert!(text.contains("portcullis_config_generation 3\n"));
    assert!(text.contains("portcullis_config_last_reload_success 0\n"));
    assert!(text.contains("portcullis_config_last_reload_timestamp_seconds 1795395735.5\n"));
    assert!(text.contains("portcullis_config_reloads_total{result=\"success\"} 1\n"));
    assert!(text.contains("portcullis_config_reloads_total{result=\"refused\"} 1\n"));
}

#[test]
fn key_sets_tell_their_age_or_that_there_are_none() {
    let metrics = metrics();
    let (here, absent) = (metrics.pool("customers", RESULTS), metrics.pool("partners", RESULTS));
    here.set_keys(2, Some(Duration::from_millis(90_500)));
    here.set_fetched(1, 1);
    absent.set_keys(0, None);
    let text = metrics.text();
    assert!(text.contains("portcullis_jwks_age_seconds{user_pool=\"customers\"} 90.5\n"));
    assert!(text.contains("portcullis_jwks_age_seconds{user_pool=\"partners\"} +Inf\n"));
    let timeouts = "portcullis_jwks_fetches_total{user_pool=\"customers\",result=\"timeout\"} 1\n";
    assert!(text.contains(timeouts));
}

#[test]
fn totals_that_others_keep_are_taken_over_and_never_go_down() {
    let metrics = metrics();
    metrics.connections.set(1);
    metrics.set_connection_events(&[("accepted", 2)]);
    metrics.set_connection_events(&[("accepted", 1)]);
    metrics.set_token_cache_lookups(5, 3);
    let listener = metrics.listener("public", CAUSES);
    listener.refused(1);
    let text = metrics.text();
    for line in [
        "portcullis_connections 1\n",
        "portcullis_connection_events_total{event=\"accepted\"} 2\n",
        "portcullis_token_cache_hits_total 5\n",
        "portcullis_requests_refused_total{listener=\"public\",cause=\"tls_handshake\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

fn everything() -> Arc<Metrics> {
    let metrics = metrics();
    let rule = metrics.rule("public", "a\"b", &["blue"], REASONS);
    request(&rule, Some(0), 200);
    rule.decision(0);
    metrics.listener("public", CAUSES).refused(0);
    metrics.pool("customers", RESULTS).set_fetched(0, 1);
    metrics.on_scrape(Box::new(|metrics| metrics.set_targets("blue", "healthy", 1)));
    // Handles must live until the scrape; a test process may leak them.
    std::mem::forget((
        rule,
        metrics.listener("public", CAUSES),
        metrics.pool("customers", RESULTS),
    ));
    metrics
}

#[test]
fn every_family_is_declared_once_before_its_samples() {
    let text = everything().text();
    let mut declared: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!declared.contains(&name), "{name} twice");
            declared.push(name);
        } else if !line.starts_with('#') {
            let name = declared.last().unwrap();
            assert!(line.starts_with(name), "{line} under {name}");
        }
    }
    assert!(declared.contains(&"process_resident_memory_bytes"), "{declared:?}");
    assert!(declared.iter().all(|n| n.starts_with("portcullis_") || n.starts_with("process_")));
}
