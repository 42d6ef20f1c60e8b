//! Runs a command in a box: `boxed [--strict] [--landlock] [--write PATH] [--hide PATH]
//! [--host HOST] -- COMMAND...`. The current directory is written to.

#![expect(clippy::print_stderr, reason = "it talks to a person")]

use std::error::Error;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use aq_sandbox::{
    BoxLaunch, BoxLevel, BoxSpec, HostList, PathAccess, PathPolicy, enter_if_asked, secret_places,
    try_kernel,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // This program starts itself in the box, before it has a second thread.
    if let Some(code) = enter_if_asked(std::env::args_os()) {
        std::process::exit(code);
    }
    let program = std::env::current_exe()?;
    let cwd = std::env::current_dir()?;
    let home = std::env::home_dir();
    let mut level = try_kernel(&program)?.level();
    let secrets = secret_places(home.as_deref(), None);
    let mut policy =
        PathPolicy::new(home).with_all(secrets, PathAccess::Hidden).with(&cwd, PathAccess::Write);
    let (mut hosts, mut is_strict) = (Vec::new(), false);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(option) = arguments.next().filter(|option| option != "--") {
        let mut value = || arguments.next().ok_or("a value is missing");
        match option.to_str() {
            Some("--strict") => is_strict = true,
            Some("--landlock") => level = BoxLevel::Landlock,
            Some("--write") => policy = policy.with(value()?, PathAccess::Write),
            Some("--read") => policy = policy.with(value()?, PathAccess::Read),
            Some("--hide") => policy = policy.with(value()?, PathAccess::Hidden),
            Some("--host") => hosts.push(value()?.to_string_lossy().into_owned()),
            _ => return Err(format!("no option {}", option.display()).into()),
        }
    }
    let command: Vec<OsString> = arguments.collect();
    let hosts = is_strict.then(|| HostList::parse(&hosts)).transpose()?;
    let dir = std::env::temp_dir().join(format!("boxed-{}", std::process::id()));
    let (layers, reports_writes, landlock_abi) = (Vec::new(), true, None);
    let spec = BoxSpec { level, policy, cwd, hosts, layers, reports_writes, landlock_abi };
    let launch = BoxLaunch::prepare(spec, &dir)?;
    let arguments = launch.arguments(command);
    let attendant = launch.attend()?;
    let status = Command::new(&program).args(arguments).status()?;
    let report = attendant.finish();
    for words in report.failure.iter().chain(&report.lacks) {
        eprintln!("boxed: {words}");
    }
    for (denial, count) in report.denials.iter() {
        eprintln!("boxed: refused {count} times: {denial}");
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(ExitCode::from(status.code().unwrap_or(1).to_le_bytes()[0]))
}
