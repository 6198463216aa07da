//! A program's memory and processor state, for whoever runs it.

use core::arch::asm;

use hypercall::{Fault, MapError, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

use crate::paging::{Access, PROGRAM_END, PROGRAM_START};
use crate::{address_space, cpu, trap};

/// Bits of a page fault's error code (Intel SDM volume 3, 4.7).
const FAULT_PRESENT: u64 = 1;
const FAULT_WRITE: u64 = 2;
const FAULT_FETCH: u64 = 16;

/// Where sixteen xmm registers lie in the area of `fxsave64`.
const FXSAVE_XMM: usize = 160;
/// Where MXCSR lies there, and the bits that every SSE2 processor has.
const FXSAVE_MXCSR: usize = 24;
const MXCSR_BITS: u32 = 0xffbf;

/// The register with the address that FS adds (Intel SDM volume 4, IA32_FS_BASE).
const FS_BASE: u32 = 0xc000_0100;

/// The machine's means to run a program. There is one; [`start`](crate::start) makes it.
#[derive(Debug)]
pub struct KvmProgramHost(());

impl KvmProgramHost {
    /// The machine's.
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// The thread pointer with which the program goes on.
    pub fn thread_pointer(&self) -> u64 {
        cpu::msr_read(FS_BASE)
    }
}

impl ProgramHost for KvmProgramHost {
    fn program_range(&self) -> ProgramRange {
        ProgramRange::new(PROGRAM_START, PROGRAM_END - PROGRAM_START)
            .expect("both ends are whole pages")
    }

    fn memory(&self) -> (u64, u64) {
        address_space::with(|_, memory| memory.total_and_free())
    }

    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        check(protection)?;
        address_space::with(|space, memory| space.map(memory, range, protection))
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        check(protection)?;
        address_space::with(|space, memory| space.protect(memory, range, protection))
    }

    fn unmap(&mut self, range: ProgramRange) {
        address_space::with(|space, memory| space.unmap(memory, range));
    }

    fn prepare(&mut self, address: u64, length: usize, access: Protection) -> Result<(), Fault> {
        for_each_page(address, length, |start, _| {
            reach(start, Access::Program(access)).map(drop)
        })
    }

    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        for_each_page(address, into.len(), |start, part| {
            let from = reach(start, Access::Program(Protection::READ))?;
            let piece = &mut into[part];
            // SAFETY: `from` is in the identity map and the piece ends within its page; program
            // memory and the kernel's slices never overlap.
            unsafe { from.copy_to_nonoverlapping(piece.as_mut_ptr(), piece.len()) };
            Ok(())
        })
    }

    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault> {
        for_each_page(address, bytes.len(), |start, part| {
            let into = reach(start, Access::Fill)?;
            let piece = &bytes[part];
            // SAFETY: as in `copy_in`. The identity map lets the kernel write what the program
            // may only read, except the image's own read-only pages, which `reach` refuses.
            unsafe { into.copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
            Ok(())
        })
    }

    fn set_thread_pointer(&mut self, address: u64) {
        // SAFETY: the kernel does not use FS.
        unsafe { cpu::msr_write(FS_BASE, address) };
    }

    fn extended_state(&mut self, area: &mut [u8; 512], restore: bool) {
        let mut state = FxArea(*area);
        trap::with_saved_xmm(|xmm| {
            let part = FXSAVE_XMM..FXSAVE_XMM + xmm.len();
            if restore {
                xmm.copy_from_slice(&state.0[part]);
                restore_state(&mut state);
            } else {
                // SAFETY: the area is 512 bytes, aligned to 16.
                unsafe { asm!("fxsave64 [{}]", in(reg) &mut state, options(nostack)) };
                state.0[part].copy_from_slice(xmm);
                *area = state.0;
            }
        });
    }
}

/// The operand of `fxsave64`.
#[repr(C, align(16))]
struct FxArea([u8; 512]);

/// Loads x87 and MXCSR from `state`. The xmm registers that it loads too are lost on the way out.
fn restore_state(state: &mut FxArea) {
    let place = FXSAVE_MXCSR..FXSAVE_MXCSR + 4;
    let mxcsr = u32::from_le_bytes(state.0[place.clone()].try_into().expect("four bytes"));
    state.0[place].copy_from_slice(&(mxcsr & MXCSR_BITS).to_le_bytes());
    // SAFETY: the area is 512 bytes, aligned to 16, and MXCSR has no reserved bit set, the one
    // thing that `fxrstor64` faults on. All xmm registers are declared changed.
    unsafe {
        asm!("fxrstor64 [{}]", in(reg) state, options(nostack),
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _);
    }
}

/// Answers a page fault of the program, if all that was missing is a frame.
pub(crate) fn page_in(address: u64, error_code: u64) -> bool {
    if error_code & FAULT_PRESENT != 0 {
        return false;
    }
    let access = if error_code & FAULT_FETCH != 0 {
        Protection::EXECUTE
    } else if error_code & FAULT_WRITE != 0 {
        Protection::WRITE
    } else {
        Protection::READ
    };
    reach(address, Access::Program(access)).is_ok()
}

/// Where the byte at `address` can be read, and those behind it on its page, if the program may
/// read there.
pub(crate) fn readable(address: u64) -> Option<*const u8> {
    let place = reach(address, Access::Program(Protection::READ)).ok()?;
    Some(place.cast_const())
}

fn reach(address: u64, access: Access) -> Result<*mut u8, Fault> {
    address_space::with(|space, memory| space.reach(memory, address, access))
}

fn check(protection: Protection) -> Result<(), MapError> {
    if protection.contains(Protection::WRITE | Protection::EXECUTE) {
        return Err(MapError::WriteExecute);
    }
    Ok(())
}

/// Calls `visit` with the start of each page's part of the `length` bytes from `address`, and
/// with where that part lies within them.
fn for_each_page(
    address: u64,
    length: usize,
    mut visit: impl FnMut(u64, core::ops::Range<usize>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    address
        .checked_add(length as u64)
        .ok_or(Fault { address })?;
    let mut done = 0;
    while done < length {
        let start = address + done as u64;
        let room = PAGE_SIZE - start as usize % PAGE_SIZE;
        let part = done..(done + room).min(length);
        done = part.end;
        visit(start, part)?;
    }
    Ok(())
}
