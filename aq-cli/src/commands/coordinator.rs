//! `aq coordinator`

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aq_coordinator::{
    ApiTokens, CoordinatorConfig, DEFAULT_RATE, DatabaseLocation, GitHubRepository, ServeError,
    TlsFiles, TrackerSettings,
};
use aq_manifest::{DurationError, parse_duration};
use aq_runner::run::{FLEET_TOKEN, ProcessEnvironment, TRACKER_TOKENS};

use super::CliContext;
use super::cli_context::listen_address;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  AQ_FLEET_TOKEN=$(openssl rand -hex 32) aq coordinator\n",
        "           aq coordinator --listen 0.0.0.0:7332 --tls-cert fleet.pem \
            --tls-key fleet.key \\\n",
        "               --token-file tokens --database postgres:///aq",
    )
)]
pub(crate) struct CoordinatorArgs {
    /// Address and port; port 0 takes any free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7332",
        value_parser = listen_address
    )]
    listen: SocketAddr,
    /// `sqlite:FILE` or `postgres://…` [env: AQ_DATABASE] [default: a file in ~/.local/share/aq]
    #[arg(long, value_name = "URL")]
    database: Option<DatabaseLocation>,
    /// Lines `LABEL SCOPE TOKEN`, the scope `submit`, `host:ID`, `read` or `admin`; SIGHUP has it
    /// read again [default: one token for all, in the file AQ_FLEET_TOKEN_FILE or AQ_FLEET_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How long a host keeps a job without a sign of life
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    lease: Duration,
    /// How often hosts give one
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    heartbeat: Duration,
    /// Certificate chain, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// What becomes of jobs that may have ended before a backup of the database was restored, where
    /// no host says so
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = AfterRestore::Hold)]
    after_restore: AfterRestore,
    /// How long grants, reports and texts of ended jobs, and hosts that are not heard of, are kept,
    /// such as 90d; a day at least [default: for good]
    #[arg(long, value_name = "TIME", value_parser = keep)]
    keep: Option<Duration>,
    /// A repository whose issues hear of jobs that name them, `github:OWNER/NAME`; may be repeated
    #[arg(long = "tracker-allow", value_name = "REPOSITORY")]
    tracker_allow: Vec<GitHubRepository>,
    /// Listen beyond this machine without TLS, such as behind a proxy that has it
    #[arg(long)]
    insecure: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AfterRestore {
    /// They run
    Run,
    /// They wait until somebody says
    Hold,
}

fn duration(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text)
}

/// The shortest time that what is not kept for good can be kept.
const SHORTEST_KEEP: Duration = Duration::from_secs(24 * 60 * 60);

fn keep(text: &str) -> Result<Duration, String> {
    let keep = parse_duration(text).map_err(|e| e.to_string())?;
    if keep < SHORTEST_KEEP {
        return Err("it is a day at least, such as 90d".to_owned());
    }
    Ok(keep)
}

pub(crate) fn run(here: &CliContext, args: CoordinatorArgs) -> Outcome {
    let tls = args.tls_cert.zip(args.tls_key).map(|(cert, key)| TlsFiles { cert, key });
    let tells_trackers = here.environment.get("AQ_TRACKER_AUTO").is_some_and(|auto| auto == "1");
    let of_trackers = TRACKER_TOKENS.iter().filter(|_| tells_trackers);
    let of_fleet = args.token_file.is_none().then_some(&FLEET_TOKEN);
    let wanted: Vec<&str> = of_trackers.chain(of_fleet).copied().collect();
    let (environment, warnings) =
        here.environment.with_tokens(&wanted).map_err(CliFailure::usage)?;
    for warning in warnings {
        output::warning(&warning);
    }
    let tokens = tokens(&environment, args.token_file)?;
    for warning in tokens.warnings() {
        output::warning(&warning);
    }
    let echoes = TrackerSettings::new(|name| environment.get(name)?.into_string().ok());
    let config = CoordinatorConfig {
        listen: args.listen,
        database: database(here, args.database)?,
        tokens,
        lease: args.lease,
        heartbeat: args.heartbeat,
        tls,
        insecure: args.insecure,
        rate: DEFAULT_RATE,
        keep: args.keep,
        run_doubted: args.after_restore == AfterRestore::Run,
        echoes: echoes.map(|echoes| echoes.allow(args.tracker_allow)),
    };
    output::log::start();
    aq_coordinator::run(config, |url| output::line(format_args!("listening on {url}")))?;
    Ok(CliExit::Done)
}

fn database(
    here: &CliContext,
    named: Option<DatabaseLocation>,
) -> Result<DatabaseLocation, CliFailure> {
    if let Some(named) = named {
        return Ok(named);
    }
    // Not an option of clap's: its errors repeat the value, which may hold a password.
    if let Some(text) = text_of(&here.environment, "AQ_DATABASE")? {
        return text.parse().map_err(|e| CliFailure::usage(format_args!("AQ_DATABASE: {e}")));
    }
    let dir = data_dir(here)?;
    let doing = format_args!("make {}", dir.display()).to_string();
    fs::create_dir_all(&dir).map_err(|e| CliFailure::io(doing, &e))?;
    Ok(DatabaseLocation::Sqlite(dir.join("coordinator.sqlite")))
}

/// The directory of this user's own data: `$XDG_DATA_HOME/aq`, else `~/.local/share/aq`.
fn data_dir(here: &CliContext) -> Result<PathBuf, CliFailure> {
    let data_home = here.environment.path("XDG_DATA_HOME").filter(|dir| dir.is_absolute());
    let data_home = data_home.or_else(|| Some(here.home()?.join(".local/share")));
    data_home.map(|dir| dir.join("aq")).ok_or_else(|| {
        CliFailure::usage("HOME is not set, so there is no data directory; use --database")
    })
}

fn tokens(
    environment: &ProcessEnvironment,
    file: Option<PathBuf>,
) -> Result<ApiTokens, CliFailure> {
    if let Some(file) = file {
        return ApiTokens::read(&file).map_err(CliFailure::usage);
    }
    let Some(token) = text_of(environment, FLEET_TOKEN)? else {
        return Err(CliFailure::usage(
            "no token: put one a line into a file for --token-file, or one into a file that \
             AQ_FLEET_TOKEN_FILE names, or into AQ_FLEET_TOKEN; `openssl rand -hex 32` makes one",
        ));
    };
    ApiTokens::parse(FLEET_TOKEN, &token).map_err(CliFailure::usage)
}

fn text_of(environment: &ProcessEnvironment, name: &str) -> Result<Option<String>, CliFailure> {
    let text = environment.get(name).map(OsString::into_string).transpose();
    let text = text.map_err(|_| CliFailure::usage(format_args!("{name} is not UTF-8")))?;
    Ok(text.filter(|text| !text.is_empty()))
}

impl From<ServeError> for CliFailure {
    fn from(error: ServeError) -> Self {
        let exit = match error {
            ServeError::Insecure { .. } => {
                return Self::usage(format_args!(
                    "{error}; --tls-cert and --tls-key do that, and --insecure goes without, where \
                     something else encrypts"
                ));
            }
            ServeError::Times { .. } | ServeError::Tls(_) => CliExit::Usage,
            _ => CliExit::Environment,
        };
        Self::new(exit, error)
    }
}
