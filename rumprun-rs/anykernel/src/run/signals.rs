//! Ctrl-C and `kill` of `run`, as something to wait for.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// Signals that were caught. Until they are released they do nothing but make a descriptor
/// readable.
pub struct Signals {
    /// Readable after SIGINT.
    pub interrupt: UnixStream,
    /// Readable after SIGTERM.
    pub terminate: UnixStream,
    is_over: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to catch.
    pub fn catch() -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let interrupt = catch(SIGINT, &is_over)?;
        let terminate = catch(SIGTERM, &is_over)?;
        Ok(Self {
            interrupt,
            terminate,
            is_over,
        })
    }

    /// From now on a signal does to us what it does to any process: nothing that is left to do,
    /// such as waiting for a reader of our output, keeps Ctrl-C from working.
    pub fn release(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn catch(signal: i32, is_over: &Arc<AtomicBool>) -> io::Result<UnixStream> {
    let (caught, sender) = UnixStream::pair()?;
    caught.set_nonblocking(true)?;
    flag::register_conditional_default(signal, Arc::clone(is_over))?;
    low_level::pipe::register(signal, sender)?;
    Ok(caught)
}

/// How often the signal of `stream` came since the last call.
pub fn count(stream: &mut UnixStream) -> usize {
    // An error is that there is nothing more to read.
    stream.read(&mut [0; 64]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_counts() {
        let mut signals = Signals::catch().unwrap();
        assert_eq!(count(&mut signals.terminate), 0);
        low_level::raise(SIGTERM).unwrap();
        low_level::raise(SIGTERM).unwrap();
        assert_eq!(count(&mut signals.terminate), 2);
        assert_eq!(count(&mut signals.interrupt), 0);
    }
}
