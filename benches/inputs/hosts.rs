//! Tokens of hosts, and requirements of jobs.

use aq_caps::{Capabilities, HostRequirement};

/// The tokens of host `n`: twenty, as detection finds them.
pub fn capabilities(n: usize) -> Capabilities {
    let os = if n.is_multiple_of(10) { "macos" } else { "linux" };
    let arch = if n.is_multiple_of(4) { "aarch64" } else { "x86_64" };
    let text = format!(
        "os:{os} arch:{arch} cpus:{} mem-gb:{} engine:claude engine:codex engine:shell \
         node:{}.{}.1 python:3.{} rust:1.{}.0 go:1.22.{} docker:27.1.1 git:2.47.{} java:21.0.4 \
         has:make has:cmake has:gcc has:jq zone:eu-{} rack:{}",
        4 + n % 60,
        8 << (n % 5),
        16 + n % 8,
        n % 12,
        9 + n % 5,
        80 + n % 16,
        n % 9,
        n % 4,
        n % 3,
        n % 97,
    );
    text.split(' ').map(|token| token.parse().expect("a token")).collect::<Capabilities>()
}

/// The tokens of the first `count` hosts.
pub fn hosts(count: usize) -> Vec<Capabilities> {
    (0..count).map(capabilities).collect()
}

/// The requirement of a job; a part of the hosts meets it.
pub fn requirement() -> HostRequirement {
    "node>=20".parse().expect("a requirement")
}
