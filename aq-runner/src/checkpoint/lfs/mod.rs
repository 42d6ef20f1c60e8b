//! Git LFS: a commit has *pointers*, small texts in the place of large files, and the contents are
//! in a store beside the repository. Contents of what aq commits get into the user's store by his
//! filters; those of what the agent commits get into the store of the job's repository, and are
//! copied from there without git-lfs. git-lfs runs to exchange contents with a remote.

mod bring;
mod exchange;
mod pointer;
mod scan;
mod store;

pub(super) use exchange::fetch_contents;
