//! Every pointer argument of every call, one after the other, is made a bad one: EFAULT.

use alloc::vec::Vec;

use posix::Errno;

use crate::bindings::*;
use crate::testing::machine::{Machine, error};

/// An argument of a call.
#[derive(Clone, Copy)]
enum Argument {
    /// A number.
    Number(i64),
    /// The address of a string.
    Text(&'static str),
    /// The address of these words.
    Words(&'static [u64]),
    /// The address of this many bytes to be filled.
    Room(usize),
}

use Argument::{Number, Room, Text, Words};

/// A descriptor that the machine has: standard output, the root directory, the two ends of a
/// pipe, a local socket, an epoll instance, a timer.
const OUT: Argument = Number(1);
const ROOT: Argument = Number(3);
const READER: Argument = Number(4);
const SOCKET: Argument = Number(6);
const EPOLL: Argument = Number(8);
const TIMER: Argument = Number(9);

const HERE: Argument = Number(AT_FDCWD as i64);
const NONE: Argument = Number(0);
const SET: Argument = Number(8);
const MASK: Argument = Words(&[0]);
const TIME: Argument = Words(&[0, 0]);
/// AF_INET, port 80, 127.0.0.1; and its length.
const ADDRESS: Argument = Words(&[0x0100_007f_5000_0002, 0]);
const ADDRESS_LENGTH: Argument = Number(16);
const LENGTH: Argument = Words(&[16]);

/// Calls with pointers. Every one that is not a number must not be bad.
#[rustfmt::skip]
const CALLS: &[(u32, &[Argument])] = &[
    (__NR_read, &[READER, Room(4), Number(4)]),
    (__NR_readv, &[READER, Words(&[0, 0]), Number(1)]),
    (__NR_pread64, &[ROOT, Room(4), Number(4), NONE]),
    (__NR_preadv, &[ROOT, Words(&[0, 0]), Number(1), NONE]),
    (__NR_preadv2, &[ROOT, Words(&[0, 0]), Number(1), NONE]),
    (__NR_write, &[OUT, Text("text"), Number(4)]),
    (__NR_writev, &[OUT, Words(&[0, 0]), Number(1)]),
    (__NR_pwrite64, &[OUT, Text("text"), Number(4), NONE]),
    (__NR_pwritev, &[OUT, Words(&[0, 0]), Number(1), NONE]),
    (__NR_pwritev2, &[OUT, Words(&[0, 0]), Number(1), NONE]),
    (__NR_sendfile, &[OUT, ROOT, Words(&[0]), Number(4)]),
    (__NR_getrandom, &[Room(4), Number(4), NONE]),
    (__NR_fcntl, &[OUT, Number(F_SETLK as i64), Words(&[F_UNLCK as u64, 0, 0, 0])]),
    (__NR_ioctl, &[READER, Number(FIONREAD as i64), Room(4)]),
    (__NR_pipe, &[Room(8)]),
    (__NR_pipe2, &[Room(8), NONE]),
    (__NR_open, &[Text("/"), NONE]),
    (__NR_openat, &[HERE, Text("/"), NONE]),
    (__NR_creat, &[Text("/f"), NONE]),
    (__NR_truncate, &[Text("/f"), NONE]),
    (__NR_getdents64, &[ROOT, Room(100), Number(100)]),
    (__NR_chdir, &[Text("/")]),
    (__NR_getcwd, &[Room(100), Number(100)]),
    (__NR_stat, &[Text("/"), Room(144)]),
    (__NR_lstat, &[Text("/"), Room(144)]),
    (__NR_fstat, &[OUT, Room(144)]),
    (__NR_newfstatat, &[HERE, Text("/"), Room(144), NONE]),
    (__NR_statx, &[HERE, Text("/"), NONE, NONE, Room(256)]),
    (__NR_statfs, &[Text("/"), Room(120)]),
    (__NR_fstatfs, &[ROOT, Room(120)]),
    (__NR_access, &[Text("/"), NONE]),
    (__NR_faccessat, &[HERE, Text("/"), NONE]),
    (__NR_faccessat2, &[HERE, Text("/"), NONE, NONE]),
    (__NR_mkdir, &[Text("/d"), NONE]),
    (__NR_mkdirat, &[HERE, Text("/d"), NONE]),
    (__NR_unlink, &[Text("/f")]),
    (__NR_unlinkat, &[HERE, Text("/f"), NONE]),
    (__NR_rmdir, &[Text("/d")]),
    (__NR_rename, &[Text("/a"), Text("/b")]),
    (__NR_renameat, &[HERE, Text("/a"), HERE, Text("/b")]),
    (__NR_renameat2, &[HERE, Text("/a"), HERE, Text("/b"), NONE]),
    (__NR_link, &[Text("/a"), Text("/b")]),
    (__NR_linkat, &[HERE, Text("/a"), HERE, Text("/b"), NONE]),
    (__NR_symlink, &[Text("a"), Text("/b")]),
    (__NR_symlinkat, &[Text("a"), HERE, Text("/b")]),
    (__NR_readlink, &[Text("/link"), Room(10), Number(10)]),
    (__NR_readlinkat, &[HERE, Text("/link"), Room(10), Number(10)]),
    (__NR_chmod, &[Text("/f"), NONE]),
    (__NR_fchmodat, &[HERE, Text("/f"), NONE]),
    (__NR_chown, &[Text("/f"), NONE, NONE]),
    (__NR_lchown, &[Text("/f"), NONE, NONE]),
    (__NR_fchownat, &[HERE, Text("/f"), NONE, NONE, NONE]),
    (__NR_utimensat, &[HERE, Text("/f"), Words(&[0, 0, 0, 0]), NONE]),
    (__NR_utimes, &[Text("/f"), Words(&[0, 0, 0, 0])]),
    (__NR_utime, &[Text("/f"), Words(&[0, 0])]),
    (__NR_poll, &[Words(&[0]), Number(1), NONE]),
    (__NR_ppoll, &[Words(&[0]), Number(1), TIME, MASK, SET]),
    (__NR_select, &[Number(5), MASK, MASK, MASK, TIME]),
    (__NR_pselect6, &[Number(5), MASK, MASK, MASK, TIME, Words(&[0, 8])]),
    (__NR_epoll_ctl, &[EPOLL, Number(EPOLL_CTL_ADD as i64), READER, Words(&[1, 0])]),
    (__NR_epoll_wait, &[EPOLL, Room(24), Number(2), NONE]),
    (__NR_epoll_pwait, &[EPOLL, Room(24), Number(2), NONE, MASK, SET]),
    (__NR_epoll_pwait2, &[EPOLL, Room(24), Number(2), TIME, MASK, SET]),
    (__NR_socketpair, &[Number(AF_UNIX as i64), Number(SOCK_STREAM as i64), NONE, Room(8)]),
    (__NR_bind, &[SOCKET, ADDRESS, ADDRESS_LENGTH]),
    (__NR_accept, &[SOCKET, Room(16), LENGTH]),
    (__NR_accept4, &[SOCKET, Room(16), LENGTH, NONE]),
    (__NR_connect, &[SOCKET, ADDRESS, ADDRESS_LENGTH]),
    (__NR_getsockname, &[SOCKET, Room(16), LENGTH]),
    (__NR_getpeername, &[SOCKET, Room(16), LENGTH]),
    (__NR_setsockopt, &[SOCKET, Number(SOL_SOCKET as i64), Number(SO_KEEPALIVE as i64), Words(&[1]), Number(4)]),
    (__NR_getsockopt, &[SOCKET, Number(SOL_SOCKET as i64), Number(SO_TYPE as i64), Room(4), Words(&[4])]),
    (__NR_sendto, &[SOCKET, Text("text"), Number(4), NONE, ADDRESS, ADDRESS_LENGTH]),
    (__NR_sendmsg, &[SOCKET, Words(&[0; 7]), NONE]),
    (__NR_recvfrom, &[SOCKET, Room(4), Number(4), Number(MSG_DONTWAIT as i64), Room(16), LENGTH]),
    (__NR_recvmsg, &[SOCKET, Words(&[0; 7]), Number(MSG_DONTWAIT as i64)]),
    (__NR_rt_sigaction, &[Number(10), Words(&[0; 4]), Room(32), SET]),
    (__NR_rt_sigprocmask, &[NONE, MASK, Room(8), SET]),
    (__NR_rt_sigpending, &[Room(8), SET]),
    (__NR_rt_sigsuspend, &[MASK, SET]),
    (__NR_rt_sigtimedwait, &[MASK, Room(128), TIME, SET]),
    (__NR_sigaltstack, &[Words(&[0, SS_DISABLE as u64, 0]), Room(24)]),
    (__NR_clock_gettime, &[NONE, Room(16)]),
    (__NR_clock_getres, &[NONE, Room(16)]),
    (__NR_gettimeofday, &[Room(16), Room(8)]),
    (__NR_time, &[Room(8)]),
    (__NR_times, &[Room(32)]),
    (__NR_getrusage, &[NONE, Room(144)]),
    (__NR_nanosleep, &[TIME, Room(16)]),
    (__NR_clock_nanosleep, &[NONE, NONE, TIME, Room(16)]),
    (__NR_getitimer, &[NONE, Room(32)]),
    (__NR_setitimer, &[NONE, Words(&[0; 4]), Room(32)]),
    (__NR_timer_create, &[NONE, Words(&[0, 10, 0]), Room(4)]),
    (__NR_timer_settime, &[NONE, NONE, Words(&[0; 4]), Room(32)]),
    (__NR_timer_gettime, &[NONE, Room(32)]),
    (__NR_timerfd_settime, &[TIMER, NONE, Words(&[0; 4]), Room(32)]),
    (__NR_timerfd_gettime, &[TIMER, Room(32)]),
    (__NR_arch_prctl, &[Number(ARCH_GET_FS as i64), Room(8)]),
    (__NR_prctl, &[Number(PR_SET_NAME as i64), Text("name")]),
    (__NR_sched_getaffinity, &[NONE, Number(8), Room(8)]),
    (__NR_sched_setaffinity, &[NONE, Number(8), Words(&[1])]),
    (__NR_futex, &[Words(&[0]), Number(FUTEX_WAIT as i64), NONE, TIME]),
    (__NR_uname, &[Room(390)]),
    (__NR_sysinfo, &[Room(112)]),
    (__NR_getrlimit, &[NONE, Room(16)]),
    (__NR_setrlimit, &[NONE, Words(&[u64::MAX, u64::MAX])]),
    (__NR_prlimit64, &[NONE, NONE, Words(&[u64::MAX, u64::MAX]), Room(16)]),
    (__NR_getresuid, &[Room(4), Room(4), Room(4)]),
    (__NR_getresgid, &[Room(4), Room(4), Room(4)]),
    (__NR_getgroups, &[Number(4), Room(16)]),
    (__NR_setgroups, &[Number(1), Words(&[5])]),
    (__NR_capget, &[Words(&[_LINUX_CAPABILITY_VERSION_3 as u64]), Room(24)]),
];

#[rustfmt::skip]
/// Calls without pointers to data (`rt_sigreturn` reads the stack, `set_tid_address` and
/// `set_robust_list` keep nothing, `wait4` has no child to tell of).
const WITHOUT: &[u32] = &[
    __NR_mmap, __NR_munmap, __NR_mprotect, __NR_mremap, __NR_madvise, __NR_brk, __NR_close,
    __NR_close_range, __NR_dup, __NR_dup2, __NR_dup3, __NR_flock, __NR_eventfd, __NR_eventfd2,
    __NR_lseek, __NR_ftruncate, __NR_fsync, __NR_fdatasync, __NR_sync, __NR_fchmod, __NR_fchown,
    __NR_fchdir, __NR_umask, __NR_epoll_create, __NR_epoll_create1, __NR_socket, __NR_listen, __NR_shutdown,
    __NR_rt_sigreturn, __NR_pause, __NR_kill, __NR_tkill, __NR_tgkill, __NR_clock_settime,
    __NR_settimeofday, __NR_alarm, __NR_timer_getoverrun, __NR_timer_delete,
    __NR_timerfd_create, __NR_exit, __NR_exit_group, __NR_getpid, __NR_gettid,
    __NR_getppid, __NR_getpgrp, __NR_getpgid, __NR_getsid, __NR_setsid, __NR_setpgid, __NR_wait4,
    __NR_waitid, __NR_set_tid_address, __NR_set_robust_list, __NR_sched_yield, __NR_getuid,
    __NR_geteuid, __NR_getgid, __NR_getegid, __NR_setuid, __NR_setgid, __NR_setreuid,
    __NR_setregid, __NR_setresuid, __NR_setresgid,
];

/// Not mapped; not mapped and high; beyond a program's half; not an address at all.
const BAD: [u64; 4] = [0x10, 0x7fff_ffff_0000, 0xffff_8000_0000_0000, u64::MAX - 1];

/// A machine with the descriptors of above, a file and a link.
fn machine() -> Machine {
    let mut machine = Machine::new();
    let root = machine.string("/");
    assert_eq!(machine.call(__NR_open, &[root, 0]), Ok(3));
    let pair = machine.room(8);
    assert_eq!(machine.call(__NR_pipe, &[pair]), Ok(0));
    let (domain, kind) = (AF_UNIX.into(), SOCK_STREAM.into());
    assert_eq!(
        machine.call(__NR_socketpair, &[domain, kind, 0, pair]),
        Ok(0)
    );
    assert_eq!(machine.call(__NR_epoll_create1, &[0]), Ok(8));
    assert_eq!(machine.call(__NR_timerfd_create, &[0, 0]), Ok(9));
    let link = machine.string("/link");
    assert_eq!(machine.call(__NR_symlink, &[root, link]), Ok(0));
    let text = machine.string("text");
    assert_eq!(machine.call(__NR_write, &[5, text, 4]), Ok(4));
    assert_eq!(machine.call(__NR_setgroups, &[1, text]), Ok(0));
    assert_eq!(machine.call(__NR_timer_create, &[0, 0, pair]), Ok(0));
    machine
}

/// Makes a call in which the argument at `bad` is `address`; all arguments are good without.
fn call(number: u32, arguments: &[Argument], bad: Option<(usize, u64)>) -> Result<u64, i32> {
    let mut machine = machine();
    let values: Vec<u64> = arguments
        .iter()
        .enumerate()
        .map(|(index, argument)| match (bad, *argument) {
            (Some((at, address)), _) if at == index => address,
            (_, Number(number)) => number.cast_unsigned(),
            (_, Text(text)) => machine.string(text),
            (_, Room(length)) => machine.room(length),
            (_, Words(words)) => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                machine.put(&bytes)
            }
        })
        .collect();
    machine.call(number, &values)
}

#[test]
fn a_bad_pointer_is_a_fault() {
    for (number, arguments) in CALLS {
        let name = crate::call_name((*number).into());
        for (index, argument) in arguments.iter().enumerate() {
            if matches!(argument, Number(_)) {
                continue;
            }
            for address in BAD {
                // A futex that is not aligned is refused for that.
                if *number == __NR_futex && index == 0 && address % 4 != 0 {
                    continue;
                }
                let result = call(*number, arguments, Some((index, address)));
                assert_eq!(
                    result,
                    error(Errno::EFAULT),
                    "{name:?}, argument {index}, {address:#x}"
                );
            }
        }
    }
}

#[test]
fn good_pointers_are_no_fault() {
    for (number, arguments) in CALLS {
        // It would wait for a signal that never comes.
        if *number == __NR_rt_sigsuspend {
            continue;
        }
        let name = crate::call_name((*number).into());
        let result = call(*number, arguments, None);
        assert_ne!(result, error(Errno::EFAULT), "{name:?}");
    }
}

#[test]
fn every_call_is_in_one_of_the_tables() {
    let tested = CALLS.iter().map(|(number, _)| number).chain(WITHOUT);
    let mut tested: Vec<u32> = tested.copied().collect();
    tested.sort_unstable();
    let mut there = Machine::call_numbers();
    there.sort_unstable();
    assert_eq!(tested, there);
}
