//! The supervisor of one job as a program of its own, `aq-worker worker QUEUE JOB`.
//!
//! `aq worker` does the same. But the larger a program is, the more its start costs: the loader mends
//! each address in its tables, and the kernel copies each page that is mended. `aq` carries the
//! coordinator and the dashboard along, and a worker starts once a job. So a loop starts this one when
//! it lies beside `aq`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (code, message) = match aq_runner::run::work_if_asked(std::env::args_os()) {
        Some(Ok(())) => return ExitCode::SUCCESS,
        Some(Err(e)) => (5, format!("error: worker: {e}")),
        None => (2, "usage: aq-worker worker QUEUE JOB, as `aq run` starts it".to_owned()),
    };
    // Where nobody listens there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
