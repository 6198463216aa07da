//! [`StdHost`]: Rust's standard library as a platform.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use hypercall::{
    ConsoleError, EntropyUnavailable, Host, HostRequest, Input, Instant, OutOfPages, PAGE_SIZE,
    Pages, Stream, Wake,
};

/// A home that any program can be which has the standard library. Nobody stands at its controls.
pub struct StdHost {
    start: std::time::Instant,
    news: StdWaker,
}

impl StdHost {
    /// A home whose standard input is `input` and whose other streams are the process's own. Its
    /// clock starts now.
    pub fn new(input: impl Read + Send + 'static) -> Self {
        let news = StdWaker::default();
        let typed = news.clone();
        // Reading blocks, so it is done elsewhere. The thread ends with its input.
        thread::spawn(move || typed.read_all(input));
        Self {
            start: std::time::Instant::now(),
            news,
        }
    }
}

/// What ends a wait: the waker's own word, and input. Clones share it.
#[derive(Clone, Default)]
pub struct StdWaker(Arc<(Mutex<News>, Condvar)>);

#[derive(Default)]
struct News {
    /// Something has happened since the last wait.
    is_there: bool,
    typed: VecDeque<u8>,
    input_ended: bool,
}

impl StdWaker {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the news, and tells whoever waits.
    fn tell(&self, change: impl FnOnce(&mut News)) {
        let mut news = self.lock();
        change(&mut news);
        news.is_there = true;
        self.0.1.notify_all();
    }

    fn read_all(&self, mut input: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            self.tell(|news| news.typed.extend(&buffer[..count]));
        }
        self.tell(|news| news.input_ended = true);
    }
}

impl Wake for StdWaker {
    fn wake(&self) {
        self.tell(|_| ());
    }
}

impl Host for StdHost {
    type Waker = StdWaker;

    fn monotonic(&mut self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    fn wall_clock(&mut self) -> Duration {
        // A clock set before 1970 counts as one that is not known.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap_or_default()
    }

    fn fill_entropy(&mut self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        let filled = File::open("/dev/urandom").and_then(|mut file| file.read_exact(bytes));
        filled.map_err(|_| EntropyUnavailable)
    }

    fn console_write(&mut self, stream: Stream, bytes: &[u8]) -> Result<usize, ConsoleError> {
        let written = match stream {
            Stream::Input => return Err(ConsoleError::Closed),
            Stream::Output => write_through(io::stdout(), bytes),
            Stream::Error => write_through(io::stderr(), bytes),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => ConsoleError::Closed,
            _ => ConsoleError::Failed,
        })
    }

    fn console_read(&mut self, buffer: &mut [u8]) -> Result<Input, ConsoleError> {
        let mut news = self.news.lock();
        if !news.typed.is_empty() {
            // Reading from a queue in memory cannot fail.
            let count = news.typed.read(buffer).unwrap_or_default();
            return Ok(Input::Bytes(count));
        }
        Ok(match news.input_ended {
            true => Input::End,
            false => Input::Pending,
        })
    }

    fn console_is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Input => io::stdin().is_terminal(),
            Stream::Output => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        }
    }

    fn take_request(&mut self) -> Option<HostRequest> {
        None
    }

    fn wait(&mut self, deadline: Option<Instant>) {
        // Without a deadline, as good as for ever: a wait may return for no reason.
        let limit = match deadline {
            Some(deadline) => deadline.saturating_since(self.monotonic()),
            None => Duration::from_secs(3600),
        };
        let (_, changed) = &*self.news.0;
        let waited = changed.wait_timeout_while(self.news.lock(), limit, |news| !news.is_there);
        let (mut news, _) = waited.unwrap_or_else(PoisonError::into_inner);
        news.is_there = false;
    }

    fn waker(&self) -> StdWaker {
        self.news.clone()
    }

    fn allocate_pages(&mut self, count: NonZeroUsize) -> Result<Pages, OutOfPages> {
        let layout = layout(count).ok_or(OutOfPages)?;
        // SAFETY: the layout is not empty, as `count` is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(OutOfPages)?;
        // SAFETY: the allocator gave whole pages, zeroed, and gave them to nobody else.
        Ok(unsafe { Pages::from_raw(start, count) })
    }

    fn release_pages(&mut self, pages: Pages) {
        let (start, count) = pages.into_raw();
        if let Some(layout) = layout(count) {
            // SAFETY: `pages` came from `allocate_pages` (the contract of this method), which
            // allocated with the same layout, and nothing refers to them any more.
            unsafe { dealloc(start.as_ptr(), layout) };
        }
    }

    fn exit(&mut self, status: u8) -> ! {
        std::process::exit(status.into())
    }
}

fn write_through(mut stream: impl Write, bytes: &[u8]) -> io::Result<usize> {
    let count = stream.write(bytes)?;
    stream.flush()?;
    Ok(count)
}

/// The layout of `count` pages, if there can be so many.
fn layout(count: NonZeroUsize) -> Option<Layout> {
    let length = count.get().checked_mul(PAGE_SIZE)?;
    Layout::from_size_align(length, PAGE_SIZE).ok()
}
