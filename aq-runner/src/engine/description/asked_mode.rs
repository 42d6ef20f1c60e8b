//! The permission mode that a command line asks for.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde::Deserialize;

/// Arguments that choose a permission mode.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct AskedMode {
    /// Options whose value is the mode, as the engine's output names it.
    options: Vec<String>,
    /// Arguments that mean a mode, and the mode.
    flags: BTreeMap<String, String>,
    /// Other names of modes in arguments, and the name in the output.
    names: BTreeMap<String, String>,
    /// Words for what can forbid the mode that was asked for.
    pub(in crate::engine) forbidden_by: Option<String>,
}

impl AskedMode {
    /// The mode that `args` ask for. With arguments of both kinds it is the program's to say which
    /// one wins.
    pub(in crate::engine) fn of(&self, args: &[OsString]) -> Option<String> {
        let (mut named, mut by_flag, mut is_value) = (None, None, false);
        for arg in args.iter().filter_map(|arg| arg.to_str()) {
            if std::mem::take(&mut is_value) {
                named = Some(arg);
            } else if self.options.iter().any(|option| option == arg) {
                is_value = true;
            } else if let Some((option, mode)) = arg.split_once('=')
                && self.options.iter().any(|known| known == option)
            {
                named = Some(mode);
            } else if let Some(mode) = self.flags.get(arg) {
                by_flag = Some(mode.as_str());
            }
        }
        let mode = if named.is_some() && by_flag.is_some() { None } else { named.or(by_flag) };
        mode.map(|mode| self.names.get(mode).map_or(mode, String::as_str).to_owned())
    }
}
