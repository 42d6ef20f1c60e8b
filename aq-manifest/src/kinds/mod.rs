//! Reading, checks and descriptions of values: one type for each kind of value.

mod budget;
mod environment;
mod expect;
mod kind;
mod list;
mod lock;
mod retry;
mod scalar;
mod start_point;
mod text;

pub(crate) use budget::BudgetKind;
pub(crate) use environment::EnvironmentKind;
pub use environment::env_reference;
pub(crate) use expect::LeftoversKind;
pub(crate) use kind::ValueKind;
pub(crate) use list::{ListOf, OneOrMore};
pub(crate) use lock::LockKind;
pub(crate) use retry::RetryRule;
pub(crate) use scalar::{BoolKind, ChoiceOf, PauseKind, WholeKind};
pub(crate) use start_point::StartPoint;
pub(crate) use text::{
    BranchKind, CommandKind, GlobKind, LabelKind, LineKind, NameKind, ProfileName, RequirementKind,
    TextKind,
};
