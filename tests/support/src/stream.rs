//! A pipe's bytes as they arrive, gathered by a thread, for whoever waits for some of them.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

/// What a process has written to one of its streams so far.
#[derive(Clone)]
pub struct Stream(Arc<Shared>);

struct Shared {
    arrived: Mutex<Arrived>,
    changed: Condvar,
}

#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    has_ended: bool,
}

impl Stream {
    /// Gathers what `pipe` gives.
    pub fn gather(mut pipe: impl Read + Send + 'static) -> Self {
        let stream = Self::empty();
        let thread_stream = stream.clone();
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            // A terminal's other end gives an error when the last process has gone: an end too.
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                thread_stream.change(|arrived| arrived.bytes.extend(&buffer[..count]));
            }
            thread_stream.change(|arrived| arrived.has_ended = true);
        });
        stream
    }

    /// A stream that has ended before it began.
    pub fn ended() -> Self {
        let stream = Self::empty();
        stream.change(|arrived| arrived.has_ended = true);
        stream
    }

    /// Waits for `text`; whether it came before the end and before `deadline`.
    pub fn wait_for(&self, text: &[u8], deadline: Instant) -> bool {
        let contains = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        self.wait(deadline, |arrived| {
            arrived.has_ended || contains(&arrived.bytes)
        });
        contains(&self.bytes())
    }

    /// Waits for the end; whether it came before `deadline`.
    pub fn wait_for_end(&self, deadline: Instant) -> bool {
        self.wait(deadline, |arrived| arrived.has_ended)
    }

    /// What has arrived.
    pub fn bytes(&self) -> Vec<u8> {
        let arrived = self.0.arrived.lock().expect("no holder of the lock panics");
        arrived.bytes.clone()
    }

    fn empty() -> Self {
        Self(Arc::new(Shared {
            arrived: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    fn change(&self, change: impl FnOnce(&mut Arrived)) {
        change(&mut self.0.arrived.lock().expect("no holder of the lock panics"));
        self.0.changed.notify_all();
    }

    fn wait(&self, deadline: Instant, is_done: impl Fn(&Arrived) -> bool) -> bool {
        let arrived = self.0.arrived.lock().expect("no holder of the lock panics");
        let limit = deadline.saturating_duration_since(Instant::now());
        let (arrived, _) = self
            .0
            .changed
            .wait_timeout_while(arrived, limit, |arrived| !is_done(arrived))
            .expect("no holder of the lock panics");
        is_done(&arrived)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_bytes_arrive_and_then_the_end() {
        let stream = Stream::gather(&b"ready\nmore"[..]);
        let deadline = Instant::now() + Duration::from_secs(10);
        assert!(stream.wait_for(b"ready\n", deadline));
        assert!(!stream.wait_for(b"never", deadline));
        assert!(stream.wait_for_end(deadline));
        assert_eq!(stream.bytes(), b"ready\nmore");
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let stream = Stream::gather(reader);
        let deadline = Instant::now() + Duration::from_millis(10);
        assert!(!stream.wait_for_end(deadline));
        assert!(Instant::now() >= deadline);
    }
}
