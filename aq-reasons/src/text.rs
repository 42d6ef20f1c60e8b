//! The text of a reason. Nobody reads it but people: a program has the code and the fields.

use std::fmt::Display;

use jiff::Timestamp;

use crate::reason::{DependencyStatus, HeldBy, PendingDependency, WaitReason};

const IN_DOUBT: &str = "a backup was restored, and it may have ended since: requeue it to run it, \
    or cancel it; `aq coordinator --after-restore run` runs all such jobs";

pub(crate) fn text_of(reason: &WaitReason, time: &dyn Fn(Timestamp) -> String) -> String {
    match reason {
        WaitReason::Held { by: HeldBy::Person } => "held by a person".to_owned(),
        WaitReason::Needs { requirements } => format!("needs {}", list(requirements)),
        WaitReason::NoEngine { engines } if engines.is_empty() => "no engine is named".to_owned(),
        WaitReason::NoEngine { engines } => format!("no engine installed of {}", list(engines)),
        WaitReason::WaitingOn { keys } => {
            format!("waiting on {}", list(keys.iter().map(dependency)))
        }
        WaitReason::Backoff { until } => format!("backoff until {}", time(*until)),
        WaitReason::LockHeld { job } => format!("lock held by {job}"),
        WaitReason::Behind { job } => format!("behind {job}, which has the same lock"),
        WaitReason::DepsConflict { file, .. } => format!("deps conflict in {file}"),
        WaitReason::DepElsewhere { dep, host } => {
            format!("dep elsewhere: the work of {dep} is on host {host}")
        }
        WaitReason::RepositoryInUse { job } => format!("{job} has the repository's own checkout"),
        WaitReason::EngineCooling { engine, until } => {
            format!("engine {engine} cooling down until {}", time(*until))
        }
        WaitReason::EngineLimited { engine } => {
            format!("engine {engine} takes no further job for now")
        }
        WaitReason::EngineOut { engine, why } => format!("engine {engine} out of use: {why}"),
        WaitReason::HostLacks(lack) => lack.to_string(),
        WaitReason::ReviewFull { n, max } => {
            format!("no free slot ({n} of {max} jobs wait in review)")
        }
        WaitReason::NoSlot { .. } => "no free slot".to_owned(),
        WaitReason::Untrusted { queue } => format!("the queue is not trusted: aq trust {queue}"),
        WaitReason::Train { place, into } => format!("{} in the train of {into}", ordinal(*place)),
        WaitReason::TrainWaits { refusal, .. } => format!("its merge waits: {refusal}"),
        WaitReason::DepUnmerged { dep, file } => {
            format!("its merge waits for {dep}, which is not shipped: {file} needs its work")
        }
        WaitReason::NoFreeHost => "no free slot on a host that fits".to_owned(),
        WaitReason::InDoubt => IN_DOUBT.to_owned(),
        WaitReason::NoHost => "no host that fits asks for a job now".to_owned(),
        WaitReason::DepsCycle { keys } => format!("its deps form a circle: {}", keys.join(" -> ")),
        other @ WaitReason::Other(_) => other.code_text().replace('_', " "),
    }
}

/// A place in words, as far as people say it so.
fn ordinal(place: u32) -> String {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    let word = usize::try_from(place).ok().and_then(|place| WORDS.get(place.checked_sub(1)?));
    word.map_or_else(|| format!("number {place}"), |word| (*word).to_owned())
}

fn dependency(pending: &PendingDependency) -> String {
    let state = match pending.state {
        DependencyStatus::Pending => "",
        DependencyStatus::Failed => " (failed)",
        DependencyStatus::Quarantined => " (quarantined)",
        DependencyStatus::Missing => " (no such job)",
    };
    format!("{}{state}", pending.key)
}

fn list(items: impl IntoIterator<Item: Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
