//! Which call number is which call.

use alloc::boxed::Box;

use hypercall::fake::{FakeHost, FakeProgramHost};
use hypercall::{Host, ProgramHost};
use posix::Errno;

use crate::bindings::*;
use crate::call::{Call, Outcome};
use crate::program::{Message, Program};

/// What does a call.
pub type Handler<H, P> = fn(&mut Program<H, P>, &mut Call<'_>) -> Outcome;

/// Every number in the table of names is below this.
pub const TABLE_LENGTH: usize = 512;

/// The calls that a program can make, by number. A home that is linked for one program fills in
/// what that program needs; others take [`Program::all_calls`].
pub type CallTable<H, P> = [Option<Handler<H, P>>; TABLE_LENGTH];

impl<H: Host + 'static, P: ProgramHost + 'static> Program<H, P> {
    /// The calls there are, by area.
    pub(crate) const CALLS: &'static [(u32, Handler<H, P>)] = &[
        // Bytes.
        (__NR_read, Self::read),
        (__NR_readv, Self::readv),
        (__NR_pread64, Self::pread64),
        (__NR_preadv, Self::preadv),
        (__NR_preadv2, Self::preadv2),
        (__NR_write, Self::write),
        (__NR_writev, Self::writev),
        (__NR_pwrite64, Self::pwrite64),
        (__NR_pwritev, Self::pwritev),
        (__NR_pwritev2, Self::pwritev2),
        (__NR_sendfile, Self::sendfile),
        (__NR_getrandom, Self::getrandom),
        // Descriptors.
        (__NR_close, Self::close),
        (__NR_close_range, Self::close_range),
        (__NR_dup, Self::dup),
        (__NR_dup2, Self::dup2),
        (__NR_dup3, Self::dup3),
        (__NR_fcntl, Self::fcntl),
        (__NR_flock, Self::flock),
        (__NR_ioctl, Self::ioctl),
        (__NR_pipe, Self::pipe),
        (__NR_pipe2, Self::pipe2),
        (__NR_eventfd, Self::eventfd),
        (__NR_eventfd2, Self::eventfd2),
        // Open files.
        (__NR_open, Self::open),
        (__NR_openat, Self::openat),
        (__NR_creat, Self::creat),
        (__NR_lseek, Self::lseek),
        (__NR_truncate, Self::truncate),
        (__NR_ftruncate, Self::ftruncate),
        (__NR_fsync, Self::fsync),
        (__NR_fdatasync, Self::fsync),
        (__NR_sync, Self::sync),
        (__NR_fchmod, Self::fchmod),
        (__NR_fchown, Self::fchown),
        (__NR_getdents64, Self::getdents64),
        (__NR_chdir, Self::chdir),
        (__NR_fchdir, Self::fchdir),
        (__NR_getcwd, Self::getcwd),
        (__NR_umask, Self::umask),
        // What files are.
        (__NR_stat, Self::stat),
        (__NR_lstat, Self::lstat),
        (__NR_fstat, Self::fstat),
        (__NR_newfstatat, Self::newfstatat),
        (__NR_statx, Self::statx),
        (__NR_statfs, Self::statfs),
        (__NR_fstatfs, Self::fstatfs),
        // Names.
        (__NR_access, Self::access),
        (__NR_faccessat, Self::faccessat),
        (__NR_faccessat2, Self::faccessat2),
        (__NR_mkdir, Self::mkdir),
        (__NR_mkdirat, Self::mkdirat),
        (__NR_unlink, Self::unlink),
        (__NR_unlinkat, Self::unlinkat),
        (__NR_rmdir, Self::rmdir),
        (__NR_rename, Self::rename),
        (__NR_renameat, Self::renameat),
        (__NR_renameat2, Self::renameat2),
        (__NR_link, Self::link),
        (__NR_linkat, Self::linkat),
        (__NR_symlink, Self::symlink),
        (__NR_symlinkat, Self::symlinkat),
        (__NR_readlink, Self::readlink),
        (__NR_readlinkat, Self::readlinkat),
        (__NR_chmod, Self::chmod),
        (__NR_fchmodat, Self::fchmodat),
        (__NR_chown, Self::chown),
        (__NR_lchown, Self::lchown),
        (__NR_fchownat, Self::fchownat),
        (__NR_utimensat, Self::utimensat),
        (__NR_utimes, Self::utimes),
        (__NR_utime, Self::utime),
        // Readiness.
        (__NR_poll, Self::poll),
        (__NR_ppoll, Self::ppoll),
        (__NR_select, Self::select),
        (__NR_pselect6, Self::pselect6),
        (__NR_epoll_create, Self::epoll_create),
        (__NR_epoll_create1, Self::epoll_create1),
        (__NR_epoll_ctl, Self::epoll_ctl),
        (__NR_epoll_wait, Self::epoll_wait),
        (__NR_epoll_pwait, Self::epoll_pwait),
        (__NR_epoll_pwait2, Self::epoll_pwait2),
        // Sockets.
        (__NR_socket, Self::socket),
        (__NR_socketpair, Self::socketpair),
        (__NR_bind, Self::bind),
        (__NR_listen, Self::listen),
        (__NR_accept, Self::accept),
        (__NR_accept4, Self::accept4),
        (__NR_connect, Self::connect),
        (__NR_shutdown, Self::shutdown),
        (__NR_getsockname, Self::getsockname),
        (__NR_getpeername, Self::getpeername),
        (__NR_setsockopt, Self::setsockopt),
        (__NR_getsockopt, Self::getsockopt),
        (__NR_sendto, Self::sendto),
        (__NR_sendmsg, Self::sendmsg),
        (__NR_recvfrom, Self::recvfrom),
        (__NR_recvmsg, Self::recvmsg),
        // Memory.
        (__NR_mmap, Self::mmap),
        (__NR_munmap, Self::munmap),
        (__NR_mprotect, Self::mprotect),
        (__NR_mremap, Self::mremap),
        (__NR_madvise, Self::madvise),
        (__NR_brk, Self::brk),
        // Signals.
        (__NR_rt_sigaction, Self::rt_sigaction),
        (__NR_rt_sigprocmask, Self::rt_sigprocmask),
        (__NR_rt_sigpending, Self::rt_sigpending),
        (__NR_rt_sigsuspend, Self::rt_sigsuspend),
        (__NR_rt_sigtimedwait, Self::rt_sigtimedwait),
        (__NR_rt_sigreturn, Self::rt_sigreturn),
        (__NR_sigaltstack, Self::sigaltstack),
        (__NR_pause, Self::pause),
        (__NR_kill, Self::kill),
        (__NR_tkill, Self::tkill),
        (__NR_tgkill, Self::tgkill),
        // Time.
        (__NR_clock_gettime, Self::clock_gettime),
        (__NR_clock_getres, Self::clock_getres),
        (__NR_clock_settime, Self::clock_settime),
        (__NR_settimeofday, Self::clock_settime),
        (__NR_gettimeofday, Self::gettimeofday),
        (__NR_time, Self::time),
        (__NR_times, Self::times),
        (__NR_getrusage, Self::getrusage),
        (__NR_nanosleep, Self::nanosleep),
        (__NR_clock_nanosleep, Self::clock_nanosleep),
        (__NR_getitimer, Self::getitimer),
        (__NR_setitimer, Self::setitimer),
        (__NR_alarm, Self::alarm),
        (__NR_timer_create, Self::timer_create),
        (__NR_timer_settime, Self::timer_settime),
        (__NR_timer_gettime, Self::timer_gettime),
        (__NR_timer_getoverrun, Self::timer_getoverrun),
        (__NR_timer_delete, Self::timer_delete),
        (__NR_timerfd_create, Self::timerfd_create),
        (__NR_timerfd_settime, Self::timerfd_settime),
        (__NR_timerfd_gettime, Self::timerfd_gettime),
        // The process.
        (__NR_exit, Self::exit_group),
        (__NR_exit_group, Self::exit_group),
        (__NR_getpid, Self::getpid),
        (__NR_gettid, Self::getpid),
        (__NR_getppid, Self::getppid),
        (__NR_getpgrp, Self::getpid),
        (__NR_getpgid, Self::getpgid),
        (__NR_getsid, Self::getpgid),
        (__NR_setsid, Self::setsid),
        (__NR_setpgid, Self::setsid),
        (__NR_wait4, Self::wait4),
        (__NR_waitid, Self::wait4),
        (__NR_set_tid_address, Self::set_tid_address),
        (__NR_set_robust_list, Self::set_robust_list),
        (__NR_arch_prctl, Self::arch_prctl),
        (__NR_prctl, Self::prctl),
        (__NR_sched_yield, Self::sched_yield),
        (__NR_sched_getaffinity, Self::sched_getaffinity),
        (__NR_sched_setaffinity, Self::sched_setaffinity),
        (__NR_futex, Self::futex),
        (__NR_uname, Self::uname),
        (__NR_sysinfo, Self::sysinfo),
        (__NR_getrlimit, Self::getrlimit),
        (__NR_setrlimit, Self::setrlimit),
        (__NR_prlimit64, Self::prlimit64),
        // Identity.
        (__NR_getuid, Self::getuid),
        (__NR_geteuid, Self::geteuid),
        (__NR_getgid, Self::getgid),
        (__NR_getegid, Self::getegid),
        (__NR_getresuid, Self::getresuid),
        (__NR_getresgid, Self::getresgid),
        (__NR_setuid, Self::setuid),
        (__NR_setgid, Self::setgid),
        (__NR_setreuid, Self::setreuid),
        (__NR_setregid, Self::setregid),
        (__NR_setresuid, Self::setresuid),
        (__NR_setresgid, Self::setresgid),
        (__NR_getgroups, Self::getgroups),
        (__NR_setgroups, Self::setgroups),
        (__NR_capget, Self::capget),
    ];

    const TABLE: &'static CallTable<H, P> = &by_number(Self::CALLS);

    /// Every call that is implemented.
    pub fn all_calls() -> Box<CallTable<H, P>> {
        Box::new(*Self::TABLE)
    }

    /// What does the call numbered `number`, if it is implemented.
    pub const fn handler(number: u32) -> Option<Handler<H, P>> {
        let index = number as usize;
        if index < TABLE_LENGTH {
            Self::TABLE[index]
        } else {
            None
        }
    }

    /// Does the call numbered `number`.
    pub(crate) fn dispatch(&mut self, number: u64, call: &mut Call<'_>) -> Outcome {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        match self.calls.get(index) {
            Some(Some(handler)) => handler(self, call),
            _ => self.missing(number, call),
        }
    }
}

