//! Components have no state outside their values: no static that can change, no thread-local.
//!
//! A kernel is a value, so two of them in one process must share nothing.

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::source::{SourceFile, without_tests};

/// Types whose values change behind a shared reference.
const INTERIOR: [&str; 14] = [
    "Cell",
    "LazyCell",
    "LazyLock",
    "Lazy",
    "Mutex",
    "Once",
    "OnceBox",
    "OnceCell",
    "OnceLock",
    "RefCell",
    "RwLock",
    "SpinLock",
    "SyncUnsafeCell",
    "UnsafeCell",
];
/// Macros that declare such statics.
const MACROS: [&str; 2] = ["thread_local", "lazy_static"];

/// The mutable globals of these files, each as a line.
///
/// # Errors
///
/// If a Rust file cannot be parsed.
pub fn violations(files: &[SourceFile]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for file in files {
        if let Some(syntax) = file.syntax()? {
            let mut visitor = Globals {
                file,
                violations: &mut violations,
            };
            visitor.visit_file(&without_tests(syntax));
        }
    }
    Ok(violations)
}

struct Globals<'a> {
    file: &'a SourceFile,
    violations: &'a mut Vec<String>,
}

impl Globals<'_> {
    fn report(&mut self, span: proc_macro2::Span, what: &str) {
        let place = self.file.place(span);
        self.violations.push(format!("{place}: {what}"));
    }
}

impl<'ast> Visit<'ast> for Globals<'_> {
    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        let mut types = Interior::default();
        types.visit_type(&item.ty);
        if matches!(item.mutability, syn::StaticMutability::Mut(_)) {
            self.report(item.ident.span(), "a static mut");
        } else if let Some(name) = types.found {
            self.report(item.ident.span(), &format!("a static {name}"));
        }
        visit::visit_item_static(self, item);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let Some(name) = item.path.segments.last() else {
            return;
        };
        if MACROS.iter().any(|forbidden| name.ident == forbidden) {
            self.report(name.ident.span(), &format!("a {}!", name.ident));
        } else if mentions_static(item.tokens.clone()) {
            self.report(name.ident.span(), "a static out of a macro");
        }
    }
}

/// Whether tokens that a macro is made of, or given, declare a static. A lifetime `'static` is a
/// punctuation mark before the same word.
fn mentions_static(tokens: proc_macro2::TokenStream) -> bool {
    let mut after_quote = false;
    for token in tokens {
        let found = match &token {
            proc_macro2::TokenTree::Ident(ident) => ident == "static" && !after_quote,
            proc_macro2::TokenTree::Group(group) => mentions_static(group.stream()),
            _ => false,
        };
        if found {
            return true;
        }
        after_quote =
            matches!(&token, proc_macro2::TokenTree::Punct(mark) if mark.as_char() == '\'');
    }
    false
}

/// The first type of interior mutability within a type.
#[derive(Default)]
struct Interior {
    found: Option<String>,
}

impl<'ast> Visit<'ast> for Interior {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        let name = segment.ident.to_string();
        if INTERIOR.contains(&name.as_str()) || name.starts_with("Atomic") {
            self.found.get_or_insert(name);
        }
        visit::visit_path_segment(self, segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        violations(&[SourceFile::new("a.rs", text)]).expect("the example parses")
    }

    #[test]
    fn constants_are_no_state() {
        let text = "static TABLE: [u8; 2] = [1, 2]; const ONE: AtomicU8 = AtomicU8::new(1);
            fn f(text: &'static str) { println!(\"{}\", g::<&'static str>()); }
            #[cfg(test)] mod tests { static COUNT: AtomicU8 = AtomicU8::new(0); }";
        assert_eq!(check(text), [""; 0]);
    }

    #[test]
    fn every_kind_of_state_is_found() {
        for (text, found) in [
            ("static mut COUNT: u8 = 0;", "a.rs:1: a static mut"),
            (
                "static COUNT: core::sync::atomic::AtomicU8 = AtomicU8::new(0);",
                "a.rs:1: a static AtomicU8",
            ),
            (
                "fn f() { static TABLE: Option<Mutex<u8>> = None; }",
                "a.rs:1: a static Mutex",
            ),
            (
                "mod inner {\n static CELL: [OnceCell<u8>; 1] = []; }",
                "a.rs:2: a static OnceCell",
            ),
            (
                "thread_local! { static X: u8 = 0; }",
                "a.rs:1: a thread_local!",
            ),
            (
                "std::thread_local! { static X: u8 = 0; }",
                "a.rs:1: a thread_local!",
            ),
            (
                "macro_rules! state { () => { static mut X: u8 = 0; } }",
                "a.rs:1: a static out of a macro",
            ),
        ] {
            assert_eq!(check(text), [found]);
        }
    }
}
