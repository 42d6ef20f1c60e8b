//! The hosts of a queue: adding, removing and changing them.

use aq_caps::Capabilities;

use crate::host::HostEntry;
use crate::{EngineState, HostId, HostLack, HostLimits, JobQueue, QueueError, SchedulerHost};

impl JobQueue {
    /// Adds a host. Jobs that run on it are inserted after it.
    pub fn add_host(&mut self, host: SchedulerHost) -> HostId {
        let id = HostId(self.next_host);
        self.next_host += 1;
        let mut entry = HostEntry::new(host.capabilities, host.limits, host.misfits);
        for (name, state) in host.engines {
            entry.set_engine(self.classes.engine(&name), state);
        }
        self.hosts.insert(id, entry);
        id
    }

    /// Takes a host out. Jobs that run on it stay running until the caller says what became of
    /// them.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn remove_host(&mut self, host: HostId) -> Result<(), QueueError> {
        self.hosts.remove(&host).map(drop).ok_or(QueueError::UnknownHost(host))
    }

    /// Says what became of a host's engine.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn set_engine(
        &mut self,
        host: HostId,
        engine: &str,
        state: EngineState,
    ) -> Result<(), QueueError> {
        let engine = self.classes.engine(engine);
        self.host_mut(host)?.set_engine(engine, state);
        Ok(())
    }

    /// Changes how much a host takes on. What runs already goes on.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn set_limits(&mut self, host: HostId, limits: HostLimits) -> Result<(), QueueError> {
        self.host_mut(host)?.limits = limits;
        Ok(())
    }

    /// Says what keeps a host from starting anything, or that nothing does.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn set_lack(&mut self, host: HostId, lack: Option<HostLack>) -> Result<(), QueueError> {
        self.host_mut(host)?.lack = lack;
        Ok(())
    }

    /// Changes what a host has.
    ///
    /// # Errors
    /// [`QueueError::UnknownHost`].
    pub fn set_capabilities(
        &mut self,
        host: HostId,
        capabilities: Capabilities,
    ) -> Result<(), QueueError> {
        self.host_mut(host)?.set_capabilities(capabilities);
        Ok(())
    }

    pub(crate) fn host_mut(&mut self, host: HostId) -> Result<&mut HostEntry, QueueError> {
        self.hosts.get_mut(&host).ok_or(QueueError::UnknownHost(host))
    }
}
