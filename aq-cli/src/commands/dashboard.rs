//! `aq dashboard`

use std::net::SocketAddr;
use std::path::PathBuf;

use aq_coordinator::ApiTokens;

use super::CliContext;
use super::cli_context::listen_address;
use crate::dashboard::{ServeError, ServeOptions, serve};
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq dashboard\n",
        "           aq dashboard --listen 127.0.0.1:0\n",
        "           aq dashboard --listen 0.0.0.0:7331 --token-file ~/.config/aq/dashboard-token",
    )
)]
pub(crate) struct DashboardArgs {
    /// Address and port; port 0 takes any free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7331",
        value_parser = listen_address
    )]
    listen: SocketAddr,
    /// Tokens, one a line, a label before each if you like; needed when other machines can connect
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Let everybody who can connect read; without it, reading needs the sign-in, as acting always
    /// does
    #[arg(long)]
    public: bool,
    /// Another name under which browsers reach it, such as that of a proxy; may be repeated
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
}

pub(crate) fn run(here: &CliContext, args: DashboardArgs) -> Outcome {
    let tokens = args.token_file.map(|file| ApiTokens::read(&file)).transpose();
    let queue = here.queue()?;
    if here.untrusted(&queue).is_none() {
        here.take_over(&queue)?;
    }
    let options = ServeOptions {
        listen: args.listen,
        hosts: args.hosts,
        is_public: args.public,
        tokens: tokens.map_err(CliFailure::usage)?,
        queue,
        environment: here.environment.clone(),
        worker: here.program()?,
    };
    serve(options, |ready| {
        let url = format!("http://{}", ready.address);
        output::line(format_args!("listening on {url}"));
        if let Some(token) = &ready.token {
            // Behind the `#` it is not sent by the browser before the page asks for it.
            let to_act = if args.public { "to act, " } else { "" };
            output::line(format_args!("{to_act}sign in: {url}/sign-in#{token}"));
        }
    })?;
    Ok(CliExit::Done)
}

impl From<ServeError> for CliFailure {
    fn from(error: ServeError) -> Self {
        let exit = match error {
            ServeError::Remote(_) => CliExit::Usage,
            ServeError::Listen(..) | ServeError::System(_) => CliExit::Environment,
        };
        Self::new(exit, error)
    }
}
