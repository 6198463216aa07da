//! State that belongs to the one processor while it runs kernel code.

use core::cell::{Cell, UnsafeCell};

/// A value that kernel code reaches exclusively.
///
/// There is one processor, and interrupts are off in the kernel except where it waits, with no
/// value borrowed that a handler reaches; so entering twice is a bug of one thread, and found at
/// run time.
pub(crate) struct KernelCell<T> {
    value: UnsafeCell<T>,
    entered: Cell<bool>,
}

// SAFETY: one processor runs all code, and `with` refuses to enter twice.
unsafe impl<T> Sync for KernelCell<T> {}

impl<T> KernelCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            entered: Cell::new(false),
        }
    }

    /// Lends the value to `body`.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.entered.replace(true), "kernel state entered twice");
        // SAFETY: `entered` was false, so no other reference to the value is alive.
        let result = body(unsafe { &mut *self.value.get() });
        self.entered.set(false);
        result
    }
}
