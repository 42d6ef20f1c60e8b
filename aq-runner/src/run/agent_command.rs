//! The command line with which an agent is started.

use std::ffi::OsString;

use crate::acp::AdapterRun;
use crate::engine::{EngineCommand, SessionTotal};

/// The program and arguments of an engine's command: its own, or those of the adapter that talks
/// with it, which are taken out of the command. `total` is what its session has used before.
///
/// # Errors
/// The running program has no path, in words.
pub(crate) fn agent_command(
    command: &mut EngineCommand,
    total: Option<&SessionTotal>,
) -> Result<(OsString, Vec<OsString>), String> {
    let program = std::mem::take(&mut command.program).into_os_string();
    let args = std::mem::take(&mut command.args);
    let Some(talk) = command.acp.take() else { return Ok((program, args)) };
    let total = total.filter(|total| Some(&total.session_id) == talk.session.as_ref());
    let run = AdapterRun {
        session_cost: total.and_then(|total| total.usage.cost_usd),
        session: talk.session,
        model: talk.model,
        mode: talk.mode,
        yolo: talk.yolo,
        ..AdapterRun::new(program, args)
    };
    Ok((own_program()?, run.into_arguments()))
}

/// This program, also when its file was replaced by another version meanwhile.
fn own_program() -> Result<OsString, String> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    let path = std::env::current_exe().map_err(|e| format!("cannot find aq's own program: {e}"))?;
    Ok(path.into())
}
