//! The trackers that an environment names.

use std::collections::BTreeMap;
use std::fmt;

use crate::command::CommandTransport;
use crate::error::TrackerError;
use crate::forge::PullRequests;
use crate::github::GitHub;
use crate::http::HttpTransport;
use crate::item_id::ItemId;
use crate::items::{self, ItemApi};
use crate::kind::TrackerKind;
use crate::own::OwnTrackers;
use crate::token::TrackerToken;
use crate::tracker::Tracker;

/// Where GitHub is, unless `AQ_GITHUB_API` says otherwise.
const GITHUB: &str = "https://api.github.com";

/// The fields that GitHub asks of its callers.
/// <https://docs.github.com/rest/about-the-rest-api/api-versions>
const GITHUB_FIELDS: [(&str, &str); 2] =
    [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")];

/// The trackers of an environment and of a program, each made when it is first asked for.
pub struct Trackers {
    /// With tokens in it: never shown.
    settings: BTreeMap<&'static str, String>,
    own: OwnTrackers,
}

/// The variables that are read.
const VARIABLES: [&str; 7] = [
    "AQ_TRACKER_URL",
    items::TOKEN,
    "AQ_TRACKER_PRODUCT",
    "AQ_TRACKER_API_CMD",
    "AQ_GITHUB_API",
    GITHUB_TOKENS[0],
    GITHUB_TOKENS[1],
];

/// The variables of GitHub's token. The first one is for aq alone: agents are not given it.
const GITHUB_TOKENS: [&str; 2] = ["AQ_GITHUB_TOKEN", "GITHUB_TOKEN"];

impl fmt::Debug for Trackers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.settings.keys()).finish()
    }
}

