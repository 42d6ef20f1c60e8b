//! Texts to values.

use aq_benches::inputs::{JOB_FILE, REQUIREMENTS, id, record, replay};
use aq_caps::HostRequirement;
use divan::{Bencher, black_box};

use crate::references;

/// A job file of twenty keys: values, their places, and every check.
#[divan::bench]
fn job_file() -> bool {
    aq_manifest::parse(black_box(JOB_FILE)).has_errors()
}

/// Reference: serde-saphyr alone for the same keys.
#[divan::bench]
fn job_file_saphyr() -> references::Keys {
    references::saphyr(references::front_matter(black_box(JOB_FILE)))
}

/// One requirement of each kind.
#[divan::bench(args = REQUIREMENTS)]
fn requirement(text: &str) -> HostRequirement {
    text.parse().expect("a requirement")
}

/// A job's record, read again after so many attempts.
#[divan::bench(args = [0, 1, 9])]
fn replay_record(bencher: Bencher, attempts: usize) {
    let record = record(attempts);
    bencher.with_inputs(|| id(7)).bench_values(|id| replay(&id, &record));
}

/// Reference: the lines of the same record in a `HashMap`, and nothing else.
#[divan::bench(args = [0, 1, 9])]
fn replay_record_lines(bencher: Bencher, attempts: usize) {
    let record = record(attempts);
    bencher.bench(|| references::lines(&record).len());
}
