//! What the operating system says of this host, without starting a tool found on `PATH`.

use std::path::Path;
use std::time::Duration;

use super::probe;

/// `os:`, `arch:`, `cpus:` and `mem-gb:`; a number that the system does not know is left out.
pub(super) fn tokens() -> Vec<String> {
    let mut tokens = vec![
        format!("os:{}", std::env::consts::OS),
        // The build's architecture, so that arm64 is `aarch64` on every system.
        format!("arch:{}", std::env::consts::ARCH),
    ];
    if let Ok(cpus) = std::thread::available_parallelism() {
        tokens.push(format!("cpus:{cpus}"));
    }
    tokens.extend(memory_bytes().map(|bytes| format!("mem-gb:{}", round_to_gib(bytes))));
    tokens
}

/// To the nearest, because firmware keeps some: a machine sold with 16 has 15.6.
fn round_to_gib(bytes: u64) -> u64 {
    const GIB: u64 = 1 << 30;
    bytes / GIB + u64::from(bytes % GIB >= GIB / 2)
}

fn memory_bytes() -> Option<u64> {
    if cfg!(target_os = "macos") {
        let args = ["-n", "hw.memsize"].map(str::to_owned);
        let limit = Duration::from_secs(1);
        let text = probe::run(Path::new("/usr/sbin/sysctl"), &args, "".as_ref(), limit).ok()?;
        text.stdout.trim().parse().ok()
    } else {
        mem_total(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }
}

/// The line `MemTotal:  16315180 kB` of `/proc/meminfo`, in bytes.
fn mem_total(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_rounded() {
        let meminfo = "MemFree: 1 kB\nMemTotal:       16315180 kB\nBuffers: 2 kB\n";
        let bytes = mem_total(meminfo).unwrap();
        assert_eq!(bytes, 16_315_180 * 1024);
        assert_eq!(round_to_gib(bytes), 16);
        assert_eq!(round_to_gib((1 << 29) - 1), 0);
        assert_eq!(round_to_gib(1 << 29), 1);
        assert_eq!(round_to_gib(u64::MAX), 1 << 34);
        for bad in
            ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 5", "MemTotal: 99999999999999999999 kB"]
        {
            assert_eq!(mem_total(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_host_has_all_four() {
        let tokens = tokens();
        for key in ["os:", "arch:", "cpus:", "mem-gb:"] {
            assert_eq!(tokens.iter().filter(|token| token.starts_with(key)).count(), 1, "{key}");
        }
        assert!(tokens.contains(&format!("os:{}", std::env::consts::OS)));
    }
}
