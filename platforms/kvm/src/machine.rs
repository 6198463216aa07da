//! The machine's start and end.

use core::arch::asm;
use core::ops::Range;
use core::time::Duration;

use hypercall::Protection;
use protocol::Settings;

use crate::console::CONSOLE;
use crate::host::{CLOCK, KvmHost};
use crate::memory::{MEMORY, Memory};
use crate::paging::{Owner, PROGRAM_START};
use crate::program::KvmProgramHost;
use crate::start_info::{MemoryMapEntry, StartInfo};
use crate::{address_space, cpu, interrupts, tables};

/// More ranges than this in an image are a mistake.
const MOST_TAKEN: usize = 24;

/// A machine that has started.
pub struct Machine {
    /// The machine as a home of components.
    pub host: KvmHost,
    /// Its means to run a program.
    pub program_host: KvmProgramHost,
    /// What it was told.
    pub settings: Settings<'static>,
}

/// A part of the image beside the kernel, and what the program may do with it.
#[derive(Clone, Debug)]
pub struct ImagePart {
    /// Its physical addresses, which are also its virtual ones.
    pub range: Range<u64>,
    /// What the program may do with it.
    pub protection: Protection,
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
/// that lies outside the kernel's own segments; `default_words` lies in it.
pub unsafe fn start(
    start_info: u64,
    image: impl Iterator<Item = ImagePart> + Clone,
    default_words: &'static str,
) -> Result<Machine, StartError> {
    cpu::enable_extended_state();
    tables::load();
    CLOCK.with(|clock| clock.now());
    CONSOLE.with(|console| console.start_output());
    // SAFETY: the caller passes the loader's word on.
    let info = unsafe { StartInfo::read(start_info) }.ok_or(StartError::NoStartInfo)?;
    let memory_end = memory_end(info.memory_map);
    // SAFETY: the image's ranges are the caller's promise, the others are taken here.
    unsafe { take_memory(start_info, &info, memory_end, image.clone()) }
        .ok_or(StartError::TooLittleMemory)?;
    start_services(info.memory_map, image).ok_or(StartError::TooLittleMemory)?;

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
    image: impl Iterator<Item = ImagePart>,
) -> Option<()> {
    /// Length of the start info, whose structure grows with its version; a page is plenty.
    const START_INFO_LENGTH: u64 = 256;
    let (kernel_start, _) = address_space::kernel_text();
    let kernel = (kernel_start, address_space::kernel_end());
    let map = info.memory_map;
    let map_start = map.as_ptr() as u64;
    let words_start = info.command_line.as_ptr() as u64;
    let own = [
        kernel,
        (start_info, start_info + START_INFO_LENGTH),
        (map_start, map_start + size_of_val(map) as u64),
        (
            words_start,
            words_start + info.command_line.len() as u64 + 1,
        ),
    ];
    let mut taken = [(0, 0); MOST_TAKEN];
    let parts = image.map(|part| (part.range.start, part.range.end));
    let mut count = 0;
    for range in own.into_iter().chain(parts) {
        *taken.get_mut(count)? = range;
        count += 1;
    }
    let taken = &taken[..count];
    let fits = |range: &(u64, u64)| map.iter().any(|entry| holds(entry, range));
    if !fits(&kernel) || !taken[own.len()..].iter().all(fits) {
        return None;
    }
    // SAFETY: the loader's map is the truth, the boot code's identity map covers what the tables
    // made next will need, and `taken` holds all that is in use, by this function's promise.
    let memory = unsafe { Memory::start(map, end, taken) }?;
    MEMORY.with(|place| *place = memory);
    Some(())
}

fn start_services(map: &[MemoryMapEntry], image: impl Iterator<Item = ImagePart>) -> Option<()> {
    address_space::start(map)?;
    for part in image {
        address_space::with(|space, memory| {
            let Range { start, end } = part.range;
            space.protect_image(memory, start, end, part.protection, Owner::Program)
        })?;
    }
    cpu::flush_all_pages();
    interrupts::start()?;
    CONSOLE.with(|console| console.start_input());
    Some(())
}

fn holds(entry: &MemoryMapEntry, range: &(u64, u64)) -> bool {
    entry.is_memory() && entry.start <= range.0 && range.1 <= entry.end()
}
