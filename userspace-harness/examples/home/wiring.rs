//! The home and the components, put together.

use std::time::Duration;

use fs::{RamFs, Vfs};
use posix::{Errno, Kernel};

use crate::home::StdHost;

/// How much the files may take.
const FILES_LIMIT: u64 = 1 << 20;

/// A kernel on `host`, with an empty root in memory and without a network.
pub fn kernel(host: StdHost) -> Result<Kernel<StdHost>, Errno> {
    let files = RamFs::new(FILES_LIMIT, Duration::ZERO);
    Kernel::new(host, Vfs::new(Box::new(files)), None)
}
