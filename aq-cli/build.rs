//! Puts the files of `examples/quickstart` into the binary, for `aq demo`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let quickstart = root.join("../examples/quickstart");
    println!("cargo::rerun-if-changed={}", quickstart.display());
    let mut code = String::new();
    list(&mut code, "JOBS", &quickstart.join("jobs"))?;
    list(&mut code, "PROFILES", &quickstart.join("profiles"))?;
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("quickstart.rs"), code)
}

/// Writes a constant with the name and the text of each file in a folder.
fn list(code: &mut String, name: &str, dir: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    // Writing to a `String` cannot fail.
    let _ = writeln!(code, "pub(super) const {name}: &[(&str, &str)] = &[");
    for file in files {
        let stem = file.file_name().unwrap_or_default();
        let _ = writeln!(code, "    ({stem:?}, include_str!({file:?})),");
    }
    code.push_str("];\n");
    Ok(())
}
