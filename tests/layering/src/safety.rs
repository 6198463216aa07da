//! Where components may be unsafe: in virtio's transport and ring, and nowhere else.

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::source::{SourceFile, without_tests};

/// The files of the components that may hold unsafe code, with the folders below them.
const UNSAFE_PLACES: [&str; 2] = [
    "components/virtio/src/transport",
    "components/virtio/src/ring",
];

/// What breaks the rule in the components' files, each as a line: unsafe code in another place,
/// and a crate without unsafe places that does not forbid it.
///
/// # Errors
///
/// If a Rust file cannot be parsed.
pub fn violations(components: &[SourceFile]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for file in components {
        let Some(syntax) = file.syntax()? else {
            continue;
        };
        if file.path.ends_with("/src/lib.rs") && !refuses_unsafe(&file.path, &syntax) {
            let path = &file.path;
            violations.push(format!("{path}: no #![forbid(unsafe_code)]"));
        }
        if !may_be_unsafe(&file.path) {
            let mut visitor = Unsafe {
                file,
                violations: &mut violations,
            };
            visitor.visit_file(&without_tests(syntax));
        }
    }
    Ok(violations)
}

fn may_be_unsafe(path: &str) -> bool {
    UNSAFE_PLACES.iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// `forbid` cannot be lifted for one file, so a crate with unsafe places says `deny`.
fn refuses_unsafe(path: &str, file: &syn::File) -> bool {
    let folder = path.strip_suffix("lib.rs").unwrap_or(path);
    let has_places = UNSAFE_PLACES.iter().any(|place| place.starts_with(folder));
    let level = if has_places { "deny" } else { "forbid" };
    file.attrs.iter().any(|attribute| {
        let mut names_it = false;
        if attribute.path().is_ident(level) {
            let _ = attribute.parse_nested_meta(|meta| {
                names_it |= meta.path.is_ident("unsafe_code");
                Ok(())
            });
        }
        names_it
    })
}

struct Unsafe<'a> {
    file: &'a SourceFile,
    violations: &'a mut Vec<String>,
}

impl Unsafe<'_> {
    fn report(&mut self, span: proc_macro2::Span) {
        let place = self.file.place(span);
        self.violations.push(format!("{place}: unsafe"));
    }
}

impl<'ast> Visit<'ast> for Unsafe<'_> {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.report(block.unsafe_token.span);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = &item.unsafety {
            self.report(token.span);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let syn::Safety::Unsafe(token) = &signature.safety {
            self.report(token.span);
        }
        visit::visit_signature(self, signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        violations(&[SourceFile::new(path, text)]).expect("the example parses")
    }

    #[test]
    fn unsafe_has_two_places() {
        let text = "fn f() { unsafe { g() } }";
        for path in ["transport.rs", "ring.rs", "ring/tables.rs"] {
            assert_eq!(
                check(&format!("components/virtio/src/{path}"), text),
                [""; 0]
            );
        }
        for path in ["virtio/src/ringing.rs", "fs/src/ring.rs"] {
            let path = format!("components/{path}");
            assert_eq!(check(&path, text), [format!("{path}:1: unsafe")]);
        }
    }

    #[test]
    fn unsafe_functions_and_impls_count() {
        for text in ["unsafe fn f() {}", "unsafe impl Send for A {}"] {
            assert_eq!(check("components/fs/src/a.rs", text).len(), 1);
        }
    }

    #[test]
    fn a_component_forbids_unsafe() {
        let path = "components/fs/src/lib.rs";
        assert_eq!(check(path, "#![forbid(unsafe_code)]"), [""; 0]);
        assert_eq!(check(path, "#![deny(unsafe_code)]").len(), 1);
        assert_eq!(check(path, "").len(), 1);
    }
}
