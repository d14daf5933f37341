//! The metrics of the running process: each family counts what it says, in the unit it says.

use std::collections::BTreeSet;

use crate::authorization::protected;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

/// Waits until a series has a value: a request is counted just after its answer was sent.
fn wait(gateway: &Gateway, series: &str, wanted: f64) {
    let mut last = None;
    let mut tries = 0;
    eventually(series, || {
        last = gateway.metric(series);
        tries += 1;
        assert!(tries < 500, "{series} is {last:?}, not {wanted}");
        (last == Some(wanted)).then_some(())
    });
}

fn requests(listener: &str, rule: &str, group: &str, class: &str) -> String {
    format!(
        "portcullis_requests_total{{listener=\"{listener}\",rule=\"{rule}\",\
         target_group=\"{group}\",status_class=\"{class}\"}}"
    )
}

#[test]
fn requests_are_counted_by_listener_rule_target_group_and_class() {
    let issuer = Issuer::start();
    let target = Target::answering(|received| {
        let status = received.target().rsplit('/').next().unwrap_or_default().to_owned();
        format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let yaml = protected(&issuer, &target)
        + "  second:\n    address: 127.0.0.1:0\n    \
           default_action: { redirect: { path: /x, status_code: 301 } }\n";
    let gateway = Gateway::start(&yaml);
    let public = gateway.listener("public");
    for (path, times) in
        [("/open/200", 3), ("/open/302", 2), ("/open/404", 1), ("/open/500", 2), ("/none", 4)]
    {
        for _ in 0..times {
            wire::get(public, path);
        }
    }
    wire::get(public, "/orders/200");
    wire::get(gateway.listener("second"), "/y");
    for (series, count) in [
        (requests("public", "open", "orders", "2xx"), 3.0),
        (requests("public", "open", "orders", "3xx"), 2.0),
        (requests("public", "open", "orders", "4xx"), 1.0),
        (requests("public", "open", "orders", "5xx"), 2.0),
        (requests("public", "default", "", "4xx"), 4.0),
        (requests("public", "orders", "", "4xx"), 1.0),
        (requests("second", "default", "", "3xx"), 1.0),
    ] {
        wait(&gateway, &series, count);
    }
    assert_eq!(gateway.metric_sum("portcullis_requests_total", &[]), 14.0);
    let duration = "portcullis_request_duration_seconds";
    let open = "{listener=\"public\",rule=\"open\"}";
    wait(&gateway, &format!("{duration}_count{open}"), 8.0);
    wait(&gateway, &format!("portcullis_time_to_first_byte_seconds_count{open}"), 8.0);
    let sum = gateway.metric(&format!("{duration}_sum{open}")).expect("a sum");
    assert!(sum > 0.0 && sum < 60.0, "{sum} seconds for eight requests");
    wait(&gateway, "portcullis_requests_in_flight", 0.0);
}

#[test]
fn an_answer_in_the_place_of_a_target_is_not_counted_as_the_target_s() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, _| false);
    let gateway = Gateway::start(&protected(&issuer, &target));
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 502);
    wait(&gateway, &requests("public", "open", "", "5xx"), 1.0);
    assert_eq!(gateway.metric_sum("portcullis_requests_total", &["target_group=\"orders\""]), 0.0);
}

#[test]
fn latencies_are_in_seconds_and_in_their_buckets() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| {
        use std::io::Write as _;
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n").is_ok()
    });
    let gateway = Gateway::start(&protected(&issuer, &target));
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    let open = "{listener=\"public\",rule=\"open\"";
    for name in ["portcullis_request_duration_seconds", "portcullis_time_to_first_byte_seconds"] {
        wait(&gateway, &format!("{name}_count{open}}}"), 1.0);
        let sum = gateway.metric(&format!("{name}_sum{open}}}")).expect("a sum");
        assert!((0.25..20.0).contains(&sum), "{name}: {sum}");
        assert_eq!(gateway.metric(&format!("{name}_bucket{open},le=\"0.1\"}}")), Some(0.0));
        assert_eq!(gateway.metric(&format!("{name}_bucket{open},le=\"+Inf\"}}")), Some(1.0));
    }
}

