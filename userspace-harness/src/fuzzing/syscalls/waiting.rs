//! Which calls may wait for what never comes.

use linux_abi::bindings::*;

/// Calls that POSIX or Linux lets wait without an end: for bytes, for room, for a connection, for
/// a signal, for a lock.
const CALLS: &[u32] = &[
    __NR_read,
    __NR_readv,
    __NR_preadv2,
    __NR_write,
    __NR_writev,
    __NR_pwritev2,
    __NR_sendfile,
    __NR_fcntl,
    __NR_flock,
    __NR_poll,
    __NR_ppoll,
    __NR_select,
    __NR_pselect6,
    __NR_epoll_wait,
    __NR_epoll_pwait,
    __NR_epoll_pwait2,
    __NR_accept,
    __NR_accept4,
    __NR_connect,
    __NR_sendto,
    __NR_sendmsg,
    __NR_recvfrom,
    __NR_recvmsg,
    __NR_rt_sigsuspend,
    __NR_rt_sigtimedwait,
    __NR_pause,
    __NR_futex,
];

/// Whether the call numbered `number` may wait for what never comes.
pub fn may_wait(number: u64) -> bool {
    CALLS.iter().any(|call| u64::from(*call) == number)
}
