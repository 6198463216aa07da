//! The memory functions of images, held against Rust's own.
#![cfg(test)]

use std::ffi::{c_int, c_void};

use proptest::collection::vec;
use proptest::prelude::*;

unsafe extern "C" {
    fn image_memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
    fn image_memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
    fn image_memset(to: *mut c_void, byte: c_int, length: usize) -> *mut c_void;
    fn image_memcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int;
    fn image_bcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int;
    fn image_strlen(text: *const c_void) -> usize;
}

/// Room for the longest piece at the furthest place, and a little beyond that must stay whole.
const ROOM: usize = 700;

/// A place and a length: short ones, which have code of their own, more often than long ones.
fn piece() -> impl Strategy<Value = (usize, usize)> {
    (
        0..40_usize,
        prop_oneof![0..20_usize, 0..200_usize, 0..600_usize],
    )
}

proptest! {
    #[test]
    fn memcpy_copies_that_and_no_more(
        source in vec(any::<u8>(), ROOM),
        target in vec(any::<u8>(), ROOM),
        (to, length) in piece(),
        from in 0..40_usize,
    ) {
        let mut copied = target.clone();
        // SAFETY: both pieces lie within their vectors, which are two.
        let returned = unsafe {
            let start = copied.as_mut_ptr().add(to).cast();
            image_memcpy(start, source.as_ptr().add(from).cast(), length) == start
        };
        prop_assert!(returned);
        let mut expected = target;
        expected[to..to + length].copy_from_slice(&source[from..from + length]);
        prop_assert_eq!(copied, expected);
    }

    #[test]
    fn memmove_may_overlap(
        bytes in vec(any::<u8>(), ROOM),
        (to, length) in piece(),
        from in 0..40_usize,
    ) {
        let mut moved = bytes.clone();
        // SAFETY: both pieces lie within the vector.
        let returned = unsafe {
            let start = moved.as_mut_ptr();
            image_memmove(start.add(to).cast(), start.add(from).cast(), length) == start.add(to).cast()
        };
        prop_assert!(returned);
        let mut expected = bytes;
        expected.copy_within(from..from + length, to);
        prop_assert_eq!(moved, expected);
    }

    #[test]
    fn memset_sets_that_and_no_more(
        bytes in vec(any::<u8>(), ROOM),
        (to, length) in piece(),
        value in any::<c_int>(),
    ) {
        let mut set = bytes.clone();
        // SAFETY: the piece lies within the vector.
        let returned = unsafe {
            let start = set.as_mut_ptr().add(to).cast();
            image_memset(start, value, length) == start
        };
        prop_assert!(returned);
        let mut expected = bytes;
        expected[to..to + length].fill(value.to_le_bytes()[0]);
        prop_assert_eq!(set, expected);
    }

    /// Pieces that are equal up to one byte, the hard case.
    #[test]
    fn memcmp_finds_the_first_difference(
        bytes in vec(any::<u8>(), 1..100),
        place in any::<prop::sample::Index>(),
        difference in any::<u8>(),
    ) {
        let mut other = bytes.clone();
        let place = place.index(bytes.len());
        other[place] ^= difference;
        let (one, two) = (bytes.as_ptr().cast(), other.as_ptr().cast());
        // SAFETY: both vectors have that length.
        let order = unsafe { image_memcmp(one, two, bytes.len()) };
        prop_assert_eq!(order.cmp(&0), bytes.cmp(&other));
        // SAFETY: as above.
        let differ = unsafe { image_bcmp(one, two, bytes.len()) } != 0;
        prop_assert_eq!(differ, bytes != other);
    }

    #[test]
    fn strlen_counts_up_to_the_first_nul(text in vec(any::<u8>(), 0..100)) {
        let mut text = text;
        text.push(0);
        // SAFETY: the text ends with a NUL.
        let length = unsafe { image_strlen(text.as_ptr().cast()) };
        prop_assert_eq!(Some(length), text.iter().position(|&byte| byte == 0));
    }
}

#[test]
fn nothing_is_equal_to_nothing() {
    // SAFETY: no byte is read.
    assert_eq!(unsafe { image_memcmp([].as_ptr(), [].as_ptr(), 0) }, 0);
}