#[test]
fn authorizations_are_counted_by_outcome_and_refusals_by_cause() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let good = format!("Bearer {}", issuer.token());
    let poor = format!("Bearer {}", issuer.token_with(&serde_json::json!({ "scope": "x" })));
    let bad = format!("{good}x");
    for (authorization, times) in [(&good, 3), (&poor, 2), (&bad, 1)] {
        for _ in 0..times {
            let fields = [("Authorization", authorization.as_str())];
            wire::request(gateway.address(), "GET", "/orders/1", &fields);
        }
    }
    wire::get(gateway.address(), "/orders/1");
    wire::get(gateway.address(), "/open/1");
    wire::get(gateway.address(), "/%zz");
    wire::get(gateway.address(), "/a%5cb");
    wire::get(gateway.address(), "/a%5cb");
    let outcome = |reason: &str| {
        format!(
            "portcullis_authorizations_total{{listener=\"public\",rule=\"orders\",\
             reason=\"{reason}\"}}"
        )
    };
    wait(&gateway, &outcome("allowed"), 3.0);
    wait(&gateway, &outcome("scope_missing"), 2.0);
    wait(&gateway, &outcome("token_missing"), 1.0);
    // A rule that asks nobody has no outcomes.
    assert_eq!(gateway.metric_sum("portcullis_authorizations_total", &[]), 7.0);
    let cause = |cause: &str| {
        format!("portcullis_requests_refused_total{{listener=\"public\",cause=\"{cause}\"}}")
    };
    wait(&gateway, &cause("bad_escape"), 1.0);
    wait(&gateway, &cause("escaped_backslash"), 2.0);
    assert_eq!(gateway.metric_sum("portcullis_requests_refused_total", &[]), 3.0);

    wait(&gateway, "portcullis_token_cache_entries", 2.0);
    assert!(gateway.metric("portcullis_token_cache_bytes") > Some(100.0));
    let hits = gateway.metric("portcullis_token_cache_hits_total").expect("a count");
    let misses = gateway.metric("portcullis_token_cache_misses_total").expect("a count");
    // Each good signature is checked twice before it is remembered, the bad one each time.
    assert_eq!((hits, misses), (1.0, 5.0));
}

#[test]
fn key_sets_are_told_with_keys_age_and_what_fetches_came_to() {
    use crate::support::issuer::{Key, Mode};
    let (issuer, target) = (Issuer::start(), Target::start());
    issuer.serve(&[Key::number(0), Key::number(1)]);
    let gateway = Gateway::start(&protected(&issuer, &target));
    let pool = "{user_pool=\"customers\"}";
    wait(&gateway, &format!("portcullis_jwks_keys{pool}"), 2.0);
    let age = gateway.metric(&format!("portcullis_jwks_age_seconds{pool}")).expect("an age");
    assert!((0.0..30.0).contains(&age), "{age}");
    let fetches = |result: &str| {
        format!("portcullis_jwks_fetches_total{{user_pool=\"customers\",result=\"{result}\"}}")
    };
    wait(&gateway, &fetches("ok"), 1.0);
    assert_eq!(gateway.metric_sum("portcullis_jwks_fetches_total", &[]), 1.0);

    let down = Issuer::start();
    down.set(Mode::Say(500, "text/plain", b"no".to_vec()));
    let gateway = crate::support::Start::with(&protected(&down, &target)).unready().run();
    eventually("a fetch has failed", || {
        (gateway.metric_sum("portcullis_jwks_fetches_total", &[]) >= 1.0).then_some(())
    });
    assert_eq!(gateway.metric(&fetches("ok")), Some(0.0));
    assert_eq!(gateway.metric(&format!("portcullis_jwks_keys{pool}")), Some(0.0));
    let age = gateway.metric(&format!("portcullis_jwks_age_seconds{pool}"));
    assert_eq!(age, Some(f64::INFINITY));
}

#[test]
fn connections_targets_reloads_and_the_build_are_told() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let yaml = protected(&issuer, &target);
    let gateway = Gateway::start(&yaml);
    let event = |event: &str| format!("portcullis_connection_events_total{{event=\"{event}\"}}");
    let mut open: Vec<Connection> = (0..3).map(|_| Connection::open(gateway.address())).collect();
    wait(&gateway, "portcullis_connections", 3.0);
    wait(&gateway, &event("accepted"), 3.0);
    open.truncate(1);
    wait(&gateway, "portcullis_connections", 1.0);
    open[0].send("nonsense\r\n\r\n");
    assert_eq!(open[0].read().status, 400);
    wait(&gateway, &event("malformed"), 1.0);

    let targets = "portcullis_targets";
    eventually("the target is known", || {
        (gateway.metric_sum(targets, &["target_group=\"orders\""]) == 1.0).then_some(())
    });
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(1.0));
    assert_eq!(gateway.metric("portcullis_config_last_reload_success"), Some(1.0));
    let loaded = gateway.metric("portcullis_config_last_reload_timestamp_seconds").expect("a time");
    #[allow(clippy::cast_precision_loss)]
    let now = crate::support::issuer::now() as f64;
    assert!((now - 60.0..=now + 1.0).contains(&loaded), "{loaded}");

    gateway.write(&yaml.replace("404", "410"));
    wait(&gateway, "portcullis_config_generation", 2.0);
    gateway.write("nonsense: 1\n");
    wait(&gateway, "portcullis_config_reloads_total{result=\"refused\"}", 1.0);
    wait(&gateway, "portcullis_config_reloads_total{result=\"success\"}", 2.0);
    wait(&gateway, "portcullis_config_last_reload_success", 0.0);
    assert_eq!(gateway.metric("portcullis_config_generation"), Some(2.0));

    assert_eq!(gateway.metric_sum("portcullis_build_info", &["version=\"0"]), 1.0);
    for quiet in [
        "portcullis_log_dropped_total",
        "portcullis_panics_total",
        "portcullis_upstream_retries_total",
    ] {
        assert_eq!(gateway.metric(quiet), Some(0.0), "{quiet}");
    }
    for process in ["resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds", "threads"]
    {
        assert!(gateway.metric(&format!("process_{process}")) > Some(0.0), "{process}");
    }
}

