//! What an image does not have is named, and refused with an error.

use test_boot::program;
use test_support::{Home, Invocation, Outcome};

fn boot(name: &str) -> Outcome {
    let outcome = program(name).run(Home::Booted, &Invocation::new());
    assert!(outcome.text().ends_with("alive\n"), "{outcome:?}");
    outcome
}

/// Whether a line of standard error holds all of `words`.
fn names(outcome: &Outcome, words: &[&str]) -> bool {
    let mut lines = outcome.error_text().lines();
    lines.any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn a_call_that_is_not_there_is_named_with_its_place() {
    let outcome = boot("unimplemented");
    let refusal = "-1, Function not implemented";
    assert_eq!(outcome.text().matches(refusal).count(), 2, "{outcome:?}");
    assert!(names(&outcome, &["bpf", "321", "0x"]), "{outcome:?}");
    assert!(names(&outcome, &["5000", "0x"]), "{outcome:?}");
}

#[test]
fn processes_and_threads_are_refused_by_name() {
    let outcome = boot("no_processes");
    assert!(outcome.text().starts_with("fork() = -1, "), "{outcome:?}");
    assert!(outcome.text().contains("!= 0: yes"), "{outcome:?}");
    assert!(names(&outcome, &["fork"]), "{outcome:?}");
    assert!(names(&outcome, &["clone"]), "{outcome:?}");
}
