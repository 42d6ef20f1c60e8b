//! `aq edit`

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aq_manifest::{JobId, Stage};
use aq_runner::run;
use aq_runner::store::{QueueDir, StoreError, read_text};

use super::CliContext;
use super::cli_context::job_id;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:  EDITOR=nano aq edit fix-login")]
pub(crate) struct EditArgs {
    /// The job
    #[arg(add = super::completions::jobs_in(&[Stage::Inbox]))]
    job: String,
}

pub(crate) fn run(here: &CliContext, args: &EditArgs) -> Outcome {
    let queue = here.trusted_queue()?;
    let id = job_id(&args.job)?;
    let at = queue.expect(&id)?;
    if at != Stage::Inbox {
        return Err(
            StoreError::WrongStage { id, at, verb: "edit", needs: "inbox/".to_owned() }.into()
        );
    }
    let name = queue.job_file(Stage::Inbox, &id);
    let unreadable = |e| CliFailure::usage(format_args!("cannot read {}: {e}", name.display()));
    let before = queue.read_job(Stage::Inbox, &id).map_err(unreadable)?;
    let draft = EditDraft::open(&queue, &id, &before)?;
    edit(here, &draft.path)?;
    let text = draft.read()?;
    if text == before {
        draft.remove();
        output::line(format_args!("{id} is not changed"));
        return Ok(CliExit::Done);
    }
    let colour = output::errors_in_colour();
    let changed = run::replace_text(&queue, &here.environment, &id, &before, &text, colour);
    match changed.map_err(CliFailure::from) {
        Ok(warnings) => {
            if !warnings.is_empty() {
                output::warning(&warnings);
            }
            draft.remove();
            output::line(format_args!("{id} is changed"));
            Ok(CliExit::Done)
        }
        Err(failure) => {
            output::error(&failure);
            let words = format!(
                "{id} is as it was; your text is in {}, and `aq edit {id}` goes on with it",
                draft.path.display()
            );
            Err(CliFailure::new(failure.exit, words))
        }
    }
}

/// The text that is edited, in a file of the queue, so that nothing of it is lost.
struct EditDraft {
    path: PathBuf,
}

impl EditDraft {
    /// Makes the file, or takes up the one of an edit that was not taken.
    fn open(queue: &QueueDir, id: &JobId, text: &str) -> Result<Self, CliFailure> {
        let path = queue.state().join(format!("tmp/.edit-{id}.md"));
        let mut options = fs::OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => fs::write(&path, text),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                output::warning(&format!("goes on with your last text of {id}"));
                Ok(())
            }
            Err(e) => Err(e),
        }
        .map_err(|e| CliFailure::io(format_args!("write {}", path.display()), &e))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<String, CliFailure> {
        let shown = self.path.display();
        read_text(&self.path).map_err(|e| {
            CliFailure::usage(format_args!("your text in {shown} cannot be used: {e}"))
        })
    }

    fn remove(&self) {
        // One that stays is offered again, which harms nobody.
        let _ = fs::remove_file(&self.path);
    }
}

/// Lets the user edit a file.
fn edit(here: &CliContext, path: &Path) -> Result<(), CliFailure> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| here.environment.get(name));
    let editor = named.into_iter().find(|value| !value.is_empty());
    let editor = editor.unwrap_or_else(|| OsString::from("vi"));
    let mut script = editor.clone();
    script.push(" \"$1\"");
    let shown = editor.display();
    let ended = Command::new("/bin/sh").arg("-c").arg(script).arg("aq").arg(path).status();
    let ended = ended.map_err(|e| CliFailure::io(format_args!("start the editor {shown}"), &e))?;
    if ended.success() {
        return Ok(());
    }
    let words = format_args!(
        "the editor {shown} ended with {ended}; the job is as it was, your text is in {}",
        path.display()
    );
    Err(CliFailure::new(CliExit::Environment, words))
}
