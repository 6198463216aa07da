//! Random bytes from the kernel: getrandom(2).

use std::io;

use hypercall::EntropyUnavailable;

/// Fills all of `bytes`. Waits only on a machine that has just been started, until its kernel has
/// gathered entropy for the first time.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: `rest` is writable for as many bytes as are asked for.
        let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => rest = &mut rest[count..],
            Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(EntropyUnavailable),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffers_are_filled_to_the_end() {
        let mut bytes = [0; 1024];
        fill(&mut bytes).expect("Linux has entropy");
        // 2^-256 is the chance that these are zeros all the same.
        assert_ne!(bytes[992..], [0; 32]);
    }
}
