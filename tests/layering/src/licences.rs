//! What we may ship: crates under permissive licences.

use cargo_metadata::Metadata;

/// Licences that ask for no more than their own text and the authors' names.
const PERMISSIVE: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The crates that nobody may ship with ours, each as a line.
pub fn violations(metadata: &Metadata) -> Vec<String> {
    metadata
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(is_permissive))
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("no licence");
            format!("{} {}: {licence}", package.name, package.version)
        })
        .collect()
}

/// Whether an SPDX expression can be satisfied by permissive licences alone.
///
/// `AND` binds closer than `OR` (SPDX annex D); `/` is an old form of `OR`.
pub fn is_permissive(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens = tokens(&expression);
    let mut rest = tokens.as_slice();
    let permissive = either(&mut rest);
    permissive && rest.is_empty()
}

/// Parentheses, `AND`, `OR`, and licences with their exceptions.
fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut tokens: Vec<String> = Vec::new();
    let mut words = spaced.split_whitespace();
    while let Some(word) = words.next() {
        match (word, tokens.last_mut()) {
            ("WITH", Some(licence)) => {
                licence.push_str(" WITH ");
                licence.push_str(words.next().unwrap_or_default());
            }
            _ => tokens.push(word.to_owned()),
        }
    }
    tokens
}

fn either(rest: &mut &[String]) -> bool {
    let mut holds = both(rest);
    while take(rest, "OR") {
        holds |= both(rest);
    }
    holds
}

fn both(rest: &mut &[String]) -> bool {
    let mut holds = single(rest);
    while take(rest, "AND") {
        holds &= single(rest);
    }
    holds
}

fn single(rest: &mut &[String]) -> bool {
    if take(rest, "(") {
        let holds = either(rest);
        return take(rest, ")") && holds;
    }
    let Some((first, after)) = rest.split_first() else {
        return false;
    };
    *rest = after;
    PERMISSIVE.contains(&first.as_str())
}

fn take(rest: &mut &[String], token: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if first == token => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_permissive_licence() {
        for expression in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-2.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_permissive(expression), "{expression}");
        }
    }

    #[test]
    fn copyleft_is_refused() {
        for expression in [
            "GPL-2.0",
            "MIT AND GPL-2.0",
            "(MIT OR ISC) AND LGPL-3.0",
            "MIT GPL-2.0",
            "(MIT",
            "",
        ] {
            assert!(!is_permissive(expression), "{expression}");
        }
    }
}
