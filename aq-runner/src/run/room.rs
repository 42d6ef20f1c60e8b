//! Room that a queue wants to have free before anything starts.

use std::path::PathBuf;

use aq_scheduler::HostLack;
use serde::Deserialize;

use crate::disk::free_bytes;
use crate::store::QueueDir;

use super::checkouts::BESIDE;
use super::settings::Settings;

/// The `room` section of `config.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RoomConfig {
    /// Nothing starts while less is free, such as `5g`. Default: nothing is asked for.
    pub free: Option<String>,
    /// Shipped jobs older than this are put away by the run loop, as `aq clean` does it. Default: never.
    pub keep: Option<String>,
}

/// A size: a whole number with `k`, `m`, `g` or `t` for the powers of 1000, or of bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (number, power) = match text.strip_suffix(['k', 'm', 'g', 't']) {
        Some(number) => {
            let unit = text.as_bytes().last()?;
            (number, 1 + "kmgt".bytes().position(|known| known == *unit)?)
        }
        None => (text, 0),
    };
    let number: u64 = number.trim().parse().ok()?;
    number.checked_mul(1000_u64.checked_pow(u32::try_from(power).ok()?)?)
}

/// The lack of room, when a file system on which jobs write has less free than the queue's mark.
pub(crate) fn room_lack(queue: &QueueDir, settings: &Settings) -> Option<HostLack> {
    let mark = settings.room_mark?;
    let free = places(queue, settings).iter().filter_map(|path| free_bytes(path)).min()?;
    (free < mark).then_some(HostLack::Room { free, mark })
}

/// The queue, and where checkouts and TMPDIRs of jobs are made.
fn places(queue: &QueueDir, settings: &Settings) -> Vec<PathBuf> {
    let worktrees = settings.config.worktrees.as_deref().filter(|dir| *dir != BESIDE);
    let worktrees =
        worktrees.map(|dir| match (dir.strip_prefix("~/"), settings.environment.path("HOME")) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(dir),
        });
    let own = [queue.root().to_owned()];
    own.into_iter().chain(settings.environment.aq_home()).chain(worktrees).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_a_thousand() {
        for (text, size) in
            [("12", 12), ("1KB", 1000), (" 2 m ", 2_000_000), ("1t", 1_000_000_000_000)]
        {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for bad in ["", "g", "-1g", "1.5g", "5x", "99999999t"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
