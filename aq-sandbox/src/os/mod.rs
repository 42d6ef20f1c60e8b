//! System calls that no crate here has a safe form of. The one folder of this crate that may use
//! `unsafe`.

mod calls;
mod filter;
mod notices;

pub use calls::end_by;
pub(crate) use calls::{
    Fork, exit_now, fork, in_fresh_process, landlock_abi, raise_loopback, set_mount_flags, unshare,
};
pub(crate) use filter::{FilterRule, install_filter};
pub(crate) use notices::{SystemCall, answer, hasten, next_call, read_memory};
