//! The processor's own instructions: ports, model-specific registers, control registers, CPUID.

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, _rdtsc};

/// Reads a byte from an I/O port.
pub(crate) fn port_read(port: u16) -> u8 {
    let value;
    // SAFETY: reading a port has no effect on memory; what it does to a device is the caller's
    // concern, and every port in this crate belongs to the file that uses it.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}

/// Writes a byte to an I/O port.
pub(crate) fn port_write(port: u16, value: u8) {
    // SAFETY: as for `port_read`; no device that this crate knows writes memory on a port's word.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

/// Writes all of `bytes` to one I/O port, in order.
pub(crate) fn port_write_all(port: u16, bytes: &[u8]) {
    // SAFETY: `rep outsb` reads exactly the slice; the port is an output device's.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rsi") bytes.as_ptr() => _,
            inout("rcx") bytes.len() => _, options(readonly, nostack));
    }
}

/// Reads a model-specific register that every x86-64 processor has.
pub(crate) fn msr_read(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reading has no effect on memory, and callers name registers that are there.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high,
            options(nomem, nostack));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
///
/// The value must keep the kernel's own view of memory and control flow whole.
pub(crate) unsafe fn msr_write(register: u32, value: u64) {
    // SAFETY: the caller vouches for the register and its value.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack));
    }
}

/// The time-stamp counter.
pub(crate) fn time_stamp() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and CR4.TSD is off.
    unsafe { _rdtsc() }
}

/// CPUID's answer for a leaf and subleaf: eax, ebx, ecx, edx.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let answer = __cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// Whether the hypervisor is KVM or QEMU, whose local APIC timer has a known rate.
pub(crate) fn under_kvm_or_qemu() -> bool {
    const UNDER_HYPERVISOR: u32 = 1 << 31;
    /// The first four letters of `KVMKVMKVM` and `TCGTCGTCGTCG`.
    const SIGNATURES: [u32; 2] = [0x4b4d_564b, 0x5447_4354];
    cpuid(1, 0)[2] & UNDER_HYPERVISOR != 0 && SIGNATURES.contains(&cpuid(0x4000_0000, 0)[1])
}

/// The address whose access last caused a page fault (CR2).
pub(crate) fn fault_address() -> u64 {
    let address;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) };
    address
}

/// Forgets the cached translation of one page.
#[cfg(not(test))]
pub(crate) fn flush_page(address: u64) {
    // SAFETY: dropping a cached translation makes the processor read the tables again.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack)) };
}

/// Forgets all cached translations.
pub(crate) fn flush_all_pages() {
    // SAFETY: loading CR3 with its own value drops cached translations and changes nothing else.
    unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack)) };
}

/// Turns on what the processor keeps of a program's extended state (AVX where there is any), so
/// that a C library that looks for it finds XCR0 telling the truth.
pub(crate) fn enable_extended_state() {
    const XSAVE: u32 = 1 << 26;
    const AVX: u32 = 1 << 28;
    const AVX512_STATE: u32 = 0b1110_0000;
    const X87_SSE: u32 = 0b011;
    const X87_SSE_AVX: u32 = 0b111;
    let features = cpuid(1, 0)[2];
    if features & XSAVE == 0 {
        return;
    }
    let mut state = if features & AVX == 0 {
        X87_SSE
    } else {
        X87_SSE_AVX
    };
    let supported = cpuid(0xd, 0)[0];
    if features & AVX != 0 && supported & AVX512_STATE == AVX512_STATE {
        state |= AVX512_STATE;
    }
    // SAFETY: CPUID announced XSAVE, so CR4.OSXSAVE may be set and XCR0 written; the state bits
    // are ones that leaf 0xd supports. The kernel itself uses SSE registers only, which its entry
    // code keeps.
    unsafe {
        asm!(
            "mov {cr4}, cr4",
            "or {cr4}, 0x40000",
            "mov cr4, {cr4}",
            "xor ecx, ecx",
            "xor edx, edx",
            "xsetbv",
            cr4 = out(reg) _, in("eax") state, out("ecx") _, out("edx") _, options(nostack)
        );
    }
}
