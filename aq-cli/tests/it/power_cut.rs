//! A power cut undoes what was not synced: bytes that the disk has not seen, a name that its
//! directory has not, a name that was taken away. Here the system calls of a command are followed
//! on a model of a disk ([`disk`]); after each of them the queue is put together as a power cut
//! might leave it ([`cuts`], [`replay`]), aq recovers it and drains it, and what the command has
//! promised has to be kept then.

use crate::injection::can_trace;

mod added;
mod calls;
mod cuts;
mod disk;
mod merged;
mod moved;
mod replay;
mod reply;
mod run;
mod train;
