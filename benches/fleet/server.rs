//! A coordinator in a process of its own: 10,000 connections need as many descriptors on each side.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};

use aq_coordinator::CoordinatorConfig;

/// Serves until its input ends, which it also does when the parent is killed.
#[expect(clippy::print_stdout, reason = "a program of its own")]
pub(crate) fn serve(config: CoordinatorConfig) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.block_on(aq_coordinator::serve(config)).unwrap();
    println!("{}", running.address());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(running.stop());
    ExitCode::SUCCESS
}

/// The coordinator of this measurement.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(database: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("the coordinator says what is wrong");
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
