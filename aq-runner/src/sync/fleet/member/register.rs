//! Registering, with what this host has ended.

use aq_fleet::client::CallError;
use aq_fleet::protocol::{EndedFleetJob, InstanceId, RegisterRequest, RegisterResponse};

use super::MemberThreads;

impl MemberThreads {
    /// Registers, and says what this host has ended that the database does not know: all of it,
    /// when it is an older one.
    pub(super) fn register(&self, instance: &InstanceId) -> Result<(), CallError> {
        let mut ended = Vec::new();
        loop {
            let said = ended.last().map(|ended: &EndedFleetJob| ended.n);
            let registered = self.register_with(instance, ended)?;
            let Some(database) = &registered.database else { return Ok(()) };
            self.settings.ended.follow(database);
            ended = self.settings.ended.after(database, registered.ended);
            // One that takes nothing is not asked again and again.
            if ended.is_empty() || said.is_some_and(|said| registered.ended < said) {
                return Ok(());
            }
        }
    }

    fn register_with(
        &self,
        instance: &InstanceId,
        ended: Vec<EndedFleetJob>,
    ) -> Result<RegisterResponse, CallError> {
        let register = RegisterRequest {
            host: self.settings.host.clone(),
            capabilities: self.settings.capabilities.clone(),
            capacity: self.settings.capacity,
            version: self.settings.version.clone(),
            instance_id: instance.clone(),
            ended,
        };
        let registered = self.client.register(&self.settings.factory, &register)?.value;
        let mut state = self.shared.lock();
        (state.registered, state.register_again) = (Some(registered.clone()), false);
        self.shared.changed.notify_all();
        Ok(registered)
    }
}
