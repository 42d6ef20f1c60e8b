//! Merges of fleet jobs (`fleet.push-target`): hosts that can make them say so, and such jobs ask
//! for that.

use aq_fleet::protocol::PUSH_TARGET;
use aq_manifest::{ShipMode, parse, resolve, with_value};

use crate::run::settings::QueueSettings;

/// The reason why a host does not merge a job of the fleet.
pub(crate) const NO_PUSH_TARGET: &str =
    "config.yaml has no `fleet: {push-target: REMOTE}`, which names the remote that has its target";

/// A job file that is not handed to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefusal {
    /// It is to be merged, and nobody knows where to.
    #[error(
        "`ship: merge` needs `fleet: {{push-target: REMOTE}}` in config.yaml, of this queue and of \
         the hosts: a job of the fleet is merged with its target at that remote, and pushed there"
    )]
    NoPushTarget,
}

/// The job file as the coordinator gets it: one that is to be merged asks for a host that can do
/// that. `settings` are those of the queue at hand, if there is one.
///
/// # Errors
/// When it is to be merged, and the settings name no remote.
pub fn submittable(
    text: String,
    settings: Option<&QueueSettings>,
) -> Result<String, SubmitRefusal> {
    let parsed = parse(&text);
    // The coordinator names the place of an error.
    if parsed.has_errors() || parsed.manifest.ship != Some(ShipMode::Merge) {
        return Ok(text);
    }
    if settings.is_some_and(|settings| settings.config.fleet.push_target.is_none()) {
        return Err(SubmitRefusal::NoPushTarget);
    }
    let needs = resolve(&parsed.manifest, None).capabilities;
    let mut needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
    if needs.iter().any(|need| need == PUSH_TARGET) {
        return Ok(text);
    }
    needs.push(PUSH_TARGET.to_owned());
    let value = serde_json::Value::from(needs).to_string();
    // Where it cannot be written into the file, a coordinator demands it by itself, but for one of
    // version 0.1.
    Ok(with_value(&text, "capabilities", &value).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_ask_for_their_host() {
        let submitted = |text: &str| submittable(text.to_owned(), None).unwrap();
        for (text, want) in [
            (
                "---\nship: merge\n---\nx\n",
                "---\nship: merge\ncapabilities: [\"push-target\"]\n---\nx\n",
            ),
            (
                "---\ncapabilities:\n- gpu>=2\nship: merge\n---\nx\n",
                "---\ncapabilities: [\"gpu>=2\",\"push-target\"]\nship: merge\n---\nx\n",
            ),
        ] {
            assert_eq!(submitted(text), want);
            assert_eq!(submitted(want), want);
        }
        for text in ["---\nship: accept\n---\nx\n", "x\n", "---\nship: soon\n---\nx\n"] {
            assert_eq!(submitted(text), text);
        }
    }
}
