//! Random bytes: from the processor's own generator, and from a device where there is one.

use core::arch::x86_64::_rdrand64_step;

use hypercall::{EntropySource, EntropyUnavailable};

use crate::cpu::cpuid;

/// Intel's advice (Digital Random Number Generator, 5.2.1): try ten times before giving up.
const TRIES: usize = 10;

/// Mixes bytes of a device into the processor's. Behind a trait of its own, so that an image
/// without such a device has none of it.
pub(crate) trait Mix: Send {
    /// Mixes what is ready into `bytes`, which are random if the processor could have them so
    /// (`own`): whoever would foresee them has to foresee both. A processor without a generator
    /// leaves it all to the device.
    fn mix(
        &mut self,
        own: Result<(), EntropyUnavailable>,
        bytes: &mut [u8],
    ) -> Result<(), EntropyUnavailable>;
}

impl<S: EntropySource + Send> Mix for S {
    fn mix(
        &mut self,
        own: Result<(), EntropyUnavailable>,
        bytes: &mut [u8],
    ) -> Result<(), EntropyUnavailable> {
        if own.is_err() {
            let taken = self.take(bytes);
            return if taken == bytes.len() { Ok(()) } else { own };
        }
        let mut other = [0; 64];
        for part in bytes.chunks_mut(other.len()) {
            let taken = self.take(&mut other[..part.len()]);
            for (byte, other) in part.iter_mut().zip(&other[..taken]) {
                *byte ^= other;
            }
            if taken < part.len() {
                break;
            }
        }
        Ok(())
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives a byte so often.
    struct Fixed(usize, u8);

    impl EntropySource for Fixed {
        fn take(&mut self, bytes: &mut [u8]) -> usize {
            let count = bytes.len().min(self.0);
            bytes[..count].fill(self.1);
            self.0 -= count;
            count
        }
    }

    #[test]
    fn a_source_is_mixed_in_as_far_as_it_goes() {
        let mut bytes = [0xf0; 200];
        let mut source = Fixed(150, 1);
        assert_eq!(source.mix(Ok(()), &mut bytes), Ok(()));
        assert_eq!(bytes[..150], [0xf1; 150]);
        assert_eq!(bytes[150..], [0xf0; 50]);
    }

    #[test]
    fn without_a_generator_the_source_must_give_all() {
        let mut bytes = [0; 20];
        let mut source = Fixed(30, 7);
        let none = Err(EntropyUnavailable);
        assert_eq!(source.mix(none, &mut bytes), Ok(()));
        assert_eq!(bytes, [7; 20]);
        assert_eq!(source.mix(none, &mut bytes), none);
    }
}
