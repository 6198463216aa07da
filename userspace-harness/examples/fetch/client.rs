//! A client of HTTP/1.0 (RFC 1945): one connection for each page, which ends with it.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hypercall::{Instant, SliceSink, SliceSource, Source};
use posix::{Errno, Fd, OpenFlags, SocketKind, block_on, block_on_all, call};
use userspace_harness::ProcessKernel;

use crate::url::Url;

/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(100);
/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

pub struct Client {
    kernel: ProcessKernel,
    deadline: Instant,
}

impl Client {
    /// A client that waits `patience` for its servers to come up.
    pub fn new(kernel: ProcessKernel, patience: Duration) -> Self {
        let deadline = kernel.monotonic() + patience;
        Self { kernel, deadline }
    }

    /// The page at `url`.
    pub fn fetch(&mut self, url: &Url) -> Result<Vec<u8>> {
        let socket = self.connect(url.server)?;
        let request = format!("GET {} HTTP/1.0\r\nHost: {}\r\n\r\n", url.path, url.server);
        self.send(socket, request.as_bytes())?;
        let answer = self.receive(socket)?;
        call(&mut self.kernel, |kernel| kernel.close(socket))?;
        page_of(&answer).with_context(|| format!("http://{}{}", url.server, url.path))
    }

    /// A connection to `server`, which may still be starting.
    fn connect(&mut self, server: SocketAddrV4) -> Result<Fd> {
        loop {
            let socket = call(&mut self.kernel, |kernel| {
                kernel.socket(SocketKind::Stream, OpenFlags::empty())
            })?;
            let error = match block_on(&mut self.kernel, |kernel| kernel.connect(socket, server)) {
                Ok(()) => return Ok(socket),
                Err(error) => error,
            };
            call(&mut self.kernel, |kernel| kernel.close(socket))?;
            let is_early = matches!(
                error,
                Errno::EHOSTUNREACH | Errno::ECONNREFUSED | Errno::ETIMEDOUT
            );
            if !is_early || self.kernel.monotonic() >= self.deadline {
                return Err(error).with_context(|| server.to_string());
            }
            block_on(&mut self.kernel, |kernel| Ok(kernel.sleep(PAUSE)))?;
        }
    }

    fn send(&mut self, socket: Fd, bytes: &[u8]) -> Result<()> {
        let mut data = SliceSource::new(bytes);
        let sent = block_on_all(
            &mut self.kernel,
            &mut data,
            |data| data.remaining(),
            |kernel, data| kernel.write(socket, data),
        )?;
        ensure!(sent == bytes.len(), "the server took only {sent} bytes");
        Ok(())
    }

    /// All that comes until the server closes the connection.
    fn receive(&mut self, socket: Fd) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        loop {
            let start = answer.len();
            answer.resize(start + CHUNK, 0);
            let mut sink = SliceSink::new(&mut answer[start..]);
            let received = block_on(&mut self.kernel, |kernel| kernel.read(socket, &mut sink))?;
            answer.truncate(start + received);
            if received == 0 {
                return Ok(answer);
            }
        }
    }
}

/// The body of a complete answer that has one.
fn page_of(answer: &[u8]) -> Result<Vec<u8>> {
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.context("no answer in HTTP")? + 4);
    let head = std::str::from_utf8(head).context("an answer's head is text")?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{status}");
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    ensure!(
        length.is_none_or(|length| length == body.len()),
        "{} bytes came of {}",
        body.len(),
        length.unwrap_or_default()
    );
    Ok(body.to_vec())
}
