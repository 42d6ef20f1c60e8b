//! Wakes whoever waits for changes of the store.

use tokio::sync::watch;

/// One for a coordinator. A beat that comes while somebody is busy is found afterwards; several are
/// found as one.
#[derive(Clone, Debug)]
pub(crate) struct ChangeNotifier(watch::Sender<()>);

impl ChangeNotifier {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn beat(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
