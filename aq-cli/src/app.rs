//! Arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;

use aq_runner::run::ProcessEnvironment;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::commands::{self, CliCommand, hints};
use crate::exit::{CliExit, Outcome};
use crate::output;

/// Run coding agents unattended: a job is one Markdown file, its state is the folder it lies in.
#[derive(Debug, Parser)]
#[command(name = "aq", version, color = ColorChoice::Auto, max_term_width = 100)]
#[command(
    after_help = concat!(
        "A first look:  aq demo\n",
        "A first job:   aq add fix-login.md && aq run --once && aq status",
    )
)]
struct CommandLine {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: CliCommand,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
struct GlobalOptions {
    /// The queue's directory [env: AQ_QUEUE] [default: the repository's or project's: `aq path`]
    #[arg(long, global = true, value_name = "DIR")]
    queue: Option<PathBuf>,
}

/// The verbs by what they are for, and what a first user needs on top.
const GROUPS: [(&str, &[&str]); 7] = [
    ("First steps", &["demo", "init", "add", "run", "status", "why", "logs", "diff"]),
    ("Deciding", &["promote", "ship", "reject", "reply", "requeue", "stop", "to-tracker"]),
    ("Jobs that wait", &["hold", "release", "set", "edit", "prompt"]),
    ("Putting jobs in", &["check", "from-tracker", "schema"]),
    ("The queue", &["path", "trust", "insights", "dashboard", "clean", "recover", "service"]),
    ("This host", &["doctor", "engines", "profiles", "caps", "sandbox"]),
    ("Many hosts", &["submit", "fleet-status", "fleet", "fleet-shadow-report", "coordinator"]),
];

/// The heading of verbs that are in no group.
const OTHERS: &str = "The rest";

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    // A box is entered by a process of one thread, which becomes the command's.
    if let Some(code) = aq_sandbox::enter_if_asked(std::env::args_os()) {
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    // A worker starts once a job: it is kept away from everything that it does not need.
    if let Some(code) = commands::worker::run_if_asked() {
        return code;
    }
    // Before anything that could start a program or a thread.
    let environment = ProcessEnvironment::take();
    commands::complete_if_asked(CommandLine::command);
    let mut parser = CommandLine::command();
    // Most commands print no page, and need none made.
    let words = words();
    if words.is_empty() || words.iter().any(|word| ["-h", "--help", "help"].contains(&&**word)) {
        parser = in_groups(parser);
    }
    let parsed = parser.try_get_matches_from_mut(std::env::args_os());
    let parsed = parsed.and_then(|matches| CommandLine::from_arg_matches(&matches));
    let CommandLine { global, command } = match parsed {
        Ok(arguments) => arguments,
        Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
            output::warning(&in_groups(parser).render_help().ansi().to_string());
            return CliExit::Usage.into();
        }
        Err(error) => return refuse(error.format(&mut parser), &parser),
    };
    end(commands::run(global.queue, command, CommandLine::command, environment))
}

/// The page of `aq --help`, with the verbs in groups.
fn in_groups(parser: clap::Command) -> clap::Command {
    let about = |name: &str| {
        let verb = parser.get_subcommands().find(|verb| verb.get_name() == name)?;
        let about = verb.get_about()?.to_string();
        let first = about.split(". ").next().unwrap_or_default();
        Some(format!("  {name:<20} {first}\n"))
    };
    let mut text = String::new();
    for (title, verbs) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        text.extend(verbs.iter().filter_map(|name| about(name)));
        text.push('\n');
    }
    let is_listed = |name: &str| GROUPS.iter().any(|(_, verbs)| verbs.contains(&name));
    let verbs = parser.get_subcommands().filter(|verb| !verb.is_hide_set());
    let others = verbs.map(clap::Command::get_name).filter(|name| !is_listed(name));
    text.push_str(&format!("{OTHERS}:\n"));
    text.extend(others.filter_map(about));
    text.push_str("  help                 Print this page, or that of a verb\n");
    // Braces are the template's own.
    let text = text.replace(['{', '}'], "");
    parser.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{text}\n\
         Options:\n{{options}}{{after-help}}"
    ))
}

/// Says what is wrong with the arguments, and what was probably meant.
fn refuse(mut error: clap::Error, parser: &clap::Command) -> ExitCode {
    let hint = hint(&error, parser);
    if hint.is_some() {
        // The advice would be to pass the flag as a file's name.
        let _ = error.remove(ContextKind::Suggested);
    }
    if error.kind() == ErrorKind::InvalidSubcommand {
        // The parser would name any verb that looks alike, also one that ends or ships a job.
        let _ = error.remove(ContextKind::SuggestedSubcommand);
        let _ = error.remove(ContextKind::Suggested);
    }
    let printed = error.print();
    if error.use_stderr() {
        if let Some(hint) = hint {
            output::warning(&format!("\nhint: {}", output::style::plain(&hint)));
        }
        return CliExit::Usage.into();
    }
    output::note_written(printed);
    end(Ok(CliExit::Done))
}

fn hint(error: &clap::Error, parser: &clap::Command) -> Option<String> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let verbs: Vec<&str> = parser.get_subcommands().map(clap::Command::get_name).collect();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = said(ContextKind::InvalidSubcommand)?;
            if words().iter().any(|word| word == "fleet") {
                return hints::fleet_verb(typed).map(str::to_owned);
            }
            hints::verb(typed, &verbs)
        }
        ErrorKind::UnknownArgument => {
            let words = words();
            let verb = words.iter().find(|word| verbs.contains(&word.as_str()))?;
            hints::flag(verb, said(ContextKind::InvalidArg)?)
        }
        ErrorKind::ValueValidation => {
            let problem = std::error::Error::source(error)?.to_string();
            hints::number(&problem).map(str::to_owned)
        }
        ErrorKind::MissingRequiredArgument => {
            let words = words();
            hints::missing(words.iter().find(|word| verbs.contains(&word.as_str()))?)
        }
        _ => None,
    }
}

/// The command line.
fn words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn end(outcome: Outcome) -> ExitCode {
    match outcome.and_then(|exit| output::unwritten().map_or(Ok(exit), Err)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output::error(&failure);
            failure.exit.into()
        }
    }
}