#[test]
fn every_family_has_help_and_type_and_no_series_comes_twice() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    wire::get(gateway.address(), "/open/1");
    wire::get(gateway.address(), "/orders/1");
    let text = gateway.ask_admin("/metrics").text();
    let mut families = std::collections::BTreeSet::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap_or_default();
            assert!(rest.len() > family.len() + 5, "{line}");
            assert!(families.insert(family), "{family} comes twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.strip_prefix(family).expect("TYPE follows HELP").trim();
            let is_total = family.ends_with("_total");
            assert_eq!(kind == "counter", is_total, "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            assert!(series.starts_with(family), "{line} under {family}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(series), "{series} comes twice");
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn traffic_is_told_by_ip_version_and_what_rules_did_by_action() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let answer = wire::get(gateway.address(), "/open/1");
    assert_eq!(answer.status, 200);
    wait(&gateway, "portcullis_listener_requests_total{listener=\"public\",ip_version=\"4\"}", 1.0);
    let bytes = |name: &str| {
        let series = format!(
            "portcullis_listener_{name}_bytes_total{{listener=\"public\",ip_version=\"4\"}}"
        );
        gateway.metric(&series).unwrap_or_default()
    };
    // `GET /open/1 HTTP/1.1` and a `Host`; a status line and a few headers.
    assert!(bytes("received") > 40.0 && bytes("received") < 200.0, "{}", bytes("received"));
    assert!(bytes("sent") > 40.0 && bytes("sent") < 1000.0, "{}", bytes("sent"));
    let action = |rule: &str, action: &str| {
        format!(
            "portcullis_rule_actions_total{{listener=\"public\",rule=\"{rule}\",action=\"{action}\"}}"
        )
    };
    wait(&gateway, &action("open", "forward"), 1.0);
    assert_eq!(wire::get(gateway.address(), "/nowhere").status, 404);
    wait(&gateway, &action("default", "fixed_response"), 1.0);
}

#[test]
fn every_metric_that_the_guides_name_is_there_and_every_one_there_is_named() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let text = gateway.ask_admin("/metrics").text();
    let there: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
        .filter(|name| name.starts_with("portcullis_"))
        .collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a guide");
    let named = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("portcullis_"))
            .map(str::to_owned)
            .collect()
    };
    // Those of the process are named by others too.
    let metrics_in = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("portcullis_") || word.starts_with("process_"))
            .map(str::to_owned)
            .collect()
    };
    let translated = named(&read("metrics.md"));
    for name in &translated {
        assert!(there.contains(name.as_str()), "metrics.md names {name}");
    }
    let all: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    for file in ["../deploy/prometheus/alerts.yaml", "../deploy/grafana/dashboard.json"] {
        let names = metrics_in(&read(file));
        assert!(names.len() > 10, "{file} names {names:?}");
        for name in names {
            let family = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(all.contains(family), "{file} names {name}");
        }
    }
    // The list of all of them shortens names that have a beginning in common.
    let listed = read("operations.md");
    for name in there {
        let end = name.rfind('_').map_or(name, |at| &name[at..]);
        let is_listed = listed.contains(&format!("`{name}`"))
            || listed.contains(&format!("`{end}`"))
            || name
                .match_indices('_')
                .any(|(at, _)| listed.contains(&format!("`{}`", &name[at..])));
        assert!(is_listed, "operations.md does not name {name}");
    }
}

#[test]
fn the_dashboard_can_be_imported_and_asks_every_panel_of_the_chosen_source_and_instances() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/dashboard.json");
    let text = std::fs::read_to_string(file).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    // An id would be that of a dashboard of the Grafana it was exported from.
    assert!(dashboard.get("id").is_none());
    let variables: Vec<&str> = dashboard["templating"]["list"]
        .as_array()
        .expect("variables")
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(variables, ["datasource", "instance"]);
    let (mut ids, mut rows) = (BTreeSet::new(), Vec::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title} has the id of another");
        if panel["type"] == "row" {
            rows.push(title);
            continue;
        }
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().expect("queries");
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = target["expr"].as_str().expect("a query");
            let metrics = query.matches("portcullis_").count() + query.matches("process_").count();
            assert_eq!(query.matches("{instance=~\"$instance\"").count(), metrics, "{query}");
        }
    }
    let wanted = ["Traffic", "Latency", "Decisions", "Keys and certificates", "Targets"];
    assert_eq!(rows, [&wanted[..], &["Connections", "Process"]].concat());
}
