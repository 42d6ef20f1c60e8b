//! Giving up the rights of an administrator, for this process and all that come of it.

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
    set_no_new_privs,
};

use super::{EnterError, Step};

/// Gives up every capability for good, also those that a program of root's would get.
pub(crate) fn give_up() -> Result<(), EnterError> {
    // These need a right themselves: who has none has nothing to give up.
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        let _ = remove_capability_from_bounding_set(one);
    }
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    let _ = set_capabilities_secure_bits(bits);
    let _ = clear_ambient_capability_set();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).step(|| "give up capabilities".to_owned())?;
    set_no_new_privs(true).step(|| "refuse new rights".to_owned())
}
