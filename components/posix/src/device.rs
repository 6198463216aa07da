//! Devices that need no hardware: null, zero, full and the sources of random bytes.

use hypercall::{Host, Sink, Source};

use crate::{Errno, Kernel};

/// How many bytes are made up or thrown away at a time.
const CHUNK: usize = 256;

/// A device that never waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// Reads as ended, takes everything.
    Null,
    /// Reads as zeros, takes everything.
    Zero,
    /// Reads as zeros, has no space.
    Full,
    /// Reads as random bytes. What is written goes nowhere: the host mixes its own entropy.
    Random,
    /// The same under its other name.
    Urandom,
}

/// What a device number stands for.
pub(crate) enum DeviceNumber {
    /// One of the devices of this file.
    Device(Device),
    /// The console.
    Console,
}

impl DeviceNumber {
    /// What (major, minor) stands for, with Linux' numbers; ENXIO if nothing does.
    pub(crate) const fn new(major: u32, minor: u32) -> Result<Self, Errno> {
        let device = match (major, minor) {
            (1, 3) => Device::Null,
            (1, 5) => Device::Zero,
            (1, 7) => Device::Full,
            (1, 8) => Device::Random,
            (1, 9) => Device::Urandom,
            (5, 0 | 1) => return Ok(Self::Console),
            _ => return Err(Errno::ENXIO),
        };
        Ok(Self::Device(device))
    }
}

impl Device {
    /// Its minor number; the major is 1.
    pub(crate) const fn minor(self) -> u32 {
        match self {
            Self::Null => 3,
            Self::Zero => 5,
            Self::Full => 7,
            Self::Random => 8,
            Self::Urandom => 9,
        }
    }

    /// Takes in all of `data`.
    pub(crate) fn write(self, data: &mut dyn Source) -> Result<usize, Errno> {
        if self == Self::Full && data.remaining() > 0 {
            return Err(Errno::ENOSPC);
        }
        let mut chunk = [0; CHUNK];
        let mut moved = 0;
        while data.remaining() > 0 {
            moved += data.take(&mut chunk);
        }
        Ok(moved)
    }
}

impl<H: Host> Kernel<H> {
    /// Fills `into` from a device.
    pub(crate) fn read_device(
        &mut self,
        device: Device,
        into: &mut dyn Sink,
    ) -> Result<usize, Errno> {
        match device {
            Device::Null => Ok(0),
            Device::Zero | Device::Full => Ok(put_zeros(into)),
            Device::Random | Device::Urandom => self.getrandom(into),
        }
    }

    /// Fills `into` with random bytes fit for keys.
    pub fn getrandom(&mut self, into: &mut dyn Sink) -> Result<usize, Errno> {
        let mut chunk = [0; CHUNK];
        let mut moved = 0;
        while into.remaining() > 0 {
            let wanted = into.remaining().min(CHUNK);
            self.host.fill_entropy(&mut chunk[..wanted])?;
            moved += into.put(&chunk[..wanted]);
        }
        Ok(moved)
    }
}

fn put_zeros(into: &mut dyn Sink) -> usize {
    let mut moved = 0;
    while into.remaining() > 0 {
        moved += into.put(&[0; CHUNK]);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenFlags;
    use crate::fake_host::{self, try_read, try_write};

    #[test]
    fn each_device_reads_and_takes_as_its_name_says() {
        let mut kernel = fake_host::kernel();
        let full = Err(Errno::ENOSPC);
        for (path, byte, written) in [
            (&b"/dev/null"[..], None, Ok(Some(600))),
            (b"/dev/zero", Some(0), Ok(Some(600))),
            (b"/dev/full", Some(0), full),
            (b"/dev/random", Some(0x5A), Ok(Some(600))),
            (b"/dev/urandom", Some(0x5A), Ok(Some(600))),
        ] {
            let fd = kernel.file(path, OpenFlags::READ_WRITE).unwrap();
            let read = try_read(&mut kernel, fd, 600).unwrap().unwrap();
            assert_eq!(read.len(), if byte.is_some() { 600 } else { 0 });
            assert!(read.iter().all(|read| Some(*read) == byte));
            assert_eq!(try_write(&mut kernel, fd, &[7; 600]), written);
        }
    }

    #[test]
    fn the_consoles_names_open_it() {
        let mut kernel = fake_host::kernel();
        let fd = kernel.file(b"/dev/console", OpenFlags::READ_WRITE).unwrap();
        assert_eq!(try_write(&mut kernel, fd, b"hello"), Ok(Some(5)));
        assert_eq!(kernel.host().output, b"hello");
    }

    #[test]
    fn other_numbers_are_no_device() {
        assert!(matches!(DeviceNumber::new(8, 0), Err(Errno::ENXIO)));
    }
}
