//! Several buffers in one call, on every kind of descriptor.

use test_boot::program;
use test_support::{Invocation, SCRATCH, assert_same};

#[test]
fn vectors_are_the_same_on_every_kind_of_descriptor() {
    let root = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(root.path().join("page"), "a page of the root").expect("the folder is ours");
    let invocation = Invocation::new()
        .root(root.path())
        .variable("TMPDIR", SCRATCH)
        .input("typed in here");
    let outcome = assert_same(&program("vectors_everywhere"), &invocation);
    assert!(
        outcome.error_text().ends_with("one two three"),
        "{outcome:?}"
    );
}
