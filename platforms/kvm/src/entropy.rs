//! Random bytes from the processor's own generator.

use core::arch::x86_64::_rdrand64_step;

use hypercall::EntropyUnavailable;

use crate::cpu::cpuid;

/// Intel's advice (Digital Random Number Generator, 5.2.1): try ten times before giving up.
const TRIES: usize = 10;

/// Fills `bytes`. See `Host::fill_entropy`.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
    const RDRAND: u32 = 1 << 30;
    if cpuid(1, 0)[2] & RDRAND == 0 {
        return Err(EntropyUnavailable);
    }
    for part in bytes.chunks_mut(8) {
        let word = (0..TRIES)
            .find_map(|_| random_word())
            .ok_or(EntropyUnavailable)?;
        part.copy_from_slice(&word.to_ne_bytes()[..part.len()]);
    }
    Ok(())
}

fn random_word() -> Option<u64> {
    let mut word = 0;
    // SAFETY: CPUID announced RDRAND.
    let filled = unsafe { random_step(&mut word) };
    filled.then_some(word)
}

#[target_feature(enable = "rdrand")]
fn random_step(word: &mut u64) -> bool {
    _rdrand64_step(word) == 1
}
