//! A terminal without a person: both ends of a pseudo-terminal.

use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::ptr;

/// A pseudo-terminal.
pub struct Terminal {
    /// The person's end: what is read here a program has written.
    pub person: File,
    programs: OwnedFd,
}

impl Terminal {
    /// Opens one.
    pub fn open() -> Self {
        let (mut person, mut programs) = (-1, -1);
        // SAFETY: the first two are places for descriptors; the others may be null, for no name
        // and the usual settings.
        let result = unsafe {
            libc::openpty(
                &raw mut person,
                &raw mut programs,
                ptr::null_mut(),
                ptr::null(),
                ptr::null(),
            )
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: `openpty` has just opened both, and nobody else knows of them.
        unsafe {
            Self {
                person: File::from_raw_fd(person),
                programs: OwnedFd::from_raw_fd(programs),
            }
        }
    }

    /// The end that a program is given as one of its standard streams.
    pub fn stdio(&self) -> Stdio {
        let end = self.programs.try_clone();
        end.expect("a descriptor can be duplicated").into()
    }
}

#[cfg(test)]
mod tests {
    use std::io::IsTerminal;

    use super::*;

    #[test]
    fn both_ends_are_terminals() {
        let terminal = Terminal::open();
        assert!(terminal.person.is_terminal());
        assert!(terminal.programs.is_terminal());
    }
}
