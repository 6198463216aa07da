//! What is asked of the machine: SIGINT and SIGTERM as requests, in the order of their arrival.

use hypercall::HostRequest;

/// Requests that have come and were not taken yet. One that is there already is not added: two
/// signals of one kind that wait are one (POSIX.1-2017, XSH 2.4.1).
#[derive(Debug)]
pub(crate) struct Requests {
    oldest: Option<HostRequest>,
    newest: Option<HostRequest>,
}

impl Requests {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            oldest: None,
            newest: None,
        }
    }

    /// Notes one that comes in.
    pub(crate) fn push(&mut self, request: HostRequest) {
        if self.oldest.is_none() {
            self.oldest = Some(request);
        } else if self.oldest != Some(request) {
            self.newest = Some(request);
        }
    }

    /// The oldest, which is then taken.
    pub(crate) fn take(&mut self) -> Option<HostRequest> {
        core::mem::replace(&mut self.oldest, self.newest.take())
    }

    /// Whether `request` waits to be taken.
    pub(crate) fn holds(&self, request: HostRequest) -> bool {
        [self.oldest, self.newest].contains(&Some(request))
    }
}

#[cfg(test)]
mod tests {
    use hypercall::HostRequest::{Interrupt, Terminate};

    use super::*;

    #[test]
    fn the_oldest_comes_first_whichever_it_is() {
        for [first, second] in [[Interrupt, Terminate], [Terminate, Interrupt]] {
            let mut requests = Requests::new();
            for request in [first, first, second, first] {
                requests.push(request);
            }
            assert!(requests.holds(first) && requests.holds(second));
            assert_eq!(requests.take(), Some(first));
            assert!(!requests.holds(first));
            assert_eq!(requests.take(), Some(second));
            assert_eq!(requests.take(), None);
        }
    }
}
