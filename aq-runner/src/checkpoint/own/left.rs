//! What an agent leaves in its own repository that is not on the job's branch: other branches,
//! stashes, tags. It counts when a commit of it is nowhere else.

use std::collections::BTreeMap;

use super::super::checkout::JobCheckout;
use super::super::error::Result;
use super::super::left::LeftOut;
use super::super::repository::CommitId;
use super::super::wip::{JobBranch, WorkIsolation};
use super::bring::borrowed_from;
use super::refs::{OwnRepository, parse_packed};

const STASH: &str = "refs/stash";
/// So many refs are looked at and named; of more it is said that there are more.
const MOST: usize = 20;
/// So many of the remotes' branches are known to have commits.
const MOST_FETCHED: usize = 2000;

impl JobBranch {
    /// Names the refs whose commits are in no ref of the user's repository, nor of a remote.
    pub(in super::super) fn left_in_own(
        &self,
        checkout: &JobCheckout,
        tip: &CommitId,
    ) -> Result<Vec<LeftOut>> {
        let (WorkIsolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) else {
            return Ok(Vec::new());
        };
        let given = parse_packed(&place.given_refs()?);
        let refs = own.refs()?;
        let branch = self.branch_ref();
        let is_new = |(name, commit): &(&String, &CommitId)| {
            **name != branch
                && !name.starts_with("refs/remotes/")
                && *commit != tip
                && given.get(*name) != Some(commit)
        };
        let new: Vec<(&String, &CommitId)> = refs.iter().filter(is_new).collect();
        let mut left = Vec::new();
        for (name, commit) in new.iter().take(MOST) {
            let words = match self.commits_beyond(own, &refs, commit, tip) {
                Ok(0) => continue,
                // Git makes up to three commits of it.
                Ok(_) if *name == STASH => "what was stashed is".to_owned(),
                Ok(1) => "one commit is".to_owned(),
                Ok(count) => format!("{count} commits are"),
                Err(e) => format!("something that git cannot read ({e}) is"),
            };
            left.push(LeftOut::new(shown(name), format!("{words} not on the job's branch")));
        }
        if new.len() > MOST {
            let rest = format!("{} more were not looked at", new.len() - MOST);
            left.push(LeftOut::new("branches and tags", rest));
        }
        left.extend(self.left_in_replaced(place)?);
        Ok(left)
    }

    /// The number of commits that only this ref of the agent's leads to.
    fn commits_beyond(
        &self,
        own: &OwnRepository,
        refs: &BTreeMap<String, CommitId>,
        commit: &CommitId,
        tip: &CommitId,
    ) -> Result<u64> {
        let fetched = refs.iter().filter(|(name, _)| name.starts_with("refs/remotes/"));
        let fetched = fetched.map(|(_, commit)| format!("^{commit}")).take(MOST_FETCHED);
        let call = self.repo.call("rev-list").args(["--count", "--ignore-missing"]);
        let call = call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(&own.objects()));
        let call = call.args([commit.to_string(), format!("^{tip}")]).args(fetched);
        Ok(call.args(["--not", "--all"]).slow().line()?.parse().unwrap_or(1))
    }
}

fn shown(name: &str) -> String {
    if name == STASH {
        return "stash".to_owned();
    }
    let kinds = [("refs/heads/", "branch"), ("refs/tags/", "tag")];
    let of_kind = kinds.iter().find_map(|(prefix, kind)| Some((kind, name.strip_prefix(prefix)?)));
    of_kind.map_or_else(|| name.to_owned(), |(kind, name)| format!("{kind} {name}"))
}
