//! Memory: how little is enough, and what happens when there is no more.

use test_boot::program;
use test_support::{Home, Invocation, assert_same};

#[test]
fn hello_is_content_with_a_megabyte_and_a_half() {
    let outcome = assert_same(&program("hello"), &Invocation::new().memory("1.5M"));
    assert_eq!(outcome.text(), "hello, world\n");
}

#[test]
fn the_kernel_refuses_what_it_has_no_memory_for() {
    let program = program("kernel_memory");
    for arguments in [&[][..], &["hold"]] {
        let invocation = Invocation::new().memory("3M").arguments(arguments);
        let outcome = program.run(Home::Booted, &invocation);
        let text = outcome.text();
        assert!(text.ends_with("mappings: refused\nalive\n"), "{outcome:?}");
        let are_right = |line: &str| line.ends_with(": refused") || !line.contains(": ");
        let wrong = text
            .lines()
            .find(|line| !are_right(line) && !line.ends_with(": yes"));
        assert_eq!((wrong, outcome.status), (None, 0), "{outcome:?}");
    }
}

#[test]
fn memory_is_refused_and_the_program_lives_on() {
    let program = program("memory_exhausted");
    for memory in ["16M", "64M"] {
        let outcome = program.run(Home::Booted, &Invocation::new().memory(memory));
        let text = outcome.text();
        assert!(
            !text.contains(": no\n") && text.ends_with("alive\n"),
            "{memory}: {outcome:?}"
        );
        assert_eq!(outcome.status, 0, "{memory}");
    }
}
