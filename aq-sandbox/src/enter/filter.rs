//! The filter of system calls.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::namespaces::NAMESPACE_FLAGS;
use super::path_calls::{OPENING, PATH_CALLS};
use crate::os::{FilterRule, install_filter};

/// Calls that no agent needs and that reach beyond a box, or into parts of the kernel that are
/// often wrong.
const REFUSED: [(c_long, &str); 51] = [
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_process_madvise, "process_madvise"),
    (libc::SYS_process_mrelease, "process_mrelease"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    (libc::SYS_kcmp, "kcmp"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_open_tree, "open_tree"),
    (libc::SYS_fsopen, "fsopen"),
    (libc::SYS_fsconfig, "fsconfig"),
    (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_fspick, "fspick"),
    (libc::SYS_mount_setattr, "mount_setattr"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at"),
    (libc::SYS_keyctl, "keyctl"),
    (libc::SYS_add_key, "add_key"),
    (libc::SYS_request_key, "request_key"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
    (libc::SYS_io_uring_register, "io_uring_register"),
    (libc::SYS_kexec_load, "kexec_load"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_delete_module, "delete_module"),
    (libc::SYS_swapon, "swapon"),
    (libc::SYS_swapoff, "swapoff"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_acct, "acct"),
    (libc::SYS_quotactl, "quotactl"),
    (libc::SYS_quotactl_fd, "quotactl_fd"),
    (libc::SYS_settimeofday, "settimeofday"),
    (libc::SYS_clock_settime, "clock_settime"),
    (libc::SYS_sethostname, "sethostname"),
    (libc::SYS_setdomainname, "setdomainname"),
    (libc::SYS_fanotify_init, "fanotify_init"),
    (libc::SYS_syslog, "syslog"),
    (libc::SYS_vhangup, "vhangup"),
    (libc::SYS_lookup_dcookie, "lookup_dcookie"),
    (libc::SYS_nfsservctl, "nfsservctl"),
    (libc::SYS_migrate_pages, "migrate_pages"),
    (libc::SYS_move_pages, "move_pages"),
    (libc::SYS_unshare, "unshare"),
];

/// Calls that are refused with some arguments only.
const REFUSED_AT_TIMES: [(c_long, &str); 2] =
    [(libc::SYS_clone, "clone"), (libc::SYS_ioctl, "ioctl")];

/// Requests to a terminal that type into it for its user.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// Families of sockets that are had: local ones, both of the internet, and the kernel's own with
/// the protocol of routes alone.
const FAMILIES: [c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// The name of a call that the filter refuses.
pub(super) fn refused_call(number: i64) -> Option<&'static str> {
    let all = REFUSED.iter().chain(&REFUSED_AT_TIMES);
    all.into_iter().find(|(call, _)| *call == number).map(|&(_, name)| name)
}

/// Puts this process under the filter. Returns what takes the calls that are refused, and those
/// that are only looked at, where the system has that; it refuses the first itself otherwise.
pub(crate) fn apply(sees_writes: bool) -> io::Result<Option<OwnedFd>> {
    for (rules, number) in [(other_families(), libc::EAFNOSUPPORT), (unseen(), libc::ENOSYS)] {
        let number = SeccompAction::Errno(number.cast_unsigned());
        install_filter(&program(rules?, number)?, false)?;
    }
    let mut rules = refused()?;
    rules.extend(observed(sees_writes)?);
    let listened = program(rules, SeccompAction::Trace(0))?;
    let passed = |rule: &FilterRule| {
        let is_mark = rule.code == RETURN && rule.k == libc::SECCOMP_RET_TRACE;
        FilterRule { k: if is_mark { libc::SECCOMP_RET_USER_NOTIF } else { rule.k }, ..*rule }
    };
    let listened: Vec<FilterRule> = listened.iter().map(passed).collect();
    install_filter(&listened, true).or_else(|_| {
        // Linux before 5.0, or a listener of somebody else's above.
        let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        install_filter(&program(refused()?, refusal)?, false)
    })
}

/// Rules by the number of the call; without a rule every call of the number matches.
type CallRules = BTreeMap<i64, Vec<SeccompRule>>;

fn refused() -> io::Result<CallRules> {
    let mut rules: CallRules = REFUSED.iter().map(|&(number, _)| (number, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    for number in [libc::SYS_kexec_file_load, libc::SYS_iopl, libc::SYS_ioperm] {
        rules.insert(number, Vec::new());
    }
    let flags = |flag: &c_int| {
        let flag = u64::from(flag.cast_unsigned());
        rule(&[(0, Op::MaskedEq(flag), flag)])
    };
    // The lowest byte of `clone`'s flags is a signal.
    let of_clone = NAMESPACE_FLAGS.iter().filter(|&&flag| flag > 0xff);
    rules.insert(libc::SYS_clone, of_clone.map(flags).collect::<io::Result<_>>()?);
    rules.insert(libc::SYS_unshare, NAMESPACE_FLAGS.iter().map(flags).collect::<io::Result<_>>()?);
    let typing = TYPING.iter().map(|&request| rule(&[(1, Op::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<io::Result<_>>()?);
    Ok(rules)
}

/// Calls that go on, and are looked at before: most of what they do is not refused.
fn observed(sees_writes: bool) -> io::Result<CallRules> {
    let mut rules = CallRules::from([(libc::SYS_connect, Vec::new())]);
    if !sees_writes {
        return Ok(rules);
    }
    rules.extend(PATH_CALLS.iter().map(|call| (call.number, Vec::new())));
    for (number, flags) in OPENING {
        let writes = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT].map(|flag| {
            let flag = u64::from(flag.cast_unsigned());
            rule(&[(*flags, Op::MaskedEq(flag), flag)])
        });
        rules.insert(*number, writes.into_iter().collect::<io::Result<_>>()?);
    }
    Ok(rules)
}

fn other_families() -> io::Result<CallRules> {
    let number = |family: c_int| u64::from(family.cast_unsigned());
    let others: Vec<_> = FAMILIES.map(|family| (0, Op::Ne, number(family))).into();
    let other_protocols = [(0, Op::Eq, number(libc::AF_NETLINK)), (2, Op::Ne, 0)];
    let rules = vec![rule(&others)?, rule(&other_protocols)?];
    Ok(BTreeMap::from([(libc::SYS_socket, rules)]))
}

/// Calls of which the filter does not see what they are for: programs take the older ones then.
fn unseen() -> io::Result<CallRules> {
    Ok(BTreeMap::from([(libc::SYS_clone3, Vec::new())]))
}

/// A rule of conditions that must all hold: the argument, the comparison, the value. Only the lower
/// half of an argument counts, as the kernel reads no more of these.
fn rule(conditions: &[(u8, Op, u64)]) -> io::Result<SeccompRule> {
    let conditions = conditions.iter().map(|(argument, operation, value)| {
        SeccompCondition::new(*argument, Len::Dword, operation.clone(), *value)
    });
    let conditions = conditions.collect::<Result<_, _>>().map_err(io::Error::other)?;
    SeccompRule::new(conditions).map_err(io::Error::other)
}

/// Instructions that return a value.
const RETURN: u16 = 0x06;

fn program(rules: CallRules, action: SeccompAction) -> io::Result<Vec<FilterRule>> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    let rules = program.iter().map(|rule| FilterRule {
        code: rule.code,
        jt: rule.jt,
        jf: rule.jf,
        k: rule.k,
    });
    Ok(second_numbering().into_iter().chain(rules).collect())
}

/// Instructions before all others that refuse the second numbering of calls that `x86_64` has.
fn second_numbering() -> Vec<FilterRule> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_LESS_NOT: u16 = 0x35;
    const FIRST: u32 = 0x4000_0000;
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let refusal = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    vec![
        FilterRule { code: LOAD, jt: 0, jf: 0, k: 0 },
        FilterRule { code: JUMP_IF_LESS_NOT, jt: 0, jf: 1, k: FIRST },
        FilterRule { code: RETURN, jt: 0, jf: 0, k: refusal },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_compiles() {
        for rules in [refused(), other_families(), unseen(), observed(true)] {
            let rules = program(rules.unwrap(), SeccompAction::Trace(0)).unwrap();
            assert!(rules.iter().any(|rule| rule.k == libc::SECCOMP_RET_TRACE));
            assert!(rules.len() < 4096, "the kernel takes no longer one");
        }
    }

    #[test]
    fn refused_calls_have_names() {
        assert_eq!(refused_call(libc::SYS_ptrace), Some("ptrace"));
        assert_eq!(refused_call(libc::SYS_clone), Some("clone"));
        assert_eq!(refused_call(libc::SYS_read), None);
    }
}
