//! What no file may say: who worked on it, where, in which ticket, and from which mirror.
//!
//! Such words mean nothing to a reader elsewhere, and a path of one machine breaks on the next.

use crate::source::SourceFile;

/// Folders of somebody's machine.
const PATHS: [&str; 6] = [
    "/home/",
    "/root/",
    "/work/",
    "/Users/",
    "/workspace/",
    "/tmp/bash",
];
/// Words before a number that make it the number of a ticket or of somebody's work.
const NUMBERED: [&str; 4] = ["issue", "session", "ticket", "milestone"];
/// What stands in the address of a package mirror. The index that everybody uses is in
/// `Cargo.lock` under its public name.
const MIRRORS: [&str; 4] = [
    "index.crates.io",
    "static.crates.io",
    "artifactory",
    "proxy.",
];
/// The file that has to name what it forbids.
const THIS_FILE: &str = "tests/layering/src/words.rs";

/// The lines that say such things, each as a line.
pub fn violations(files: &[SourceFile]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.path != THIS_FILE) {
        for (number, line) in (1..).zip(file.text.lines()) {
            if let Some(word) = forbidden_in(line) {
                let path = &file.path;
                violations.push(format!("{path}:{number}: says {word:?}"));
            }
        }
    }
    violations
}

fn forbidden_in(line: &str) -> Option<String> {
    let fixed = PATHS.iter().chain(&MIRRORS);
    let named = fixed.copied().find(|word| line.contains(word));
    named.map(str::to_owned).or_else(|| numbered_in(line))
}

/// A word of `NUMBERED` with a number after it: `issue 2`, `Session #14`.
fn numbered_in(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    for word in NUMBERED {
        for (place, _) in lower.match_indices(word) {
            let whole = !lower[..place].ends_with(|before: char| before.is_alphanumeric());
            let after = &lower[place + word.len()..];
            let after = after.strip_prefix([' ', '-']).unwrap_or(after);
            let after = after.strip_prefix('#').unwrap_or(after);
            let number: String = after.chars().take_while(char::is_ascii_digit).collect();
            if whole && !number.is_empty() {
                return Some(format!("{word} {number}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        violations(&[SourceFile::new("a.md", text)])
    }

    #[test]
    fn plain_words_are_allowed() {
        let text = "each session of a client has its own\nan issue of 2026\ntissue 4\n/proc/self";
        assert_eq!(check(text), [""; 0]);
    }

    #[test]
    fn what_is_only_true_here_is_found() {
        for (text, found) in [
            ("fine\nas issue 2 says", "a.md:2: says \"issue 2\""),
            ("see Issue #14", "a.md:1: says \"issue 14\""),
            ("by session-3", "a.md:1: says \"session 3\""),
            ("cd /home/me", "a.md:1: says \"/home/\""),
            ("from proxy.example", "a.md:1: says \"proxy.\""),
        ] {
            assert_eq!(check(text), [found]);
        }
    }
}
