//! What a running daemon measures, and the dashboard that shows it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::promtool::promtool;
use crate::scene::{STAGED_APP, Scene, free_port, get, in_seconds, mail_without_lead, once, until};

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn metrics(port: u16) -> Option<String> {
    let (_, answer) = get(port, "localhost", "/metrics", "")?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

/// The value of a series, by what its line begins with.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Every name of ours in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.match_indices("offhours_")
        .map(|(at, _)| text[at..].chars().take_while(is_name).collect())
        .collect()
}

/// Every query of the dashboard, as Prometheus gets it.
fn queries(dashboard: &Value) -> Vec<String> {
    let mut queries = Vec::new();
    match dashboard {
        Value::Object(fields) => {
            if let Some(Value::String(query)) = fields.get("expr") {
                assert_eq!(fields["datasource"]["uid"], "${datasource}", "{query}");
                queries.push(
                    query
                        .replace("$__rate_interval", "5m")
                        .replace("$instance", ".*")
                        .replace("$job", ".*"),
                );
            }
            queries.extend(fields.values().flat_map(queries_of));
        }
        Value::Array(items) => queries.extend(items.iter().flat_map(queries_of)),
        _ => {}
    }
    queries
}

fn queries_of(part: &Value) -> Vec<String> {
    queries(part)
}

#[test]
fn prometheus_understands_every_query_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&example("dashboard.json")).unwrap();
    assert_eq!(
        dashboard["templating"]["list"][0]["type"], "datasource",
        "nobody's data source is written down"
    );
    let queries = queries(&dashboard);
    assert!(queries.len() > 15, "{queries:#?}");
    assert!(queries.iter().all(|q| !q.contains('$')), "{queries:#?}");
    let rules: Vec<Value> = queries
        .iter()
        .enumerate()
        .map(|(n, query)| json!({ "record": format!("dashboard:query{n}"), "expr": query }))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yml");
    // What is JSON is YAML, too.
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(&file, groups.to_string()).unwrap();
    if let Some((good, said)) = promtool(&["check", "rules", file.to_str().unwrap()], "") {
        assert!(good, "{said}");
        assert!(
            said.contains(&format!("{} rules found", rules.len())),
            "{said}"
        );
    }
}

#[test]
fn a_night_in_figures() {
    let port = free_port();
    let scene = Scene::new(&format!(
        r#"
[http]
listen = ["127.0.0.1:{port}"]
{}{}{STAGED_APP}
[window.later]
from = "{}"
until = "{}"
[app.wiki]
window = "later"
[maintenance.index]
app = "wiki"
every = "window"
run = ["true"]
timeout = "5s"
grace = "1s"
[maintenance.update]
app = "shop"
every = "window"
script = "touch begun; while [ -e hold ]; do sleep 0.05; done"
timeout = "60s"
grace = "1s"
locks = ["apt"]
[periodic.tick]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
[periodic.waits]
schedule = "* * * * * *"
run = ["true"]
timeout = "5s"
locks = ["apt"]
lock_wait = "1m"
"#,
        mail_without_lead(),
        once(3, 110),
        in_seconds(200_000),
        in_seconds(203_600),
    ));
    scene.script("stage", "exit 0");
    scene.write("hold", "");
    let mut daemon = scene.up();
    let first = until("figures", || metrics(port));
    // Jobs of which nothing is known yet are there: their first run is a rise.
    let never = r#"offhours_runs_total{job="update",what="step",outcome="failed"}"#;
    assert_eq!(value(&first, never), Some(0.0), "{first}");

    let text = until("one that waits while the app is out of service", || {
        let text = metrics(port)?;
        let out = value(&text, r#"offhours_app_in_maintenance{app="shop"}"#)? > 0.0;
        let waits = value(&text, "offhours_locks_waiting")? > 0.0;
        (out && waits && scene.path("begun").exists()).then_some(text)
    });
    let exported: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect();
    for file in ["dashboard.json", "alerts.yml"] {
        let named = named(&example(file));
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(!named.is_empty());
        assert!(unknown.is_empty(), "{file}: {unknown:?}\n{text}");
    }
    let now = jiff::Timestamp::now().as_second() as f64;
    let since = r#"offhours_app_maintenance_start_timestamp_seconds{app="shop"}"#;
    let since = value(&text, since).unwrap();
    assert!(since <= now + 1.0 && since > now - 120.0, "{text}");
    let is = |series: &str, expected: f64| assert_eq!(value(&text, series), Some(expected));
    is(r#"offhours_window_open{window="now"}"#, 1.0);
    is(r#"offhours_app_past_window{app="shop"}"#, 0.0);
    is(r#"offhours_app_overdue_seconds{app="shop"}"#, 0.0);
    is(
        r#"offhours_start_lateness_seconds_count{what="session"}"#,
        1.0,
    );
    let accepted = value(&text, r#"offhours_notices_by_state{state="accepted"}"#);
    assert!(accepted.unwrap() >= 1.0, "{text}");
    if let Some((good, said)) = promtool(&["check", "metrics"], &text) {
        assert!(good && said.is_empty(), "{said}\n{text}");
    }

    fs::remove_file(scene.path("hold")).unwrap();
    daemon.wait("run_ended", &[("job", "update")]);
    let text = until("the lock to be had", || {
        let text = metrics(port)?;
        let had = r#"offhours_lock_wait_seconds_count{result="obtained"}"#;
        let ended = r#"offhours_runs_total{job="waits",what="periodic",outcome="succeeded"}"#;
        let ended = value(&text, ended)? > 0.0;
        // What is served may be a moment old.
        let update = r#"offhours_runs_total{job="update",what="step",outcome="succeeded"}"#;
        let update = value(&text, update)? > 0.0;
        (ended && update && value(&text, had)? > 0.0).then_some(text)
    });
    let update = r#"job="update",what="step""#;
    for (series, expected) in [
        (
            format!("offhours_runs_total{{{update},outcome=\"succeeded\"}}"),
            1.0,
        ),
        (
            format!("offhours_run_duration_seconds_count{{{update},result=\"succeeded\"}}"),
            1.0,
        ),
        (
            format!(
                "offhours_run_duration_seconds_bucket{{le=\"+Inf\",{update},result=\"succeeded\"}}"
            ),
            1.0,
        ),
        (
            r#"offhours_run_duration_seconds_count{job="",what="enter",result="succeeded"}"#.into(),
            1.0,
        ),
    ] {
        assert_eq!(value(&text, &series), Some(expected), "{series}\n{text}");
    }
    let late = r#"offhours_start_lateness_seconds_count{what="periodic"}"#;
    assert!(value(&text, late).unwrap() >= 2.0, "{text}");
    // Runs overlap with nothing: what waited so long did so in one piece.
    let waited = value(
        &text,
        r#"offhours_lock_wait_seconds_sum{result="obtained"}"#,
    );
    assert!(waited.unwrap() > 0.0, "{text}");
    assert_eq!(daemon.stop(), 0);
}