/// Whether the call numbered `number` is implemented.
pub fn is_implemented(number: u32) -> bool {
    IMPLEMENTED.get(number as usize) == Some(&true)
}

/// Which calls are implemented. That does not depend on the home, so that any will do; what is
/// left of it is a table of flags.
static IMPLEMENTED: [bool; TABLE_LENGTH] = {
    let mut implemented = [false; TABLE_LENGTH];
    let mut number = 0;
    while number < TABLE_LENGTH {
        implemented[number] =
            Program::<FakeHost, FakeProgramHost>::handler(number as u32).is_some();
        number += 1;
    }
    implemented
};

const fn by_number<F: Copy>(calls: &[(u32, F)]) -> [Option<F>; TABLE_LENGTH] {
    let mut table = [None; TABLE_LENGTH];
    let mut index = 0;
    while index < calls.len() {
        let (number, handler) = calls[index];
        assert!(table[number as usize].is_none(), "a number stands twice");
        table[number as usize] = Some(handler);
        index += 1;
    }
    table
}

impl<H: Host, P: ProgramHost> Program<H, P> {
    /// A call that there is not: ENOSYS, and a line on the console the first time.
    fn missing(&mut self, number: u64, call: &Call<'_>) -> Outcome {
        if !is_probe(number) && self.is_first(number) {
            let message = Message::default()
                .text("anykernel: system call ")
                .decimal(number)
                .text(" (")
                .text(call_name(number).unwrap_or("no call of Linux"))
                .text(") at ")
                .hexadecimal(call.registers.rip)
                .text(why_missing(number))
                .line();
            self.report(&message);
        }
        Err(Errno::ENOSYS)
    }

