//! Meeting the other end of a wire: a Unix socket with a name.

use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A Unix socket at which the other end of a wire is awaited: `anykernel run --net unix=PATH`, or
/// whoever else connects there.
///
/// A wire has two ends, so the socket takes one connection. Its file goes when that has come, or
/// when this is dropped.
#[derive(Debug)]
pub struct Rendezvous {
    listener: UnixListener,
    path: PathBuf,
}

/// The ends of a wire did not meet.
#[derive(Debug, Error)]
pub enum RendezvousError {
    /// Something has the name.
    #[error("{}: exists already (remove it if nobody listens there, or name another)", .0.display())]
    Taken(PathBuf),
    /// The socket cannot be made or used.
    #[error("{}: {source}", path.display())]
    Socket {
        /// Its name.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Rendezvous {
    /// Makes the socket at `path`, where there must be nothing.
    pub fn listen(path: impl Into<PathBuf>) -> Result<Self, RendezvousError> {
        let path = path.into();
        match UnixListener::bind(&path) {
            Ok(listener) => Ok(Self { listener, path }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(RendezvousError::Taken(path)),
            Err(source) => Err(RendezvousError::Socket { path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits, for ever if need be, until somebody connects.
    pub fn accept(self) -> Result<UnixStream, RendezvousError> {
        match self.listener.accept() {
            Ok((stream, _)) => Ok(stream),
            Err(source) => Err(RendezvousError::Socket {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        // If it is gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_meets_the_other_and_no_file_is_left() {
        let folder = tempfile::tempdir().expect("a place for files");
        let path = folder.path().join("wire");
        let rendezvous = Rendezvous::listen(&path).expect("a new name");
        let taken = Rendezvous::listen(&path).expect_err("it is taken");
        assert!(matches!(taken, RendezvousError::Taken(_)), "{taken}");
        let _other = UnixStream::connect(&path).expect("it listens");
        rendezvous.accept().expect("somebody has come");
        assert!(!path.exists());
    }
}
