//! What the PVH loader tells: the memory map and the command line.
//!
//! Layout: Xen `public/arch-x86/hvm/start_info.h`, `struct hvm_start_info` version 1.

use core::ffi::CStr;

const MAGIC: u32 = 0x336e_c578;

/// `struct hvm_start_info`. The fields beyond are of no use here.
#[repr(C)]
struct RawStartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// `struct hvm_memmap_table_entry`: a range of physical addresses and what is there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryMapEntry {
    pub(crate) start: u64,
    pub(crate) length: u64,
    kind: u32,
    reserved: u32,
}

impl MemoryMapEntry {
    /// An entry for plain memory.
    #[cfg(test)]
    pub(crate) fn memory(start: u64, length: u64) -> Self {
        Self {
            start,
            length,
            kind: 1,
            reserved: 0,
        }
    }

    /// The first address behind it.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Whether it is plain memory (`XEN_HVM_MEMMAP_TYPE_RAM`).
    pub(crate) fn is_memory(&self) -> bool {
        self.kind == 1
    }
}

/// The loader's word, checked.
#[derive(Clone, Copy)]
pub(crate) struct StartInfo {
    pub(crate) memory_map: &'static [MemoryMapEntry],
    pub(crate) command_line: &'static str,
}

impl StartInfo {
    /// Reads the start info at `address`. `None` if nothing of the kind is there.
    ///
    /// # Safety
    ///
    /// `address` is what the loader put into `ebx`, and the memory that it and its pointers name
    /// is in the identity map and stays untouched while the value is used.
    pub(crate) unsafe fn read(address: u64) -> Option<Self> {
        // SAFETY: the loader's structure, by this function's promise.
        let raw = unsafe { &*(address as *const RawStartInfo) };
        if raw.magic != MAGIC || raw.version < 1 || raw.memory_map == 0 {
            return None;
        }
        // SAFETY: the loader's table, by this function's promise.
        let memory_map = unsafe {
            core::slice::from_raw_parts(
                raw.memory_map as *const MemoryMapEntry,
                raw.memory_map_entries as usize,
            )
        };
        let command_line = if raw.command_line == 0 {
            c""
        } else {
            // SAFETY: the loader's string, terminated, by this function's promise.
            unsafe { CStr::from_ptr(raw.command_line as *const _) }
        };
        // A command line is ASCII as `run` writes it; another is as good as none.
        Some(Self {
            memory_map,
            command_line: ascii_text(command_line.to_bytes()).unwrap_or(""),
        })
    }
}

/// `bytes` as text, if all of it is ASCII, as command line words are: the check for any UTF-8 would
/// take half a kilobyte of an image.
pub(crate) fn ascii_text(bytes: &[u8]) -> Option<&str> {
    // SAFETY: ASCII is UTF-8.
    bytes
        .is_ascii()
        .then(|| unsafe { core::str::from_utf8_unchecked(bytes) })
}
