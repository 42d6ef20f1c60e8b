//! The trial of each part, in a process of its own that ends at once.

use std::fs;
use std::io::{self, Read, Write};

use crate::enter::{filter, mounts, namespaces, own_places, rights};
use crate::layers;
use crate::os::{in_fresh_process, landlock_abi, raise_loopback};
use crate::plan::HomeLayers;

use super::KernelFeatures;

/// Tries every part. To be called by a process of one thread.
pub(crate) fn try_kernel() -> KernelFeatures {
    KernelFeatures {
        namespaces: refusal(|| {
            namespaces::make(false)?;
            mounts::shut_everything()
        }),
        proc: refusal(|| {
            namespaces::make(false)?;
            // The process namespace is that of a child.
            let code = in_fresh_process(|| u8::from(own_places::mount_proc().is_err()))?;
            if code == 0 { Ok(()) } else { Err(io::Error::other("/proc cannot be mounted anew")) }
        }),
        network: refusal(|| {
            namespaces::make(true)?;
            raise_loopback()
        }),
        layers: refusal(try_layers),
        filter: refusal(|| {
            rights::give_up().map_err(io::Error::other)?;
            filter::apply(true).map(drop)
        }),
        landlock_abi: landlock_abi().unwrap_or(0),
    }
}

/// The system's words when a part is refused.
fn refusal(part: impl FnOnce() -> io::Result<()>) -> Option<String> {
    let tried = io::pipe().and_then(|(mut reader, mut writer)| {
        in_fresh_process(|| match part() {
            Ok(()) => 0,
            Err(error) => {
                let _ = writer.write_all(error.to_string().as_bytes());
                1
            }
        })
        .and_then(|code| {
            drop(writer);
            let mut words = String::new();
            reader.read_to_string(&mut words)?;
            Ok((code, words))
        })
    });
    match tried {
        Ok((0, _)) => None,
        Ok((_, words)) if words.is_empty() => Some("the trial was ended".to_owned()),
        Ok((_, words)) => Some(words),
        Err(error) => Some(error.to_string()),
    }
}

/// Puts a layer over a directory beside the temporary ones.
fn try_layers() -> io::Result<()> {
    let dir = std::env::temp_dir().join(format!("aq-try-{}", std::process::id()));
    let layers = HomeLayers { home: dir.join("home"), between: Vec::new(), top: dir.join("top") };
    fs::create_dir_all(&layers.home)?;
    let tried = namespaces::make(false).and_then(|()| layers::stack(&layers).map(drop));
    fs::remove_dir_all(&dir)?;
    tried
}
