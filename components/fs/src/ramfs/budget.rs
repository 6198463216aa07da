//! The byte limit of a RAM file system.

use crate::FsError;

/// Bytes that may be used, and those that are.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    /// Takes `bytes`, or nothing at all.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), FsError> {
        self.exchange(0, bytes)
    }

    /// Gives back `bytes` that were taken.
    pub(super) fn give(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Gives back `given` and takes `taken`, or does neither.
    pub(super) fn exchange(&mut self, given: u64, taken: u64) -> Result<(), FsError> {
        let kept = self.used.saturating_sub(given);
        let used = kept.checked_add(taken).ok_or(FsError::NoSpace)?;
        // Giving back more than is taken succeeds even above the limit.
        if used > self.limit && taken > given {
            return Err(FsError::NoSpace);
        }
        self.used = used;
        Ok(())
    }

    /// The limit, and what is left of it.
    pub(super) fn space(&self) -> (u64, u64) {
        (self.limit, self.limit.saturating_sub(self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.take(8), Ok(()));
        assert_eq!(budget.take(3), Err(FsError::NoSpace));
        assert_eq!(budget.exchange(2, 5), Err(FsError::NoSpace));
        assert_eq!(budget.space(), (10, 2));
        assert_eq!(budget.exchange(2, 4), Ok(()));
        budget.give(10);
        assert_eq!(budget.space(), (10, 10));
    }
}
