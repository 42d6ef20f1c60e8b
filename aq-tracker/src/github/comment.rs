//! The one comment of an issue that is ours: it is edited, not followed by others.

use serde_json::json;

use crate::error::TrackerError;
use crate::item_id::ItemId;
use crate::transport::{TrackerMethod, TrackerRequest, TrackerTransport};

use super::wire::{self, CommentAuthor, IssueComment};
use super::{GitHub, MAX_PAGES, PAGE};

/// The ending of our comment; nobody sees it.
const MARK: &str = "<!-- aq -->";

impl<T: TrackerTransport> GitHub<T> {
    /// Writes the comment: into the one that is `known`, else into one of this token's user that
    /// has the mark, else a new one. Answers its number.
    pub(super) fn comment(
        &self,
        id: &ItemId,
        issue: &str,
        text: &str,
        known: Option<&str>,
    ) -> Result<String, TrackerError> {
        let body = json!({ "body": format!("{text}\n\n{MARK}") });
        let repository = issue.split_once("/issues/").map_or("", |(repository, _)| repository);
        let known: Option<u64> = known.and_then(|number| number.parse().ok());
        let ours = match known {
            Some(number) => Some(number),
            None => self.ours(id, issue)?,
        };
        if let Some(number) = ours {
            let path = format!("{repository}/issues/comments/{number}");
            let edit = TrackerRequest::with(TrackerMethod::Patch, path, body.clone());
            match self.ask(&id.to_string(), &edit) {
                Ok(_) => return Ok(number.to_string()),
                // Somebody has deleted it.
                Err(TrackerError::NotFound { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        let new = TrackerRequest::with(TrackerMethod::Post, format!("{issue}/comments"), body);
        let made: IssueComment = wire::read(&self.ask(&id.to_string(), &new)?)?;
        Ok(made.id.to_string())
    }

    /// Our comment on an issue. Whoever can comment can write the mark, so the writer is looked at,
    /// too; where our own name is unknown, there is none.
    fn ours(&self, id: &ItemId, issue: &str) -> Result<Option<u64>, TrackerError> {
        let me: CommentAuthor = match self.ask("its user", &TrackerRequest::get("/user".to_owned()))
        {
            Ok(answer) => wire::read(&answer)?,
            Err(TrackerError::Forbidden { .. } | TrackerError::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut path = Some(format!("{issue}/comments?per_page={PAGE}"));
        let mut pages = 0;
        while let Some(page) = path.take().filter(|_| pages < MAX_PAGES) {
            pages += 1;
            let answer = self.ask(&id.to_string(), &TrackerRequest::get(page))?;
            let comments: Vec<IssueComment> = wire::read(&answer)?;
            let ours = |comment: &&IssueComment| {
                let by_me = comment.user.as_ref().is_some_and(|user| user.id == me.id);
                by_me && comment.body.as_deref().is_some_and(|body| body.trim_end().ends_with(MARK))
            };
            if let Some(comment) = comments.iter().find(ours) {
                return Ok(Some(comment.id));
            }
            path = self.next_page(&answer)?;
        }
        Ok(None)
    }
}
