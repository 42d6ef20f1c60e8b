//! Git LFS: a commit has *pointers*, small texts in the place of large files, and the contents are
//! in a store beside the repository. What aq commits gets into the user's store by his filters; what
//! the agent commits gets into that of the job's repository, and is copied from there without
//! git-lfs. git-lfs runs to exchange contents with a remote.

mod bring;
mod exchange;
mod pointer;
mod scan;
mod store;

pub(super) use exchange::fetch_contents;
