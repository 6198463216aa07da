//! A recipe's cases, run and compared.

use std::path::Path;

use test_support::{Home, Invocation, Outcome, Program, compare_but};

use crate::build::built_source;
use crate::{Case, Input, Recipe};

/// Builds `recipe` and runs all of its cases; panics with all that differ.
pub fn check(recipe: &Recipe) {
    let source = built_source(recipe);
    let failures: Vec<String> = recipe
        .cases
        .iter()
        .filter_map(|case| failure(&source, case))
        .collect();
    let (count, all) = (failures.len(), recipe.cases.len());
    assert!(
        failures.is_empty(),
        "{count} of {all} fail:\n{}",
        failures.join("\n")
    );
}

/// What is wrong with `case`.
fn failure(source: &Path, case: &Case) -> Option<String> {
    let program = Program::at(source.join(case.program));
    let mut invocation = Invocation::new()
        .arguments(case.arguments)
        .memory(case.memory);
    if let Some(folder) = case.root {
        let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("roots");
        invocation = invocation.root(roots.join(folder));
    }
    let invocation = invocation.input(bytes(case.input, &program));
    let simplify = |outcome: &mut Outcome| {
        if case.tells_times {
            outcome.stdout = without_times(outcome.text()).into_bytes();
        }
    };
    match compare_but(&program, &invocation, simplify) {
        Err(difference) => Some(difference),
        Ok(outcome) if outcome.status != case.status => Some(format!(
            "{} {:?} ends with {} in both homes",
            case.program, case.arguments, outcome.status
        )),
        Ok(_) => None,
    }
}

/// `text` without the seconds, such as ` 0.025s`, that end a line.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let seconds = word.strip_suffix('s');
        seconds.is_some_and(|seconds| seconds.parse::<f64>().is_ok())
    };
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((rest, last)) if is_time(last) => rest.trim_end(),
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What `input` stands for.
fn bytes(input: Input, program: &Program) -> Vec<u8> {
    match input {
        Input::Text(text) => text.into(),
        Input::Prose(length) => prose(length),
        Input::Processed(arguments, raw) => {
            let raw = bytes(*raw, program);
            let invocation = Invocation::new().arguments(arguments).input(raw);
            program.run(Home::Linux, &invocation).stdout
        }
    }
}

/// Lines of words in an order that a fixed linear congruential generator chooses.
fn prose(length: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = [
        "component",
        "packet",
        "of",
        "the",
        "kernel\n",
        "waits",
        "and",
        "wakes",
    ];
    let mut state = 1_u32;
    let mut text = String::new();
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The high bits are the ones that such a generator mixes well.
        text += WORDS[(state >> 29) as usize];
        text.push(' ');
    }
    text.truncate(length);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_taken_from_the_ends_of_lines() {
        let text = "-- Speedtest1\n 100 - INSERTs....   0.191s\n 110 - 5000 yes\n";
        let rest = "-- Speedtest1\n 100 - INSERTs....\n 110 - 5000 yes\n";
        assert_eq!(without_times(text), rest);
    }

    #[test]
    fn prose_is_as_long_as_asked_and_has_lines() {
        let text = prose(100_000);
        assert_eq!(text.len(), 100_000);
        assert!(text.iter().filter(|&&byte| byte == b'\n').count() > 1000);
        assert_eq!(prose(100), text[..100]);
    }
}
