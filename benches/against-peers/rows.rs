//! The comparison: each row with its parts, and the goals that the project has set itself.

use crate::results::Results;

/// Everybody a column or a colour is for, by the name in the results and the one that people read.
pub(crate) const PEERS: [(&str, &str); 6] = [
    ("tsp", "task-spooler"),
    ("nq", "nq"),
    ("hq", "HyperQueue"),
    ("pueue", "pueue"),
    ("parallel", "GNU parallel"),
    ("sloop", "sloop"),
];

/// One row. Several parts are several numbers in each cell, of which the first is compared.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
    /// The program that does the least that has to be done, by the name in the results and the one
    /// that people read.
    pub(crate) floor: Vec<(&'static str, &'static str)>,
    pub(crate) goals: Vec<Goal>,
    /// More is better, as with a rate.
    pub(crate) rate: bool,
    /// The name in the plot, for those that are in it.
    pub(crate) plotted: Option<String>,
}

/// One number.
pub(crate) struct Part {
    pub(crate) key: String,
    pub(crate) unit: &'static str,
}

/// The goal of aq in a part.
pub(crate) struct Goal {
    pub(crate) part: usize,
    pub(crate) bound: Bound,
}

/// For a rate the least, for a cost the most.
pub(crate) enum Bound {
    /// So much.
    Plain(f64),
    /// So many times what another one has.
    Times(f64, &'static str, &'static str),
    /// So many times what aq has in another row, which is named.
    Row(f64, &'static str, &'static str),
}

impl Row {
    /// The value of the first part.
    pub(crate) fn value(&self, results: &Results, who: &str) -> Option<f64> {
        self.parts.first().and_then(|part| results.of(&part.key, who))
    }

    fn floor(mut self, floor: &[(&'static str, &'static str)]) -> Self {
        self.floor = floor.to_vec();
        self
    }

    fn goal(mut self, bound: Bound) -> Self {
        self.goals.push(Goal { part: 0, bound });
        self
    }

    fn plotted(mut self, name: impl Into<String>) -> Self {
        self.plotted = Some(name.into());
        self
    }
}

fn row(key: impl Into<String>, name: impl Into<String>, unit: &'static str) -> Row {
    Row {
        name: name.into(),
        parts: vec![Part { key: key.into(), unit }],
        floor: Vec::new(),
        goals: Vec::new(),
        rate: false,
        plotted: None,
    }
}

/// The row of a process: memory, the part of it that is in no file, and its activity while nothing
/// happens, but for one sweep in half a minute.
fn process(key: &str, name: &str, memory: Option<f64>) -> Row {
    let mut row = row(format!("{key}-memory"), name, "MB");
    if let Some(limit) = memory {
        row = row.goal(Bound::Plain(limit));
    }
    row.parts.push(Part { key: format!("{key}-anonymous"), unit: "MB not of files" });
    for (what, unit, limit) in [("cpu", "%", 0.0), ("wakes", "/s", 0.05)] {
        row.goals.push(Goal { part: row.parts.len(), bound: Bound::Plain(limit) });
        row.parts.push(Part { key: format!("{key}-{what}"), unit });
    }
    row
}

/// All rows that these results can have something for, with the sizes that they were measured with.
pub(crate) fn rows(results: &Results) -> Vec<Row> {
    let n = |what| results.size(what).map_or_else(|| "many".to_owned(), thousands);
    let mut drain = row(
        "drain",
        format!("drain of {} jobs of `true`, two at a time: jobs a second", n("drain")),
        "",
    )
    .floor(&[("ninja", "ninja"), ("xargs", "`xargs -P2`")])
    .goal(Bound::Times(0.4, "ninja", "ninja"))
    .goal(Bound::Times(1.4, "hq", "HyperQueue"))
    .plotted("drain of `true` jobs");
    drain.rate = true;
    let many = n("add-many");
    let mut rows = vec![
        drain,
        row(
            "worktree",
            format!(
                "{} jobs with a worktree, a change and a commit each, two at a time",
                n("worktree")
            ),
            "ms a job",
        )
        .floor(&[("git-2", "git alone, two at a time"), ("git", "one after the other")])
        .goal(Bound::Times(1.5, "git-2", "git alone"))
        .plotted("drain with worktree and commit"),
        row("add", "one `add`, 10 waiting", "ms")
            .floor(&[("fork+exec", "`true`")])
            .goal(Bound::Plain(4.0))
            .goal(Bound::Times(2.5, "fork+exec", "`true`"))
            .plotted("one add"),
        row("add-many", format!("one `add`, {many} waiting"), "ms")
            .floor(&[("fork+exec", "`true`")])
            .goal(Bound::Row(1.25, "add", "with 10 waiting"))
            .plotted(format!("one add, {many} waiting")),
        row("add-bulk", format!("`add` of {} at once, each", n("add-bulk")), "us")
            .goal(Bound::Plain(100.0))
            .plotted("add of many at once"),
        row("start", "`add` to the first command of the job", "ms")
            .floor(&[("bash", "bash itself")])
            .goal(Bound::Plain(6.0))
            .plotted("add to start"),
        row("status", format!("`status`, {} waiting", n("status")), "ms")
            .floor(&[("files", "`cat` of the records")])
            .goal(Bound::Plain(100.0))
            .plotted(format!("status, {} waiting", n("status"))),
        row("status-json", format!("`status --json`, {} waiting", n("status")), "ms"),
        row("why", format!("`why JOB`, {} waiting", n("status")), "ms"),
    ];
    rows.extend(idle(results));
    rows.push(row("waiting", "memory of one more waiting job", "KiB"));
    rows.push(process("running", "what looks after one running job", Some(3.0)));
    let waiting = n("calls-add");
    rows.extend([
        row("calls-add", format!("system calls of one `add`, {waiting} waiting"), "")
            .floor(&[("fork+exec", "`true`")])
            .plotted("system calls of one add"),
        row("bytes-add", "bytes that it writes to files", "").goal(Bound::Plain(2000.0)),
        row("syncs-add", "syncs that it makes", "").goal(Bound::Plain(2.0)),
        row("calls-job", "system calls of a job of `true`, from its add to its end", "")
            .floor(&[("ninja", "ninja"), ("xargs", "`xargs -P2`")])
            .plotted("system calls of a whole job"),
        row("bytes-job", "bytes that are written to files for it", ""),
        row("syncs-job", "syncs for it", ""),
    ]);
    rows
}

/// A row for each number of waiting jobs that was tried.
fn idle(results: &Results) -> Vec<Row> {
    let mut sizes: Vec<u64> = results
        .whats()
        .filter_map(|what| what.strip_prefix("idle-")?.strip_suffix("-memory")?.parse().ok())
        .collect();
    sizes.sort_unstable();
    let named = |size: u64| {
        let key = format!("idle-{size}");
        if size == 0 {
            process(&key, "a queue with nothing to do, empty", Some(8.0))
                .plotted("memory when idle")
        } else {
            let limit = (size >= 100_000).then_some(30.0);
            process(&key, &format!("the same, {} waiting", thousands(size)), limit)
        }
    };
    sizes.into_iter().map(named).collect()
}

/// `12345` as `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
