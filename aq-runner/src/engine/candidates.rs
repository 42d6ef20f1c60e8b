//! Which engines a job may run on, in order.

use std::collections::BTreeMap;

use aq_manifest::nearest;

/// The classes and who is in them, in the order in which engines are tried.
pub(super) type Classes = BTreeMap<String, Vec<String>>;

/// There is no engine of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no engine {name:?}{}; known are {}. More can be described in config.yaml",
    meant(name, known),
    known.join(", ")
)]
pub struct NoSuchEngine {
    /// The name that was asked for.
    pub name: String,
    /// Every name there is.
    pub known: Vec<String>,
}

/// There is no engine class of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no engine class {name:?}{}; known are {}. More can be named in config.yaml",
    meant(name, known),
    known.join(", ")
)]
pub struct NoSuchClass {
    /// The name that was asked for.
    pub name: String,
    /// Every class there is.
    pub known: Vec<String>,
}

fn meant(name: &str, known: &[String]) -> String {
    let nearest = nearest(name, known.iter().map(String::as_str));
    nearest.map_or(String::new(), |meant| format!(" (did you mean {meant}?)"))
}

/// A job names an engine or a class that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCandidates {
    /// Its `engine`.
    #[error(transparent)]
    Engine(#[from] NoSuchEngine),
    /// Its `engine-class`.
    #[error(transparent)]
    Class(#[from] NoSuchClass),
}

/// The members of `class`, those in `prefers` first and in its order.
pub(super) fn of_class(
    classes: &Classes,
    class: &str,
    prefers: &[String],
) -> Result<Vec<String>, NoSuchClass> {
    let members = classes.get(class).ok_or_else(|| NoSuchClass {
        name: class.to_owned(),
        known: classes.keys().cloned().collect(),
    })?;
    let mut ordered: Vec<String> = Vec::with_capacity(members.len());
    for name in prefers.iter().filter(|name| members.contains(name)).chain(members) {
        if !ordered.contains(name) {
            ordered.push(name.clone());
        }
    }
    Ok(ordered)
}
