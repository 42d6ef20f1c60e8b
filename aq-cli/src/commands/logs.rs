//! `aq logs`

mod step_reader;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use aq_runner::run::is_at_work;
use aq_runner::store::{JobRecord, QueueDir, archived_log, log_file};

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use step_reader::StepReader;

/// Interval between looks at a followed log.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq logs fix-login\n",
        "           aq logs -f fix-login\n",
        "           aq logs --raw fix-login | grep '^--- aq'",
    )
)]
pub(crate) struct LogsArgs {
    /// The job
    #[arg(add = super::completions::jobs())]
    job: String,
    /// Go on while the job runs
    #[arg(long, short)]
    follow: bool,
    /// Only the last N lines
    #[arg(long, short = 'n', value_name = "N")]
    tail: Option<usize>,
    /// Show the agent's output as it is, in place of the steps that are read out of it
    #[arg(long)]
    raw: bool,
}

pub(crate) fn run(here: &CliContext, args: &LogsArgs) -> Outcome {
    let queue = here.queue()?;
    let id = job_id(&args.job)?;
    queue.expect(&id)?;
    let path = queue.log(&id);
    let failed = |e: io::Error| CliFailure::io(format_args!("read {}", path.display()), &e);
    let mut reader: Option<LogReader> = None;
    loop {
        // Asked before reading, so that what is written until its end is still shown.
        let more = args.follow && will_write(&queue, &id);
        match log_file(&queue, &id)? {
            Some((mut file, size)) => {
                // Which engine prints is on record when it does.
                if reader.is_none() && (size > 0 || !more) {
                    reader = Some(LogReader::new(here, &queue, &id, args)?);
                }
                if let Some(reader) = &mut reader {
                    reader.show(&mut file, more).map_err(failed)?;
                }
            }
            None if more => {}
            None => match archived_log(&queue, &id)? {
                Some(archived) => {
                    let at = archived.display();
                    let said = format_args!("`aq clean` has put the log of {id} away, to {at}");
                    return Err(CliFailure::new(CliExit::Refused, said));
                }
                None => output::warning(&format!("{id} has printed nothing yet")),
            },
        }
        if !more {
            return Ok(CliExit::Done);
        }
        std::thread::sleep(LOOK);
    }
}

/// The form in which a log is shown.
enum LogReader {
    /// As it is, from this byte on.
    Raw { offset: u64, tail: Option<usize> },
    /// As the steps of its agents.
    Steps(Box<StepReader>),
}

impl LogReader {
    fn new(
        here: &CliContext,
        queue: &QueueDir,
        id: &JobId,
        args: &LogsArgs,
    ) -> Result<Self, CliFailure> {
        let raw = Self::Raw { offset: 0, tail: args.tail };
        if args.raw {
            return Ok(raw);
        }
        let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
        let engine =
            record.meta.get(RecordKey::Engine).or_else(|| record.meta.get(RecordKey::EngineWanted));
        // Settings with an error are no reason to show no log.
        let settings = here.settings_or_last(queue).ok().map(|(settings, _)| settings);
        Ok(match (engine, settings) {
            (Some(engine), Some(settings)) if settings.engines.has_steps(engine) => {
                Self::Steps(Box::new(StepReader::new(settings, engine.to_owned(), args.tail)))
            }
            _ => raw,
        })
    }

    /// Shows what is new. `more`: more may come.
    fn show(&mut self, file: &mut File, more: bool) -> io::Result<()> {
        match self {
            Self::Steps(reader) => reader.show(file, more),
            Self::Raw { offset, tail } => {
                if let Some(lines) = tail.take() {
                    *offset = start_of_last(file, lines)?;
                }
                *offset = show(file, *offset, &mut output::ScreenText::new())?;
                Ok(())
            }
        }
    }
}

fn will_write(queue: &QueueDir, id: &JobId) -> bool {
    queue.find(id).is_some_and(|stage| stage == Stage::Inbox || is_at_work(queue, id))
}

fn show(file: &mut File, offset: u64, screen: &mut output::ScreenText) -> io::Result<u64> {
    // A shorter file is another one: it was put away, and the job runs again.
    let start = if file.metadata()?.len() < offset { 0 } else { offset };
    each_piece(file, start, &mut |piece| {
        screen.write_all(piece)?;
        screen.flush()
    })
}

/// Reads a file from a byte on. Answers where it ends.
fn each_piece(
    file: &mut File,
    start: u64,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    file.seek(SeekFrom::Start(start))?;
    let mut chunk = vec![0; 64 << 10];
    let mut at = start;
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(at);
        }
        take(&chunk[..n])?;
        at += n as u64;
    }
}

/// The offset from which the last lines start, read backwards in pieces.
fn start_of_last(file: &mut File, lines: usize) -> io::Result<u64> {
    const PIECE: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    let mut left = lines + 1;
    let mut piece = Vec::new();
    let mut is_last_byte = true;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        file.take(end - start).read_to_end(&mut piece)?;
        for (at, &byte) in piece.iter().enumerate().rev() {
            // The newline that ends the file starts no further line.
            if byte == b'\n' && !is_last_byte {
                left -= 1;
                if left <= 1 {
                    return Ok(start + at as u64 + 1);
                }
            }
            is_last_byte = false;
        }
        end = start;
    }
    Ok(0)
}
