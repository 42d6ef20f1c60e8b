//! The pages of the dashboard about numbers and dependencies.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::Server;
use crate::sandbox::Sandbox;

/// Puts a job with a record into a folder, as if it had run.
fn place(sandbox: &Sandbox, stage: &str, id: &str, meta: &[(&str, &str)]) {
    fs::write(sandbox.queue(&format!("{stage}/{id}.md")), "true\n").unwrap();
    let mut text = String::from("attempts=1\n");
    for (key, value) in meta {
        text += &format!("{key}={value}\n");
    }
    fs::write(sandbox.queue(&format!(".state/meta/{id}.meta")), text).unwrap();
}

fn ago(hours: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).to_string()
}

/// The numbers of the cells of a row.
fn cells(row: &str) -> Vec<Option<f64>> {
    let cell = |text: &str| {
        let value = text.split_once("<data value=\"")?.1;
        Some(value.split('"').next()?.parse().unwrap())
    };
    row.split("<td").skip(1).map(cell).collect()
}

/// The text between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("{start} is not in {text}")).1;
    rest.split(end).next().unwrap()
}

#[test]
fn the_page_of_insights_says_what_the_command_says() {
    let mut sandbox = Sandbox::new();
    // Without a name, so that no list of time zones is needed.
    sandbox.set("TZ", "<+05>-5");
    let runs = [
        ("a1", "shipped", "alpha", "fix", 20, "0.5"),
        ("a2", "failed", "alpha", "fix", 21, "0.25"),
        ("a3", "shipped", "alpha", "", 50, "1.125"),
        ("b1", "shipped", "beta", "docs", 50, "2"),
        ("b2", "testing", "beta", "docs", 100, ""),
    ];
    for (n, (id, stage, engine, profile, hours, cost)) in runs.into_iter().enumerate() {
        let ended = ago(hours);
        let (seconds, tokens) = (format!("{n}.5"), (1_000 * (n + 1)).to_string());
        let meta = [
            ("engine", engine),
            ("profile", profile),
            ("ended_at", &ended),
            ("cost_usd", cost),
            ("duration_s", &seconds),
            ("input_tokens", &tokens),
            ("cached_tokens", "7"),
            ("cache_write_tokens", "5"),
            ("output_tokens", "11"),
            ("reasoning_tokens", "3"),
            ("usage_estimated", if id == "b1" { "1" } else { "" }),
        ];
        place(&sandbox, stage, id, &meta);
    }
    let served = Server::start(&sandbox);
    for since in ["7d", "all"] {
        let args = if since == "all" { vec![] } else { vec!["--since", since] };
        let json = sandbox.json(&[&["insights", "--json"], &args[..]].concat());
        let page = served.page(&format!("/insights?since={since}"));
        same_groups(&json, &page);
        same_days(&json, &page);
        assert_eq!(json["time_zone"], "+05");
        assert!(page.contains("(+05)") && page.contains("~$2.00"), "{page}");
        assert!(!page.contains("style="), "{page}");
    }
    let day = served.page("/insights?since=24h");
    assert!(day.contains("a2") && !day.contains("/jobs/a3"), "{day}");
    assert_eq!(served.get("/insights?since=nonsense").status, 400);
}

fn same_groups(json: &Value, page: &str) {
    const KEYS: [&str; 12] = [
        "jobs",
        "success_rate",
        "shipped",
        "attempts_per_success",
        "median_s",
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cost_usd",
        "cost_per_shipped",
    ];
    let of = |kind: &str, key: &str| -> Vec<(String, Value)> {
        json[key].as_array().unwrap().iter().map(|group| (kind.to_owned(), group.clone())).collect()
    };
    let mut groups = vec![("all".to_owned(), json["all"].clone())];
    groups.extend(of("engine", "engines"));
    groups.extend(of("profile", "profiles"));
    groups.push(("no profile".to_owned(), json["no_profile"].clone()));
    assert_eq!(groups.len(), 6);
    for (kind, group) in groups {
        let name = group["name"].as_str().unwrap();
        let row = between(page, &format!("data-kind=\"{kind}\" data-name=\"{name}\""), "</tr>");
        let wanted: Vec<Option<f64>> = KEYS.iter().map(|key| group[key].as_f64()).collect();
        assert_eq!(cells(row), wanted, "{kind} {name}");
    }
}

