//! What people see of a queue: its jobs, their attempts and steps, who waits for whom, and numbers.

pub(crate) mod attempts;
pub(crate) mod dependencies;
pub(crate) mod history;
pub(crate) mod job_view;
pub(crate) mod overview;
pub(crate) mod shadow_report;
pub(crate) mod steps;
pub(crate) mod taken_at_word;
pub(crate) mod tracker_view;
mod train_places;
