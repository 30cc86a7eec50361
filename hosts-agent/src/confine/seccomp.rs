//! seccomp: the system calls that a process needs, and no others. Of those that are not listed the kernel says that
//! they are not permitted, so that one which a newer C library tries is no crash.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
#[error("cannot be confined by seccomp: {0}")]
pub struct FilterError(#[from] seccompiler::Error);

/// System calls of every process.
const RUN: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Reading metadata: names, sizes, times, and targets of links.
const LOOK: &[c_long] = &[libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_readlinkat];

/// Waiting, watching, threads, and connections.
const AGENT: &[c_long] = &[
    libc::SYS_ppoll,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Answered by FALL_BACK.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
];

/// Reading and replacing files.
const KEEPER: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_flock,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_fsync,
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_fchown,
    libc::SYS_fchmod,
    libc::SYS_utimensat,
    libc::SYS_flistxattr,
    libc::SYS_fgetxattr,
    libc::SYS_fsetxattr,
];

/// Calls that have separate names on older architectures.
#[cfg(target_arch = "x86_64")]
const OLD: &[c_long] = &[libc::SYS_poll, libc::SYS_stat, libc::SYS_lstat, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[c_long] = &[];

pub(super) fn agent() -> Result<(), FilterError> {
    let rules = [RUN, LOOK, AGENT, OLD].concat().into_iter().map(always);
    let rules = rules.chain(not_executable()).chain([
        // A thread, and never a process.
        (libc::SYS_clone, vec![masked(0, libc::CLONE_THREAD)]),
        // Connections of the network, and none to other programs of this machine.
        (libc::SYS_socket, vec![equal(0, libc::AF_INET), equal(0, libc::AF_INET6)]),
        (libc::SYS_ioctl, vec![equal_long(1, libc::FIONBIO)]),
        (libc::SYS_prctl, vec![equal(0, libc::PR_SET_NAME)]),
    ]);
    // The C library creates a thread by clone, whose flags can be checked, only where clone3 does not exist.
    let fall_back = program(
        std::iter::once(always(libc::SYS_clone3)),
        SeccompAction::Errno(libc::ENOSYS as u32),
        SeccompAction::Allow,
    )?;
    let allowed = allow(rules)?;
    // In this order: the second filter denies setting a third.
    apply_filter(&fall_back)?;
    apply_filter(&allowed)?;
    Ok(())
}

pub(super) fn keeper() -> Result<(), FilterError> {
    let rules = [RUN, LOOK, KEEPER, OLD].concat().into_iter().map(always);
    apply_filter(&allow(rules.chain(not_executable()))?)?;
    Ok(())
}

type Rule = (c_long, Vec<Result<SeccompCondition, BackendError>>);

fn always(call: c_long) -> Rule {
    (call, Vec::new())
}

/// Memory that is not code.
fn not_executable() -> [Rule; 2] {
    let data = || {
        let op = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        vec![SeccompCondition::new(2, Dword, op, 0)]
    };
    [(libc::SYS_mmap, data()), (libc::SYS_mprotect, data())]
}

fn equal(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    equal_long(argument, value as u64)
}

fn equal_long(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, bits: i32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, Dword, SeccompCmpOp::MaskedEq(bits as u64), bits as u64)
}

/// Allows these calls, each where it has no condition or one that is met.
fn allow(rules: impl Iterator<Item = Rule>) -> Result<BpfProgram, FilterError> {
    program(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

fn program(
    rules: impl Iterator<Item = Rule>,
    listed: SeccompAction,
    other: SeccompAction,
) -> Result<BpfProgram, FilterError> {
    let compile = || -> Result<BpfProgram, BackendError> {
        let mut by_call = BTreeMap::new();
        for (call, conditions) in rules {
            let each = conditions.into_iter().map(|condition| SeccompRule::new(vec![condition?]));
            by_call.insert(call, each.collect::<Result<Vec<_>, _>>()?);
        }
        let machine = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(by_call, other, listed, machine)?.try_into()
    };
    Ok(compile().map_err(seccompiler::Error::Backend)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_makes_moves_or_runs_something_is_on_no_list_of_the_agent() {
        let denied = [
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_open_by_handle_at,
            libc::SYS_name_to_handle_at,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_linkat,
            libc::SYS_symlinkat,
            libc::SYS_unlinkat,
            libc::SYS_mkdirat,
            libc::SYS_mknodat,
            libc::SYS_truncate,
            libc::SYS_fchmod,
            libc::SYS_fchmodat,
            libc::SYS_fchown,
            libc::SYS_fchownat,
            libc::SYS_setxattr,
            libc::SYS_fsetxattr,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_kill,
            libc::SYS_io_uring_setup,
            libc::SYS_mount,
            libc::SYS_fsopen,
            libc::SYS_open_tree,
            libc::SYS_chroot,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_memfd_create,
            libc::SYS_bpf,
            libc::SYS_seccomp,
            libc::SYS_socketpair,
        ];
        #[cfg(target_arch = "x86_64")]
        let old = [
            libc::SYS_open,
            libc::SYS_creat,
            libc::SYS_rename,
            libc::SYS_link,
            libc::SYS_unlink,
            libc::SYS_mkdir,
            libc::SYS_fork,
            libc::SYS_vfork,
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let old = [];
        let agents = [RUN, LOOK, AGENT, OLD].concat();
        for call in denied.into_iter().chain(old) {
            assert!(!agents.contains(&call), "{call}");
        }
    }
}
