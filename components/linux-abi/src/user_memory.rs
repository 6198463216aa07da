//! The program's memory as a system call sees it: every address is checked before it is used.
//!
//! A value or a buffer is prepared whole before anything is copied, so that a bad pointer is
//! EFAULT and has had no effect.

use alloc::vec::Vec;

use hypercall::{PAGE_SIZE, ProgramHost, Protection};
use posix::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Access to the memory of a program.
pub struct UserMemory<'a> {
    host: &'a mut dyn ProgramHost,
}

impl<'a> UserMemory<'a> {
    /// The memory of the program that `host` runs.
    pub fn new(host: &'a mut dyn ProgramHost) -> Self {
        Self { host }
    }

    /// The home itself, for whoever copies what has been prepared.
    pub(crate) fn into_host(self) -> &'a mut dyn ProgramHost {
        self.host
    }

    /// Checks that the program can access `length` bytes from `address` as `access` says. No
    /// bytes can be had anywhere.
    pub fn prepare(
        &mut self,
        address: u64,
        length: usize,
        access: Protection,
    ) -> Result<(), Errno> {
        if length == 0 {
            return Ok(());
        }
        self.host
            .prepare(address, length, access)
            .map_err(|_| Errno::EFAULT)
    }

    /// A value that the program has at `address`.
    pub fn read<T: FromBytes + IntoBytes>(&mut self, address: u64) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        self.read_bytes(address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// As [`read`](UserMemory::read), but nothing at address zero.
    pub fn read_optional<T: FromBytes + IntoBytes>(
        &mut self,
        address: u64,
    ) -> Result<Option<T>, Errno> {
        if address == 0 {
            return Ok(None);
        }
        self.read(address).map(Some)
    }

    /// Gives the program a value at `address`.
    pub fn write<T: IntoBytes + Immutable>(
        &mut self,
        address: u64,
        value: &T,
    ) -> Result<(), Errno> {
        self.write_bytes(address, value.as_bytes())
    }

    /// As [`write`](UserMemory::write), but does nothing at address zero.
    pub fn write_optional<T: IntoBytes + Immutable>(
        &mut self,
        address: u64,
        value: &T,
    ) -> Result<(), Errno> {
        if address == 0 {
            return Ok(());
        }
        self.write(address, value)
    }

    /// Fills `into` from `address` on.
    pub fn read_bytes(&mut self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.prepare(address, into.len(), Protection::READ)?;
        if into.is_empty() {
            return Ok(());
        }
        self.host.copy_in(address, into).map_err(|_| Errno::EFAULT)
    }

    /// Writes `bytes` at `address`.
    pub fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.prepare(address, bytes.len(), Protection::WRITE)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.host
            .copy_out(bytes, address)
            .map_err(|_| Errno::EFAULT)
    }

    /// `count` values from `address` on. The caller has bounded `count`.
    pub fn read_array<T>(&mut self, address: u64, count: usize) -> Result<Vec<T>, Errno>
    where
        T: FromBytes + IntoBytes,
    {
        let length = count.checked_mul(size_of::<T>()).ok_or(Errno::EINVAL)?;
        self.prepare(address, length, Protection::READ)?;
        let mut values = Vec::new();
        values.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
        values.resize_with(count, T::new_zeroed);
        self.read_bytes(address, values.as_mut_slice().as_mut_bytes())?;
        Ok(values)
    }

    /// The bytes before the NUL of a string at `address`; with its NUL it may have `limit` bytes,
    /// or it is ENAMETOOLONG.
    pub fn read_string(&mut self, address: u64, limit: usize) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        let mut from = address;
        loop {
            let mut chunk = [0; STRING_CHUNK];
            let wanted = chunk.len().min(to_page_end(from)).min(limit - string.len());
            if wanted == 0 {
                return Err(Errno::ENAMETOOLONG);
            }
            let chunk = &mut chunk[..wanted];
            self.read_bytes(from, chunk)?;
            let end = chunk.iter().position(|byte| *byte == 0);
            let found = &chunk[..end.unwrap_or(wanted)];
            string.try_reserve(found.len()).map_err(|_| Errno::ENOMEM)?;
            string.extend_from_slice(found);
            if end.is_some() {
                return Ok(string);
            }
            from = from.checked_add(wanted as u64).ok_or(Errno::EFAULT)?;
        }
    }

    /// A path that the program names (PATH_MAX).
    pub fn read_path(&mut self, address: u64) -> Result<Vec<u8>, Errno> {
        self.read_string(address, crate::bindings::PATH_MAX as usize)
    }
}

