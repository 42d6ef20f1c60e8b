//! Formats of an engine's output.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::description::OutputDescription;

/// Description of an output, with its name.
#[derive(Clone)]
pub(super) struct OutputFormat(Arc<NamedOutput>);

struct NamedOutput {
    name: String,
    output: OutputDescription,
}

impl OutputFormat {
    /// A description under a name, as in `no jsonl-codex records`.
    pub(super) fn new(name: &str, output: OutputDescription) -> Self {
        Self(Arc::new(NamedOutput { name: name.to_owned(), output }))
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }
}

impl Deref for OutputFormat {
    type Target = OutputDescription;

    fn deref(&self) -> &OutputDescription {
        &self.0.output
    }
}

impl fmt::Debug for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
