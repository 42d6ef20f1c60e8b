//! Taking secrets out of the environment that this process was started with.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::os;

/// A variable and its value.
type Variable = (OsString, OsString);

/// Takes the variables whose name `is_secret` accepts out of this process: its children inherit
/// none of them, and whoever looks at it from outside (`ps e`, `/proc/PID/environ`) finds no value.
///
/// To be called first thing in `main`, while there is one thread. Where nothing is to be taken it
/// makes no system call.
///
/// # Panics
/// When there is a secret to take and other threads run already.
pub fn take_secrets(is_secret: impl Fn(&[u8]) -> bool) -> Vec<Variable> {
    if !std::env::vars_os().any(|(name, _)| is_secret(name.as_bytes())) {
        return Vec::new();
    }
    assert!(os::is_single_threaded(), "secrets are taken before the first thread is started");
    let taken = overwrite(&is_secret);
    for (name, _) in &taken {
        #[expect(unsafe_code, reason = "the safe way is gone since other threads may read")]
        // SAFETY: there is no other thread.
        unsafe {
            std::env::remove_var(name);
        }
    }
    taken
}

/// Reads the secrets, and leaves zeros where their values were.
fn overwrite(is_secret: &dyn Fn(&[u8]) -> bool) -> Vec<Variable> {
    let mut taken = Vec::new();
    #[expect(unsafe_code, reason = "only the block itself has the bytes that others see")]
    // SAFETY: the list and its texts are those of the C library, which ends the list by a null
    // pointer and each text by NUL. Nobody else reads or changes them: there is one thread, and the
    // name and the value are copied before anything is written. The texts can be written: they are
    // on the stack, where the system put them, or on the heap, where `setenv` did.
    unsafe {
        let mut entry = os::environment_list();
        while !entry.is_null() && !(*entry).is_null() {
            let text: *mut c_char = *entry;
            let bytes = CStr::from_ptr(text).to_bytes();
            let parts = split(bytes).filter(|(name, _)| is_secret(name));
            if let Some((name, value)) = parts {
                let (start, length) = (name.len() + 1, value.len());
                taken
                    .push((OsStr::from_bytes(name).to_owned(), OsString::from_vec(value.to_vec())));
                for at in start..start + length {
                    // Volatile: nothing reads it again, so that it could be left out otherwise.
                    text.add(at).write_volatile(0);
                }
            }
            entry = entry.add(1);
        }
    }
    taken
}

/// Name and value of an entry.
fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = entry.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    Some((&entry[..at], &entry[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_where_nothing_is_secret() {
        assert_eq!(take_secrets(|_| false), []);
    }

    #[test]
    fn an_entry_has_a_name() {
        assert_eq!(split(b"A=b=c"), Some((&b"A"[..], &b"b=c"[..])));
        assert_eq!(split(b"A="), Some((&b"A"[..], &b""[..])));
        assert_eq!((split(b"=b"), split(b"A")), (None, None));
    }
}
