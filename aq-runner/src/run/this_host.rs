//! What this host is, with a queue's settings.

use std::time::Duration;

use aq_fleet::protocol::PUSH_TARGET;
use aq_sandbox::KernelFeatures;

use crate::engine::MissingBinary;
use crate::store::QueueDir;

use super::host::{HostConfig, HostProblem, HostReport, ProbePolicy, ProbedProgram, detect};
use super::settings::QueueSettings;
use crate::run::engines::versions::{AskedPrograms, ask_engine_versions};

/// How long one probe of a tool may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Detects what this host has; what has not changed since is read from the queue's cache,
/// when there is a queue. With any policy but [`ProbePolicy::CachedOnly`] this starts programs that
/// the queue's config names, so that queue has to be trusted. `sandbox` is what the kernel gives
/// for sandboxes, where somebody has asked it.
pub fn host_capabilities(
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    probing: ProbePolicy,
    sandbox: Option<KernelFeatures>,
) -> HostReport {
    let environment = &settings.environment;
    ask_engine_versions(queue, settings, AskedPrograms::OnPath, probing);
    let installed =
        settings.engines.names().filter(|name| settings.engines.installed(name).is_some());
    let target = settings.config.fleet.push_target.as_ref();
    let pushes_targets = target.map(|_| PUSH_TARGET.to_owned());
    let mut host = detect(&HostConfig {
        path: environment.get("PATH").unwrap_or_default(),
        tools: ProbedProgram::with_defaults(settings.config.tools.clone()),
        engines: installed.map(str::to_owned).collect(),
        aq_caps: environment.get("AQ_CAPS").unwrap_or_default().to_string_lossy().into_owned(),
        sandbox,
        extra: settings.config.capabilities.iter().cloned().chain(pushes_targets).collect(),
        cache_dir: queue.map(QueueDir::state),
        probing,
        time_limit: PROBE_LIMIT,
    });
    let others = settings.engines.info().into_iter().filter_map(|engine| engine.binary.err());
    let others = others.filter(|missing| matches!(missing, MissingBinary::OtherProgram { .. }));
    host.problems.extend(others.map(HostProblem::OtherProgram));
    host
}
