//! The machine's start and end.

use core::arch::asm;
use core::time::Duration;

use protocol::{ImagePart, Settings};

use crate::console::CONSOLE;
use crate::host::{CLOCK, KvmHost};
use crate::memory::{MEMORY, Memory};
use crate::paging::PROGRAM_START;
use crate::program::KvmProgramHost;
use crate::start_info::{MemoryMapEntry, StartInfo, ascii_text};
use crate::{address_space, cpu, interrupts, tables};

/// A machine that has started.
pub struct Machine {
    /// The machine as a home of components.
    pub host: KvmHost,
    /// Its means to run a program.
    pub program_host: KvmProgramHost,
    /// What it was told.
    pub settings: Settings<'static>,
}

/// Why a machine does not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// The loader did not follow the PVH protocol.
    NoStartInfo,
    /// Memory ends before the image does, or right behind it.
    TooLittleMemory,
}

/// Starts the machine: processor tables, memory, address space, interrupts, clock, console.
///
/// # Safety
///
/// Called once, by the boot code, with what the PVH loader passed. `image` names all of the image
/// that lies outside the kernel's own segments, by address; `default_words` lies in it.
pub unsafe fn start(
    start_info: u64,
    image: &[ImagePart],
    default_words: &'static [u8],
) -> Result<Machine, StartError> {
    cpu::enable_extended_state();
    tables::load();
    CLOCK.with(|clock| clock.now());
    CONSOLE.with(|console| console.start_output());
    // SAFETY: the caller passes the loader's word on.
    let info = unsafe { StartInfo::read(start_info) }.ok_or(StartError::NoStartInfo)?;
    let memory_end = memory_end(info.memory_map);
    // SAFETY: the image's ranges are the caller's promise, the others are taken here.
    unsafe { take_memory(start_info, &info, memory_end, image) }
        .ok_or(StartError::TooLittleMemory)?;
    start_services(info.memory_map, image).ok_or(StartError::TooLittleMemory)?;

    let default_words = ascii_text(default_words).unwrap_or("");
    let settings = Settings::new(default_words, info.command_line);
    CONSOLE.with(|console| console.set_terminals(settings.terminals()));
    let epoch = Duration::from_nanos(settings.epoch_ns().unwrap_or(0));
    Ok(Machine {
        host: KvmHost::new(epoch),
        program_host: KvmProgramHost::new(),
        settings,
    })
}

/// Ends the machine: a triple fault, which every hypervisor understands.
pub(crate) fn reset() -> ! {
    let no_gates = [0_u16; 5];
    // SAFETY: without gates the exception cannot be delivered, nor the faults that follow from
    // that, so the processor shuts down. Nothing runs after.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) &no_gates, options(nostack, noreturn)) }
}

/// Where the machine's memory ends. What lies beyond the identity map's half terabyte is not used.
fn memory_end(map: &[MemoryMapEntry]) -> u64 {
    let memory = map.iter().filter(|entry| entry.is_memory());
    let end = memory.map(MemoryMapEntry::end).fold(0, u64::max);
    end.min(PROGRAM_START)
}

/// Starts the allocator on all memory below `end` that is not in use.
///
/// # Safety
///
/// `info` is the loader's, and `image` names all of the image beside the kernel.
unsafe fn take_memory(
    start_info: u64,
    info: &StartInfo,
    end: u64,
    image: &[ImagePart],
) -> Option<()> {
    /// Length of the start info, whose structure grows with its version; a page is plenty.
    const START_INFO_LENGTH: u64 = 256;
    let (kernel_start, _) = address_space::kernel_text();
    let kernel = (kernel_start, address_space::kernel_end());
    // What lies between two parts, if anything, is not worth a search of its own.
    let beside = match image {
        [first, .., last] => (first.start, last.end),
        _ => kernel,
    };
    let map = info.memory_map;
    if !is_memory(map, kernel.0, beside.1) {
        return None;
    }
    let map_start = map.as_ptr() as u64;
    let words_start = info.command_line.as_ptr() as u64;
    let words_end = words_start + info.command_line.len() as u64 + 1;
    let taken = [
        kernel,
        beside,
        (start_info, start_info + START_INFO_LENGTH),
        (map_start, map_start + size_of_val(map) as u64),
        (words_start, words_end),
    ];
    // SAFETY: the loader's map is the truth, the boot code's identity map covers what the tables
    // made next will need, and `taken` holds all that is in use, by this function's promise.
    let memory = unsafe { Memory::start(map, end, &taken) }?;
    MEMORY.with(|place| *place = memory);
    Some(())
}

fn start_services(map: &[MemoryMapEntry], image: &[ImagePart]) -> Option<()> {
    address_space::start(map, image)?;
    cpu::flush_all_pages();
    interrupts::start()?;
    CONSOLE.with(|console| console.start_input());
    Some(())
}

/// Whether all from `start` to `end` is memory.
fn is_memory(map: &[MemoryMapEntry], start: u64, end: u64) -> bool {
    map.iter()
        .any(|entry| entry.is_memory() && entry.start <= start && end <= entry.end())
}
