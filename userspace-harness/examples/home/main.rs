//! The smallest home there is, and a kernel in it that copies standard input to standard output.
//!
//! `docs/adding-a-platform.md` walks through it.

mod home;
mod wiring;

use hypercall::{SliceSink, SliceSource, Source};
use posix::{Errno, Fd, Kernel, block_on, block_on_all};

use home::StdHost;

fn main() -> Result<(), Errno> {
    let mut kernel = wiring::kernel(StdHost::new(std::io::stdin()))?;
    copy(&mut kernel, Fd::STDIN, Fd::STDOUT)
}

/// Copies until the input ends, as cat(1) does.
fn copy(kernel: &mut Kernel<StdHost>, from: Fd, to: Fd) -> Result<(), Errno> {
    let mut buffer = [0; 4096];
    loop {
        let count = block_on(kernel, |kernel| {
            kernel.read(from, &mut SliceSink::new(&mut buffer))
        })?;
        if count == 0 {
            return Ok(());
        }
        let mut data = SliceSource::new(&buffer[..count]);
        block_on_all(kernel, &mut data, Source::remaining, |kernel, data| {
            kernel.write(to, data)
        })?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::thread;
    use std::time::Duration;

    use hypercall::Wake;
    use hypercall::contract::host::HostFixture;
    use hypercall::contract::{self, host};
    use posix::{OpenFlags, Permissions};

    use super::*;
    use home::StdWaker;

    /// The home, and somebody who types.
    struct Staged {
        host: StdHost,
        typist: Option<io::PipeWriter>,
    }

    impl HostFixture for Staged {
        type Host = StdHost;

        fn host(&mut self) -> &mut StdHost {
            &mut self.host
        }

        fn wake_later(&mut self, waker: StdWaker, delay: Duration) -> bool {
            thread::spawn(move || {
                thread::sleep(delay);
                waker.wake();
            });
            true
        }

        fn type_input(&mut self, bytes: &[u8]) -> bool {
            let typed = self.typist.as_mut().map(|typist| typist.write_all(bytes));
            typed.is_some_and(|typed| typed.is_ok())
        }

        fn end_input(&mut self) -> bool {
            self.typist = None;
            true
        }
    }

    #[test]
    fn the_home_keeps_the_contract() {
        let (input, typist) = io::pipe().expect("a pipe");
        let mut staged = Staged {
            host: StdHost::new(input),
            typist: Some(typist),
        };
        let mut report = String::new();
        let summary = contract::run_and_write("host", &host::cases(), &mut staged, &mut report)
            .expect("strings grow");
        assert_eq!(summary.violated, 0, "{report}");
        assert!(
            report.contains("held console-input-ends-the-wait"),
            "{report}"
        );
    }

    #[test]
    fn a_kernel_waits_for_input_and_copies_it() {
        let (input, mut typist) = io::pipe().expect("a pipe");
        let mut kernel = wiring::kernel(StdHost::new(input)).expect("there is memory");
        thread::spawn(move || {
            for line in ["one\n", "two\n"] {
                thread::sleep(Duration::from_millis(20));
                typist.write_all(line.as_bytes()).expect("it is read");
            }
        });
        let flags = OpenFlags::CREATE | OpenFlags::READ_WRITE;
        let file = kernel
            .open(b"/copy", flags, Permissions::from_bits_truncate(0o600))
            .expect("there is room");
        copy(&mut kernel, Fd::STDIN, file).expect("the file takes it");
        let mut copied = [0; 16];
        let count = posix::pread(&mut kernel, file, &mut SliceSink::new(&mut copied), 0)
            .expect("it is readable");
        assert_eq!(&copied[..count], b"one\ntwo\n");
    }
}
