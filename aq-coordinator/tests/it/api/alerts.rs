//! The rules of `examples/fleet/alerts.yaml` speak of what a coordinator shows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::fleet::Fleet;

/// Series of these rules, by name and what is between the braces behind it.
fn series(rules: &str) -> BTreeSet<(&str, &str)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in rules.match_indices("aq_") {
        let text = &rules[at..];
        let name = text.split(|c| !is_of_name(c)).next().unwrap();
        let labels = text[name.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        found.insert((name, labels.map_or("", |(labels, _)| labels)));
    }
    found
}

/// Names of all series that can come, from the lines of their types: `# TYPE NAME KIND`.
fn names(metrics: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        names.extend(ends.iter().map(|end| format!("{name}{end}")));
    }
    names
}

#[tokio::test]
async fn alerts_name_series_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fleet");
    let rules = fs::read_to_string(root.join("alerts.yaml")).unwrap();
    let tests = fs::read_to_string(root.join("alerts.test.yaml")).unwrap();
    let fleet = Fleet::new().await;
    let about = json!({ "host": "h", "capabilities": [], "capacity": 1, "version": "1",
        "instanceId": "i" });
    assert_eq!(fleet.put("/v1/factories/a", &about).await.status, 200);
    // What is counted by label is shown once it has happened.
    let url = format!("{}/v1/stats", fleet.running.url());
    assert_eq!(fleet.client.get(url).send().await.unwrap().status(), 401);
    let metrics = fleet.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    let names = names(metrics);
    let used = series(&rules);
    assert!(used.len() > 8, "{used:?}");
    for (name, labels) in used {
        assert!(names.contains(name), "{name} is none of {names:?}");
        let is_shown = |line: &str| line.starts_with(name) && line.contains(labels);
        assert!(metrics.lines().any(is_shown) || labels.is_empty(), "{name}{{{labels}}}");
        assert!(tests.contains(name), "alerts.test.yaml does not try {name}");
    }
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        assert_eq!(tests.matches(alert).count(), 2, "alerts.test.yaml tries {alert} both ways");
    }
    let free = metrics.lines().find_map(|line| line.strip_prefix("aq_database_free_bytes "));
    assert!(free.unwrap().parse::<u64>().unwrap() > 0);
}