/// How much of a string is looked at in one go: most paths are shorter.
const STRING_CHUNK: usize = 128;

/// The bytes from `address` to the end of its page: what lies beyond may not be mapped.
fn to_page_end(address: u64) -> usize {
    PAGE_SIZE - (address % PAGE_SIZE as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeProgramHost, TestMemory as _};

    const PAGE: u64 = PAGE_SIZE as u64;

    #[test]
    fn a_value_goes_out_and_comes_back() {
        let mut host = FakeProgramHost::new();
        let address = host.place(1, Protection::READ | Protection::WRITE);
        let mut memory = UserMemory::new(&mut host);
        assert_eq!(memory.write(address + 4, &0x1234_5678_u32), Ok(()));
        assert_eq!(memory.read(address + 4), Ok(0x1234_5678_u32));
        assert_eq!(memory.read_optional::<u32>(0), Ok(None));
    }

    #[test]
    fn a_value_over_the_end_is_a_fault_and_writes_nothing() {
        let mut host = FakeProgramHost::new();
        let address = host.place(1, Protection::READ | Protection::WRITE);
        let mut memory = UserMemory::new(&mut host);
        let last = address + PAGE - 4;
        assert_eq!(memory.write(last, &u64::MAX), Err(Errno::EFAULT));
        assert_eq!(memory.read(last), Ok(0_u32));
        assert_eq!(memory.read::<u64>(u64::MAX - 3), Err(Errno::EFAULT));
    }

    #[test]
    fn what_the_program_may_only_read_is_not_written() {
        let mut host = FakeProgramHost::new();
        let address = host.place(1, Protection::READ);
        let mut memory = UserMemory::new(&mut host);
        assert_eq!(memory.write(address, &1_u8), Err(Errno::EFAULT));
        assert_eq!(memory.read(address), Ok(0_u8));
    }

    #[test]
    fn a_string_may_end_at_the_last_byte_of_a_mapping() {
        let mut host = FakeProgramHost::new();
        let address = host.place(1, Protection::READ | Protection::WRITE);
        let mut memory = UserMemory::new(&mut host);
        let at = address + PAGE - 4;
        assert_eq!(memory.write_bytes(at, b"abc\0"), Ok(()));
        assert_eq!(memory.read_string(at, 4), Ok(b"abc".to_vec()));
        assert_eq!(memory.read_string(at, 3), Err(Errno::ENAMETOOLONG));
        assert_eq!(memory.write_bytes(at, b"abcd"), Ok(()));
        assert_eq!(memory.read_string(at, 100), Err(Errno::EFAULT));
    }

    #[test]
    fn a_long_string_is_read_in_pieces() {
        let mut host = FakeProgramHost::new();
        let address = host.place(3, Protection::READ | Protection::WRITE);
        let mut memory = UserMemory::new(&mut host);
        let text: Vec<u8> = (0..4095_u32).map(|i| (i % 255 + 1) as u8).collect();
        assert_eq!(memory.write_bytes(address + 77, &text), Ok(()));
        assert_eq!(memory.read_path(address + 77), Ok(text.clone()));
        assert_eq!(memory.write_bytes(address + 77 + 4095, b"x"), Ok(()));
        assert_eq!(memory.read_path(address + 77), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn an_array_beyond_all_memory_is_refused() {
        let mut host = FakeProgramHost::new();
        let address = host.place(1, Protection::READ);
        let mut memory = UserMemory::new(&mut host);
        assert_eq!(memory.read_array::<u64>(address, 2), Ok(alloc::vec![0, 0]));
        let endless = memory.read_array::<u64>(address, usize::MAX / 4);
        assert_eq!(endless, Err(Errno::EINVAL));
        let large = memory.read_array::<u64>(address, usize::MAX / 16);
        assert_eq!(large, Err(Errno::EFAULT));
    }
}
