//! The promises of a box, one by one, and which of them hold with what a kernel gives.

use super::{BoxLevel, KernelFeatures};

/// A promise of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoxItem {
    /// Files elsewhere are not made, changed or removed.
    Writes,
    /// Files elsewhere are not cut short.
    Truncation,
    /// Secrets are not read.
    Secrets,
    /// A write below the home seems to succeed, and goes to a layer.
    HomeLayer,
    /// `/tmp` and what is like it are private.
    PrivateTmp,
    /// No process outside gets a signal.
    Signals,
    /// No process outside is read, changed or followed.
    Processes,
    /// No abstract socket of other programs is reached.
    AbstractSockets,
    /// No named socket of other programs is reached.
    NamedSockets,
    /// Kernel interfaces that are not for agents are shut.
    SystemCalls,
    /// Nothing outlives the command.
    NothingOutlives,
    /// The network is bounded, in the strict mode.
    Network,
}

/// A promise, and why it does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemState {
    /// The promise.
    pub item: BoxItem,
    /// The reason for which it does not hold; `None` where it does.
    pub lacks: Option<String>,
}

impl BoxItem {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Writes,
        Self::Truncation,
        Self::Secrets,
        Self::HomeLayer,
        Self::PrivateTmp,
        Self::Signals,
        Self::Processes,
        Self::AbstractSockets,
        Self::NamedSockets,
        Self::SystemCalls,
        Self::NothingOutlives,
        Self::Network,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Truncation => "truncation",
            Self::Secrets => "secrets",
            Self::HomeLayer => "home-layer",
            Self::PrivateTmp => "private-tmp",
            Self::Signals => "signals",
            Self::Processes => "processes",
            Self::AbstractSockets => "abstract-sockets",
            Self::NamedSockets => "named-sockets",
            Self::SystemCalls => "system-calls",
            Self::NothingOutlives => "nothing-outlives",
            Self::Network => "network",
        }
    }

    /// The promise, as a clause.
    pub const fn promise(self) -> &'static str {
        match self {
            Self::Writes => "files elsewhere are not made, changed or removed",
            Self::Truncation => "files elsewhere are not cut short",
            Self::Secrets => "keys and logins of the user are not read",
            Self::HomeLayer => "what is written below the home goes to a layer",
            Self::PrivateTmp => "/tmp, /run and /dev are private",
            Self::Signals => "no signal reaches a process outside",
            Self::Processes => "no process outside is read or changed",
            Self::AbstractSockets => "no abstract socket of other programs is reached",
            Self::NamedSockets => "no named socket of other programs is reached",
            Self::SystemCalls => "mounts, tracing, keys and the like are refused",
            Self::NothingOutlives => "nothing outlives the command",
            Self::Network => "strict: the network only by the list of hosts",
        }
    }

    /// The reason why it does not hold at a level.
    fn lacks(self, level: BoxLevel, features: &KernelFeatures) -> Option<String> {
        let needs_full = || (level < BoxLevel::Full).then(|| "needs the level full".to_owned());
        let abi = features.landlock_abi;
        let needs_abi = |needed: u32| {
            (abi < needed).then(|| format!("needs Landlock {needed}, and this kernel has {abi}"))
        };
        if level == BoxLevel::None {
            return Some("there is no sandbox".to_owned());
        }
        match self {
            Self::Writes | Self::Secrets | Self::SystemCalls => None,
            // A read-only mount refuses it as well, and processes that are not seen get no signal.
            Self::Truncation if level == BoxLevel::Full => None,
            Self::Truncation => needs_abi(3),
            Self::Signals if level == BoxLevel::Full => None,
            Self::Signals => needs_abi(6),
            // Also at the level full: only the strict mode has a network of its own.
            Self::AbstractSockets => needs_abi(6),
            Self::HomeLayer => needs_full().or_else(|| features.layers.clone()),
            Self::PrivateTmp | Self::NamedSockets | Self::NothingOutlives => needs_full(),
            // A process under Landlock sees into none that is not.
            Self::Processes => None,
            Self::Network => needs_full().or_else(|| features.network.clone()),
        }
    }
}

/// Every promise at a level, with what this kernel lacks for it.
pub fn items(level: BoxLevel, features: &KernelFeatures) -> Vec<ItemState> {
    let state = |item: BoxItem| ItemState { item, lacks: item.lacks(level, features) };
    BoxItem::ALL.map(state).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(level: BoxLevel, features: &KernelFeatures) -> Vec<&'static str> {
        let all = items(level, features);
        all.iter().filter(|state| state.lacks.is_some()).map(|state| state.item.as_str()).collect()
    }

    #[test]
    fn new_kernels_lack_nothing() {
        let new = KernelFeatures { landlock_abi: 7, ..KernelFeatures::default() };
        assert_eq!(new.level(), BoxLevel::Full);
        assert_eq!(lacking(BoxLevel::Full, &new), [""; 0]);
    }

    #[test]
    fn older_landlock_is_named_item_by_item() {
        let old = KernelFeatures { landlock_abi: 2, ..KernelFeatures::default() };
        assert_eq!(lacking(BoxLevel::Full, &old), ["abstract-sockets"]);
        let bare = KernelFeatures { namespaces: Some("refused".into()), ..old };
        assert_eq!(bare.level(), BoxLevel::Landlock);
        let lacks = lacking(bare.level(), &bare);
        let expected = [
            "truncation",
            "home-layer",
            "private-tmp",
            "signals",
            "abstract-sockets",
            "named-sockets",
            "nothing-outlives",
            "network",
        ];
        assert_eq!(lacks, expected);
    }

    #[test]
    fn without_landlock_there_is_no_box() {
        let none = KernelFeatures::default();
        assert_eq!(none.level(), BoxLevel::None);
        assert_eq!(lacking(BoxLevel::None, &none).len(), BoxItem::ALL.len());
        assert_eq!(none.why_not_full().unwrap(), "this kernel has no Landlock");
    }

    #[test]
    fn a_refused_network_hurts_only_strict_boxes() {
        let features = KernelFeatures {
            network: Some("Operation not permitted".into()),
            landlock_abi: 7,
            ..KernelFeatures::default()
        };
        assert_eq!(features.level(), BoxLevel::Full);
        assert_eq!(lacking(BoxLevel::Full, &features), ["network"]);
    }
}