fn same_days(json: &Value, page: &str) {
    let days = json["days"].as_array().unwrap();
    assert!(days.len() >= 2, "{days:?}");
    for measure in [
        "cost_usd",
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
    ] {
        let table = between(page, &format!("data-of=\"{measure}\""), "</table>");
        for day in days {
            let date = day["date"].as_str().unwrap();
            let row = between(table, &format!(">{date}<"), "</tr>");
            let engine = |name: &str| {
                let engines = day["engines"].as_array().unwrap();
                engines.iter().find(|group| group["name"] == name)?[measure].as_f64()
            };
            let wanted = [engine("alpha"), engine("beta"), day["all"][measure].as_f64()];
            assert_eq!(cells(row), wanted, "{measure} of {date}");
        }
    }
}

#[test]
fn insights_of_no_job_and_of_hostile_ones() {
    let sandbox = Sandbox::new();
    let served = Server::start(&sandbox);
    assert!(served.page("/insights?since=all").contains("No job has run yet"));
    let hostile = "</svg><script>alert(1)</script>\"onload=\"x\u{202e}";
    for (n, seconds) in ["1e308", "0", "1.7976931348623157e308"].into_iter().enumerate() {
        let meta = [
            ("engine", hostile),
            ("profile", hostile),
            ("ended_at", "9999-12-01T00:00:00Z"),
            ("duration_s", seconds),
            ("cost_usd", "1.7e308"),
            ("output_tokens", "18446744073709551615"),
        ];
        place(&sandbox, "shipped", &format!("h{n}"), &meta);
    }
    let ended = ago(1);
    let meta = [("engine", hostile), ("ended_at", &ended), ("cost_usd", "1.7e308")];
    place(&sandbox, "shipped", "now1", &meta);
    place(&sandbox, "failed", "now2", &meta);
    let page = served.page("/insights?since=all");
    assert!(page.contains("&lt;script&gt;") && page.contains("class=\"hit\""), "{page}");
    assert!(!page.contains("<script>") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("days that are drawn: 1."), "{page}");
}

#[test]
fn ten_thousand_jobs_have_numbers_at_once() {
    let sandbox = Sandbox::new();
    for n in 0..10_000_i64 {
        let (ended, engine) = (ago(n % 700), format!("e{}", n % 4));
        let meta = [("engine", &*engine), ("ended_at", &ended), ("cost_usd", "0.25")];
        place(&sandbox, "shipped", &format!("job-{n}"), &meta);
    }
    let served = Server::start(&sandbox);
    let begun = Instant::now();
    let page = served.page("/insights?since=all");
    let took = begun.elapsed();
    assert!(page.contains("data value=\"10000\"") && page.contains("$2,500.00"), "{page}");
    assert!(page.len() < 400_000, "{} bytes", page.len());
    // Far more than it takes, on a machine that is busy with other tests.
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn the_graph_shows_who_waits_for_whom() {
    let sandbox = Sandbox::new();
    sandbox.add("first", "idempotency-key: k1", "true");
    sandbox.ok(&["run", "--once", "--ship"]);
    sandbox.add("second", "idempotency-key: k2\ndeps: [k1]", "true");
    sandbox.add("third", "deps: [k2, '<script>x</script>']\ndeps-mode: soft", "true");
    sandbox.add("alone", "", "true");
    let served = Server::start(&sandbox);
    let page = served.page("/graph");
    for class in
        ["node shipped unverified", "node next", "node waiting", "node ghost", "edge soft lost"]
    {
        assert!(page.contains(&format!("class=\"{class}\"")), "{class}: {page}");
    }
    assert!(!page.contains("<script>x") && !page.contains("style="), "{page}");
    assert!(!page.contains("/jobs/alone"), "{page}");
    let list = between(&page, "graph-list", "</ul>");
    let item = between(list, "<a href=\"/jobs/second\"", "</li>");
    assert!(item.contains("waits for <a href=\"/jobs/first\">first</a>"), "{item}");

    let around = served.page("/graph?job=first");
    assert!(
        around.contains("node shipped unverified chosen") && around.contains("/jobs/third"),
        "{around}"
    );
    assert!(!around.contains("node ghost"), "{around}");
    assert!(served.page("/graph?job=alone").contains("waits for nothing"));
    assert_eq!(served.get("/graph?job=nobody").status, 404);
    assert_eq!(served.get("/graph?job=%3Cb%3E").status, 404);
}

#[test]
fn the_page_of_the_fleet_answers_without_one() {
    let mut sandbox = Sandbox::new();
    let served = Server::start(&sandbox);
    assert!(served.page("/fleet").contains("This host is in no fleet"));
    assert!(!served.page("/").contains("href=\"/fleet\""));
    drop(served);
    // Wrong settings are a fleet that one wants to know of.
    sandbox.set("AQ_FLEET", "1");
    let served = Server::start(&sandbox);
    assert!(served.page("/").contains("href=\"/fleet\""));
    assert!(served.page("/fleet").contains("AQ_FLEET_URL is not set"));
}
