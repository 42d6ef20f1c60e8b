//! Files that the agent's sparse rules have taken out of the checkout. They are not deleted: its git
//! says that they are unchanged. So they are put back before a checkpoint looks at what is there.

use std::os::unix::ffi::OsStrExt;

use super::super::checkout::Checkout;
use super::super::error::Result;
use super::super::files;
use super::super::wip::{Isolation, Wip};

const RULES: &str = "info/sparse-checkout";

impl Wip {
    /// Puts back what is gone and marked as skipped in the agent's index.
    pub(in super::super) fn restore_hidden(&self, checkout: &Checkout) -> Result<()> {
        let (Isolation::Own(place), Some(own)) = (&self.isolation, &checkout.own) else {
            return Ok(());
        };
        let rules = |dir: &std::path::Path| files::read_bytes(&dir.join(RULES)).ok().flatten();
        if rules(own.dir()) == rules(&place.control) {
            return Ok(());
        }
        let list = checkout.call(self.repo.git(), "ls-files").args(["-t", "-z"]);
        let list = list.env("GIT_INDEX_FILE", own.dir().join("index")).slow().output()?;
        // An index that cannot be read hides nothing.
        let skipped =
            list.stdout.split(|&byte| byte == 0).filter_map(|line| line.strip_prefix(b"S "));
        let is_gone = |path: &&[u8]| {
            let path = checkout.root.join(std::ffi::OsStr::from_bytes(path));
            path.symlink_metadata().is_err_and(|e| files::is_absent(&e))
        };
        let gone: Vec<&[u8]> = skipped.filter(is_gone).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let call =
            checkout.call(self.repo.git(), "checkout-index").args(["-q", "-u", "-z", "--stdin"]);
        // Some may not be in aq's index; the others are back all the same.
        call.text(&gone.join(&0))?.slow().output().map(drop)
    }
}
