//! The sections of the config about ways to ship: `ship`, `merge`, `train-retries`, `pr`.

use std::time::Duration;

use aq_manifest::{ShipMode, parse_duration};
use serde::Deserialize;

/// Tries that the train gives a job after its first one, unless the config says otherwise.
const TRAIN_RETRIES: u32 = 2;
/// The pause between two questions about a pull request, unless the config says otherwise.
const PR_EVERY: Duration = Duration::from_secs(5 * 60);
/// The shortest of them: forges count requests.
const SHORTEST_PR_PAUSE: Duration = Duration::from_secs(30);
/// The remote that branches are pushed to, unless the config says otherwise.
const PR_REMOTE: &str = "origin";

/// The `merge` section of `config.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MergeConfig {
    /// A shell command that checks a target with a job's work in it.
    pub verify: Option<String>,
    /// Signs the commits of merges.
    pub sign: bool,
}

/// The `pr` section of `config.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PrConfig {
    /// The git remote that branches are pushed to. Default `origin`.
    pub remote: Option<String>,
    /// The pause between two questions about an open pull request. Default 5 minutes.
    pub every: Option<String>,
}

/// The keys of `config.yaml` that say how jobs are shipped, as they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShipSections<'a> {
    pub(super) ship: Option<&'a str>,
    pub(super) merge: &'a MergeConfig,
    pub(super) train_retries: Option<u32>,
    pub(super) pr: &'a PrConfig,
}

/// The ways in which jobs are shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShipSettings {
    /// The way of jobs that name none.
    pub mode: ShipMode,
    /// `merge.verify`.
    pub merge_verify: Option<String>,
    /// `merge.sign`.
    pub merge_sign: bool,
    /// Tries that the train gives a job after its first one.
    pub train_retries: u32,
    /// `pr.remote`.
    pub pr_remote: String,
    /// `pr.every`.
    pub pr_every: Duration,
}

impl ShipSettings {
    /// Reads the sections; the error names the key.
    pub(super) fn read(sections: ShipSections<'_>) -> Result<Self, String> {
        let ShipSections { ship, merge, train_retries, pr } = sections;
        let mode = match ship {
            None => ShipMode::default(),
            Some(text) => text.parse().map_err(|_| {
                format!("ship: {text:?} is no way to ship; expected accept, merge or pr")
            })?,
        };
        let merge_verify = merge.verify.clone();
        if merge_verify.as_deref().is_some_and(|command| command.trim().is_empty()) {
            return Err("merge.verify: an empty command checks nothing; remove it".to_owned());
        }
        let pr_remote = pr.remote.clone().unwrap_or_else(|| PR_REMOTE.to_owned());
        check_remote("pr.remote", &pr_remote)?;
        let pr_every = match &pr.every {
            None => PR_EVERY,
            Some(text) => parse_duration(text).map_err(|e| format!("pr.every: {text:?}: {e}"))?,
        };
        if pr_every < SHORTEST_PR_PAUSE {
            return Err("pr.every: expected at least 30s".to_owned());
        }
        Ok(Self {
            mode,
            merge_verify,
            merge_sign: merge.sign,
            train_retries: train_retries.unwrap_or(TRAIN_RETRIES),
            pr_remote,
            pr_every,
        })
    }
}

/// Refuses a remote that git would take for none, or for an option.
pub(super) fn check_remote(key: &str, remote: &str) -> Result<(), String> {
    match remote.is_empty() || remote.starts_with('-') {
        true => Err(format!("{key}: a remote is not empty and does not begin with `-`")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a config.
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct ShipKeys {
        ship: Option<String>,
        merge: MergeConfig,
        train_retries: Option<u32>,
        pr: PrConfig,
    }

    fn read(text: &str) -> Result<ShipSettings, String> {
        let ShipKeys { ship, merge, train_retries, pr } = serde_yaml::from_str(text).unwrap();
        let ship = ship.as_deref();
        ShipSettings::read(ShipSections { ship, merge: &merge, train_retries, pr: &pr })
    }

    #[test]
    fn jobs_are_accepted_by_default() {
        let settings = read("{}").unwrap();
        assert_eq!((settings.mode, settings.train_retries), (ShipMode::Accept, 2));
        assert_eq!((settings.pr_remote.as_str(), settings.pr_every), (PR_REMOTE, PR_EVERY));
        assert_eq!(read("ship: accept").unwrap(), settings);
    }

    #[test]
    fn pull_requests_have_their_settings() {
        let settings = read("{ship: pr, pr: {remote: fork, every: 10m}}").unwrap();
        assert_eq!((settings.mode, settings.pr_remote.as_str()), (ShipMode::Pr, "fork"));
        assert_eq!(settings.pr_every, Duration::from_secs(600));
    }

    #[test]
    fn trains_have_their_settings() {
        let text = "ship: merge\nmerge: {verify: make test, sign: true}\ntrain-retries: 0";
        let settings = read(text).unwrap();
        assert_eq!((settings.mode, settings.train_retries), (ShipMode::Merge, 0));
        assert_eq!(settings.merge_verify.as_deref(), Some("make test"));
        assert!(settings.merge_sign);
    }

    #[test]
    fn other_ways_are_refused() {
        for (text, words) in [
            ("ship: push", "ship: \"push\" is no way to ship"),
            ("merge: {verify: ' '}", "merge.verify: an empty command"),
            ("pr: {every: 10s}", "pr.every: expected at least 30s"),
            ("pr: {every: soon}", "pr.every: \"soon\": "),
            ("pr: {remote: --upload-pack=x}", "pr.remote: "),
            ("pr: {remote: ''}", "pr.remote: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(words), "{text}: {error}");
        }
    }
}
