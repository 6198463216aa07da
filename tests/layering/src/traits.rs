//! How many methods a hypercall trait may have.
//!
//! Every home writes every method, so a trait grows only by a decision.

use anyhow::Result;

use crate::source::SourceFile;

/// The traits, and the most methods that each may have.
const LIMITS: [(&str, usize); 4] = [
    ("Host", 12),
    ("FrameDevice", 7),
    ("BlockDevice", 7),
    ("ProgramHost", 10),
];

/// The traits that have grown too large or cannot be found, each as a line.
///
/// # Errors
///
/// If a Rust file cannot be parsed.
pub fn violations(hypercall: &[SourceFile]) -> Result<Vec<String>> {
    let mut sizes = Vec::new();
    for file in hypercall {
        let items = file.syntax()?.map(|syntax| syntax.items);
        for item in items.unwrap_or_default() {
            if let syn::Item::Trait(item) = item {
                sizes.push((item.ident.to_string(), methods(&item)));
            }
        }
    }
    let mut violations = Vec::new();
    for (name, limit) in LIMITS {
        match sizes.iter().find(|(found, _)| found == name) {
            None => violations.push(format!("{name} is not to be found")),
            Some((_, size)) if *size > limit => {
                violations.push(format!("{name} has {size} methods, above {limit}"));
            }
            Some(_) => {}
        }
    }
    Ok(violations)
}

fn methods(item: &syn::ItemTrait) -> usize {
    let functions = item
        .items
        .iter()
        .filter(|item| matches!(item, syn::TraitItem::Fn(_)));
    functions.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The four traits, with so many methods each.
    fn check(sizes: [usize; 4]) -> Vec<String> {
        let mut text = String::new();
        for ((name, _), size) in LIMITS.iter().zip(sizes) {
            let methods: String = (0..size).map(|place| format!("fn f{place}();")).collect();
            text += &format!("pub trait {name} {{ type Other; {methods} }}");
        }
        violations(&[SourceFile::new("a.rs", &text)]).expect("the example parses")
    }

    #[test]
    fn one_method_too_many_is_found() {
        assert_eq!(check([12, 7, 7, 10]), [""; 0]);
        assert_eq!(check([13, 7, 7, 10]), ["Host has 13 methods, above 12"]);
        assert_eq!(
            check([12, 7, 8, 10]),
            ["BlockDevice has 8 methods, above 7"]
        );
    }

    #[test]
    fn a_renamed_trait_is_missed() {
        let nothing = [SourceFile::new("a.rs", "trait Other {}")];
        let missing = violations(&nothing).expect("the example parses");
        assert_eq!(missing.len(), LIMITS.len());
    }
}
