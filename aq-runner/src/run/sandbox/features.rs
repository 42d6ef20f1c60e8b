//! The walls that this host's kernel gives, asked for once a boot.

use std::path::{Path, PathBuf};

use aq_sandbox::{KernelFeatures, try_kernel};
use serde::{Deserialize, Serialize};

use crate::process::BootId;
use crate::run::host::ProbePolicy;
use crate::store::{QueueDir, read_text};

/// An answer, and for whom and when it was given.
#[derive(Debug, Serialize, Deserialize)]
struct CachedFeatures {
    boot: String,
    user: u32,
    features: KernelFeatures,
}

/// The answer that a queue has of this boot and user.
pub fn cached_sandbox(queue: &QueueDir) -> Option<KernelFeatures> {
    let cached: CachedFeatures = serde_json::from_str(&read_text(&cache(queue)).ok()?).ok()?;
    let is_ours = cached.user == user() && cached.boot == boot();
    is_ours.then_some(cached.features)
}

/// Asks the kernel, or the queue's cache where the policy says so. `program` is one that calls
/// [`aq_sandbox::enter_if_asked`] first.
pub fn sandbox_features(
    queue: Option<&QueueDir>,
    program: &Path,
    probing: ProbePolicy,
) -> KernelFeatures {
    let cached = queue.filter(|_| probing != ProbePolicy::Refresh).and_then(cached_sandbox);
    if let Some(features) = cached {
        return features;
    }
    let features =
        try_kernel(program).unwrap_or_else(|error| KernelFeatures::none(&error.to_string()));
    if let Some(queue) = queue.filter(|_| probing != ProbePolicy::CachedOnly) {
        let cached = CachedFeatures { boot: boot(), user: user(), features: features.clone() };
        // Without it, the next one asks again.
        let _ = serde_json::to_vec(&cached).map(|text| std::fs::write(cache(queue), text));
    }
    features
}

fn cache(queue: &QueueDir) -> PathBuf {
    queue.state().join("sandbox.json")
}

fn user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn boot() -> String {
    BootId::current().map(|boot| boot.to_string()).unwrap_or_default()
}