impl Trackers {
    /// Takes what it needs of an environment. An empty variable is as good as none.
    pub fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        let settings = VARIABLES.into_iter().filter_map(|name| {
            let value = get(name).filter(|value| !value.trim().is_empty())?;
            Some((name, value))
        });
        Self { settings: settings.collect(), own: OwnTrackers::default() }
    }

    /// The same with trackers of a program's own.
    #[must_use]
    pub fn with(self, own: OwnTrackers) -> Self {
        Self { own, ..self }
    }

    /// The tracker that has an item.
    pub fn kind(&self, id: &ItemId) -> TrackerKind {
        self.own.kind(id)
    }

    /// The tracker of a kind.
    ///
    /// # Errors
    /// [`TrackerError::NotSetUp`] names the variable that is missing or wrong.
    pub fn tracker(&self, kind: TrackerKind) -> Result<Box<dyn Tracker>, TrackerError> {
        if let Some(own) = self.own.make(kind) {
            return own;
        }
        match kind {
            TrackerKind::Items => self.items(),
            TrackerKind::GitHub => Ok(Box::new(self.github()?)),
            TrackerKind::Named(name) => {
                Err(not_set_up(&format!("this program has no tracker {:?}", name.as_str())))
            }
        }
    }

    /// GitHub, which can be searched, too.
    ///
    /// # Errors
    /// As [`Self::tracker`].
    pub fn github(&self) -> Result<GitHub<HttpTransport>, TrackerError> {
        self.github_way("issues").map(GitHub::over_http)
    }

    /// Pull requests on GitHub.
    ///
    /// # Errors
    /// As [`Self::tracker`].
    pub fn pull_requests(&self) -> Result<PullRequests<HttpTransport>, TrackerError> {
        self.github_way("pull requests").map(PullRequests::over_http)
    }

    /// The way to GitHub, for a token that may read and write `what`.
    fn github_way(&self, what: &str) -> Result<HttpTransport, TrackerError> {
        let base = self.get("AQ_GITHUB_API").unwrap_or(GITHUB);
        let token = GITHUB_TOKENS.into_iter().find_map(|name| self.get(name));
        let token = token.and_then(TrackerToken::new);
        if token.is_none() {
            return Err(not_set_up(&format!(
                "neither AQ_GITHUB_TOKEN nor GITHUB_TOKEN is set: give one a token that may read \
                 and write {what}"
            )));
        }
        let who = TrackerKind::GitHub.name();
        HttpTransport::new(who, "AQ_GITHUB_API", base, token, &GITHUB_FIELDS)
    }

    fn items(&self) -> Result<Box<dyn Tracker>, TrackerError> {
        let who = TrackerKind::Items.name();
        if let Some(command) = self.get("AQ_TRACKER_API_CMD") {
            return Ok(Box::new(ItemApi::new(CommandTransport::new(who, command))));
        }
        let base = self.get("AQ_TRACKER_URL").ok_or_else(|| {
            not_set_up(
                "AQ_TRACKER_URL is not set: give it the tracker's address, \
                or name a command in AQ_TRACKER_API_CMD",
            )
        })?;
        let token = self.get(items::TOKEN).and_then(TrackerToken::new);
        let product =
            self.get("AQ_TRACKER_PRODUCT").map(|product| ("x-product-id", product.trim()));
        let fields: Vec<(&'static str, &str)> = product.into_iter().collect();
        let way = HttpTransport::new(who, "AQ_TRACKER_URL", base, token, &fields)?;
        Ok(Box::new(ItemApi::new(way)))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

fn not_set_up(problem: &str) -> TrackerError {
    TrackerError::NotSetUp(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::TrackerName;
    use crate::{RenderedUpdate, TrackerItem};

    struct Mine;

    impl Tracker for Mine {
        fn item(&self, id: &ItemId) -> Result<TrackerItem, TrackerError> {
            Err(TrackerError::NotFound { who: "mine", item: id.to_string() })
        }

        fn echo(
            &self,
            _: &ItemId,
            _: &RenderedUpdate,
            _: Option<&str>,
        ) -> Result<Option<String>, TrackerError> {
            Ok(None)
        }
    }

    #[test]
    fn a_program_brings_trackers() {
        let mine = TrackerKind::Named(TrackerName::new("mine").unwrap());
        let own = OwnTrackers::default().with(mine, || Ok(Box::new(Mine)));
        let trackers =
            Trackers::new(|_| None).with(own.with(TrackerKind::Items, || Ok(Box::new(Mine))));
        let id = |text: &str| text.parse::<ItemId>().unwrap();
        for (text, kind) in [
            ("mine:7", mine),
            ("mine", TrackerKind::Items),
            ("mined:7", TrackerKind::Items),
            ("github:o/r#1", TrackerKind::GitHub),
        ] {
            assert_eq!(trackers.kind(&id(text)), kind, "{text}");
        }
        for kind in [mine, TrackerKind::Items] {
            let tracker = trackers.tracker(kind).unwrap();
            assert!(tracker.item(&id("mine:7")).unwrap_err().is_not_found());
        }
        let other = TrackerKind::Named(TrackerName::new("other").unwrap());
        assert!(trackers.tracker(other).is_err_and(|e| e.is_usage()));
        assert!(trackers.tracker(TrackerKind::GitHub).is_err_and(|e| e.is_usage()));
    }

    #[cfg(feature = "http")]
    fn problem(set: &[(&str, &str)], kind: TrackerKind) -> Option<String> {
        let get = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Trackers::new(get).tracker(kind).err().map(|e| e.to_string())
    }

    #[cfg(feature = "http")]
    #[test]
    fn what_is_missing_is_named() {
        let missing = |set: &[_], kind| problem(set, kind).unwrap();
        assert!(missing(&[], TrackerKind::Items).starts_with("AQ_TRACKER_URL is not set"));
        assert!(
            missing(&[("AQ_TRACKER_URL", " ")], TrackerKind::Items)
                .starts_with("AQ_TRACKER_URL is not")
        );
        assert!(missing(&[], TrackerKind::GitHub).starts_with("neither AQ_GITHUB_TOKEN nor"));
        let bad = [("GITHUB_TOKEN", "t"), ("AQ_GITHUB_API", "github")];
        assert!(missing(&bad, TrackerKind::GitHub).starts_with("AQ_GITHUB_API is no URL"));
        for (set, kind) in [
            (("AQ_TRACKER_URL", "https://tracker.example"), TrackerKind::Items),
            (("AQ_TRACKER_API_CMD", "tracker"), TrackerKind::Items),
            (("GITHUB_TOKEN", "t"), TrackerKind::GitHub),
            (("AQ_GITHUB_TOKEN", "t"), TrackerKind::GitHub),
        ] {
            assert_eq!(problem(&[set], kind), None);
        }
    }
}