    fn is_first(&mut self, number: u64) -> bool {
        // Numbers beyond the table are as one, so that the list of those named is bounded.
        let number = number.min(TABLE_LENGTH as u64);
        let numbers = &mut self.process.missing;
        let first = !numbers.contains(&number);
        // Without memory to remember it, it is named again.
        if first && numbers.try_reserve(1).is_ok() {
            numbers.push(number);
        }
        first
    }
}

/// Calls that a libc makes to find out whether it can, and goes on without.
fn is_probe(number: u64) -> bool {
    number == u64::from(__NR_rseq)
}

/// The end of the line.
fn why_missing(number: u64) -> &'static str {
    /// Some calls will never be there.
    const REFUSED: [u32; 6] = [
        __NR_clone,
        __NR_clone3,
        __NR_fork,
        __NR_vfork,
        __NR_execve,
        __NR_execveat,
    ];
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    if REFUSED.contains(&number) {
        " is refused: a program here is one process with one thread"
    } else if is_implemented(number) {
        " is not in this image: bake it with --calls all"
    } else {
        " is not implemented"
    }
}

/// The name of the call numbered `number`.
pub fn call_name(number: u64) -> Option<&'static str> {
    let mut rest = CALL_NAMES;
    for _ in 0..number {
        rest = rest.get(name_length(rest)? + 1..)?;
    }
    rest.get(..name_length(rest)?)
        .filter(|name| !name.is_empty())
}

/// How long the first name in `names` is.
fn name_length(names: &str) -> Option<usize> {
    names.bytes().position(|byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_numbers() {
        assert_eq!(call_name(__NR_read.into()), Some("read"));
        assert_eq!(call_name(__NR_clone3.into()), Some("clone3"));
        assert_eq!(call_name(334), Some("rseq"));
        assert_eq!(call_name(335), None);
        assert_eq!(call_name(100_000), None);
        assert_eq!(call_name(u64::MAX), None);
    }
}
