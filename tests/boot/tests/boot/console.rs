//! Standard output and standard error: raw, apart, whole.

use test_boot::program;
use test_support::{Invocation, SCRATCH, assert_same};

#[test]
fn every_byte_comes_out_as_it_is_and_on_its_own_stream() {
    let outcome = assert_same(&program("raw_streams"), &Invocation::new());
    assert_eq!(
        (outcome.stdout.len(), outcome.stderr.len()),
        (40 * 256, 40 * 256)
    );
    assert!((0..=255).eq(outcome.stdout[..256].iter().copied()));
}

#[test]
fn no_part_of_a_vector_is_lost() {
    let invocation = Invocation::new().variable("TMPDIR", SCRATCH);
    let outcome = assert_same(&program("vectors"), &invocation);
    assert_eq!(outcome.stderr, b"one two three\n");
}
