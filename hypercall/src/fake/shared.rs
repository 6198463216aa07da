//! A value that several fakes hold, as two ends hold one wire.

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value behind a lock. Clones are handles to the same value.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(Arc<Locked<T>>);

#[derive(Debug, Default)]
struct Locked<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `Shared::with` is the only way to the value, and gives it to one thread at a time.
unsafe impl<T: Send> Sync for Locked<T> {}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Locked {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }))
    }

    /// Works on the value, alone. `work` must not use the same handle again, which would wait
    /// for itself.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        while self.0.taken.swap(true, Ordering::Acquire) {
            core::hint::spin_loop();
        }
        // SAFETY: `taken` was clear and is now ours, so no other reference exists until it is
        // cleared below.
        let result = work(unsafe { &mut *self.0.value.get() });
        self.0.taken.store(false, Ordering::Release);
        result
    }
}
