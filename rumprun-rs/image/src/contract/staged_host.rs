//! The machine as the suite's host, its other ends in the hands of whoever runs the image.

use alloc::vec::Vec;
use core::time::Duration;

use embedded_io::Write as _;
use hypercall::contract::host::HostFixture;
use hypercall::{ConsoleWriter, Host, HostRequest, Input, Stream};
use platform_kvm::KvmHost;
use protocol::staging::Stage;

/// How long somebody may take to do what is asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// One wait between two looks.
const STEP: Duration = Duration::from_millis(10);
/// More digits than this name no length.
const LONGEST_NUMBER: usize = 7;

/// The machine, and whether somebody does what is asked (see [`protocol::staging`]).
pub(super) struct StagedHost<'a> {
    pub(super) host: &'a mut KvmHost,
    pub(super) is_staged: bool,
}

impl StagedHost<'_> {
    /// Asks for `stage`; `false` when nobody reads it.
    fn announce(&mut self, stage: &Stage) -> bool {
        // The console takes bytes as long as the machine runs.
        self.is_staged
            && ConsoleWriter::new(self.host, Stream::Error)
                .write_all(stage.line().as_bytes())
                .is_ok()
    }

    /// The next byte of standard input.
    fn read_byte(&mut self) -> Option<u8> {
        let deadline = self.host.monotonic() + PATIENCE;
        loop {
            let mut byte = [0];
            match self.host.console_read(&mut byte) {
                Ok(Input::Bytes(_)) => return Some(byte[0]),
                Ok(Input::Pending) if self.host.monotonic() < deadline => {
                    let soon = self.host.monotonic() + STEP;
                    self.host.wait(Some(soon));
                }
                _ => return None,
            }
        }
    }

    /// Reads what [`protocol::staging::reply`] has made.
    fn read_reply(&mut self) -> Option<Vec<u8>> {
        let mut length = 0;
        for _ in 0..=LONGEST_NUMBER {
            match self.read_byte()? {
                b'\n' => return (0..length).map(|_| self.read_byte()).collect(),
                digit => length = length * 10 + usize::from(digit.wrapping_sub(b'0')),
            }
        }
        None
    }
}

impl HostFixture for StagedHost<'_> {
    type Host = KvmHost;

    fn host(&mut self) -> &mut KvmHost {
        self.host
    }

    fn type_input(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return self.is_staged;
        }
        self.announce(&Stage::Type(bytes.to_vec()))
    }

    fn end_input(&mut self) -> bool {
        self.announce(&Stage::EndInput)
    }

    fn arrived(&mut self, stream: Stream) -> Option<Vec<u8>> {
        if stream != Stream::Output || !self.announce(&Stage::TellOutput) {
            return None;
        }
        self.read_reply()
    }

    /// Returns when the request has come: the machine hears of it some time after it was made.
    fn ask(&mut self, request: HostRequest) -> bool {
        let stage = match request {
            HostRequest::Interrupt => Stage::Interrupt,
            HostRequest::Terminate => Stage::Terminate,
        };
        if !self.announce(&stage) {
            return false;
        }
        // Without a wait of the host's, which the request is to end in one of the cases.
        let deadline = self.host.monotonic() + PATIENCE;
        while self.host.monotonic() < deadline {
            if platform_kvm::request_has_come(request) {
                return true;
            }
        }
        false
    }
}
