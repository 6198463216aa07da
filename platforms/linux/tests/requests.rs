//! SIGINT and SIGTERM as requests. In a file of its own, so in a process of its own: signals are
//! the process's.

use std::io::ErrorKind;
use std::time::Duration;

use hypercall::{Host, HostRequest};
use platform_linux::LinuxHost;

fn raise(signal: libc::c_int) {
    // SAFETY: a host has the signal, so it does not end the process.
    unsafe { libc::raise(signal) };
}

#[test]
fn one_host_at_a_time_has_the_requests() {
    let mut first = LinuxHost::new().expect("descriptors");
    let mut second = LinuxHost::new().expect("descriptors");
    first.take_requests().expect("they are free");
    first.take_requests().expect("they are its own");
    let error = second.take_requests().expect_err("they are taken");
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    raise(libc::SIGINT);
    drop(first);
    second.take_requests().expect("they are free again");
    assert_eq!(second.take_request(), None, "it was meant for the first");
    raise(libc::SIGTERM);
    let start = second.monotonic();
    second.wait(Some(start + Duration::from_secs(10)));
    assert!(second.monotonic().saturating_since(start) < Duration::from_secs(10));
    assert_eq!(second.take_request(), Some(HostRequest::Terminate));
    assert_eq!(second.take_request(), None);
}
