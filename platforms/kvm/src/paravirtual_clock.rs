//! Hypervisors that tell the time: KVM's clock structure, and CPUID leaves with the TSC's rate.
//!
//! Sources: Linux `Documentation/virt/kvm/x86/msr.rst` (`MSR_KVM_SYSTEM_TIME_NEW`) and
//! `cpuid.rst`; Intel SDM, CPUID leaf 0x15; the hypervisor leaf 0x40000010 that VMware defined.

use core::cell::UnsafeCell;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::cpu::{self, cpuid, time_stamp};

const HYPERVISOR_LEAF: u32 = 0x4000_0000;
const KVM_SIGNATURE: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x4d];
const KVM_FEATURES_LEAF: u32 = 0x4000_0001;
/// `KVM_FEATURE_CLOCKSOURCE2`.
const KVM_CLOCK: u32 = 1 << 3;
/// `KVM_FEATURE_CLOCKSOURCE_STABLE_BIT`: one clock structure serves all reads.
const KVM_CLOCK_STABLE: u32 = 1 << 24;
const KVM_SYSTEM_TIME: u32 = 0x4b56_4d01;
const TIMING_LEAF: u32 = 0x4000_0010;
const TSC_LEAF: u32 = 0x15;

/// A clock that needs no calibration.
pub(crate) enum ParavirtualClock {
    /// KVM's clock structure, and the time it told at the start.
    Kvm { start_ns: u64 },
    /// A TSC of known rate.
    Tsc { start: u64, hz: u64 },
}

/// `struct pvclock_vcpu_time_info`; the hypervisor writes it.
#[repr(C, align(32))]
struct KvmTime {
    version: u32,
    pad: u32,
    tsc_timestamp: u64,
    system_time: u64,
    tsc_to_system_mul: u32,
    tsc_shift: i8,
    flags: u8,
    pad2: [u8; 2],
}

/// Where the hypervisor writes the time.
struct SharedTime(UnsafeCell<KvmTime>);

// SAFETY: only the hypervisor writes it; `kvm_time_ns`, the one reader, reads it volatile.
unsafe impl Sync for SharedTime {}

static KVM_TIME: SharedTime = SharedTime(UnsafeCell::new(KvmTime {
    version: 0,
    pad: 0,
    tsc_timestamp: 0,
    system_time: 0,
    tsc_to_system_mul: 0,
    tsc_shift: 0,
    flags: 0,
    pad2: [0; 2],
}));

impl ParavirtualClock {
    /// The hypervisor's clock, if it offers one.
    pub(crate) fn detect() -> Option<Self> {
        const UNDER_HYPERVISOR: u32 = 1 << 31;
        if cpuid(1, 0)[2] & UNDER_HYPERVISOR == 0 {
            return None;
        }
        let [last_leaf, signature @ ..] = cpuid(HYPERVISOR_LEAF, 0);
        let features = cpuid(KVM_FEATURES_LEAF, 0)[0];
        let wanted = KVM_CLOCK | KVM_CLOCK_STABLE;
        if signature == KVM_SIGNATURE && features & wanted == wanted {
            // SAFETY: the structure is ours alone, aligned as KVM asks, and stays; bit 0 enables.
            unsafe { cpu::msr_write(KVM_SYSTEM_TIME, KVM_TIME.0.get() as u64 | 1) };
            return Some(Self::Kvm {
                start_ns: kvm_time_ns(),
            });
        }
        let hz = tsc_hz(last_leaf)?;
        Some(Self::Tsc {
            start: time_stamp(),
            hz,
        })
    }

    /// Nanoseconds since [`detect`](ParavirtualClock::detect).
    pub(crate) fn now_ns(&self) -> u64 {
        match *self {
            Self::Kvm { start_ns } => kvm_time_ns().saturating_sub(start_ns),
            Self::Tsc { start, hz } => {
                let ticks = u128::from(time_stamp() - start);
                (ticks * 1_000_000_000 / u128::from(hz)) as u64
            }
        }
    }
}

/// The TSC's rate as CPUID gives it.
fn tsc_hz(last_hypervisor_leaf: u32) -> Option<u64> {
    if last_hypervisor_leaf >= TIMING_LEAF {
        let khz = cpuid(TIMING_LEAF, 0)[0];
        if khz != 0 {
            return Some(u64::from(khz) * 1000);
        }
    }
    if cpuid(0, 0)[0] < TSC_LEAF {
        return None;
    }
    let [denominator, numerator, crystal_hz, _] = cpuid(TSC_LEAF, 0);
    let product = u64::from(crystal_hz) * u64::from(numerator);
    product
        .checked_div(u64::from(denominator))
        .filter(|&hz| hz != 0)
}

/// KVM's system time. The version is odd while the hypervisor writes, and changes when it has.
fn kvm_time_ns() -> u64 {
    let shared = KVM_TIME.0.get().cast_const();
    loop {
        // SAFETY: the structure is static; the hypervisor may change it between any two reads, so
        // each field is read volatile, and the version tells whether they belong together.
        let before = unsafe { (&raw const (*shared).version).read_volatile() };
        compiler_fence(Ordering::Acquire);
        // SAFETY: as above.
        let time = unsafe { shared.read_volatile() };
        compiler_fence(Ordering::Acquire);
        // SAFETY: as above.
        let after = unsafe { (&raw const (*shared).version).read_volatile() };
        if before == after && before & 1 == 0 {
            let ticks = time_stamp().saturating_sub(time.tsc_timestamp);
            let shifted = if time.tsc_shift >= 0 {
                ticks << time.tsc_shift
            } else {
                ticks >> -time.tsc_shift
            };
            let scaled = (u128::from(shifted) * u128::from(time.tsc_to_system_mul)) >> 32;
            return time.system_time.wrapping_add(scaled as u64);
        }
    }
}
