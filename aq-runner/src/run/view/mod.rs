//! What people see of a queue: its jobs, their attempts and steps, who waits for whom, and numbers.

pub(crate) mod attempts;
pub(crate) mod builds_on;
pub(crate) mod dependencies;
mod explained;
pub(crate) mod history;
pub(crate) mod job_view;
pub(crate) mod overview;
mod read_jobs;
pub(crate) mod shadow_report;
mod single_look;
pub(crate) mod steps;
pub(crate) mod taken_at_word;
pub(crate) mod tracker_view;
mod train_places;
