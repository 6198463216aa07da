//! Which files may name a component and a platform: those called `wiring.rs`, and their modules.

use std::collections::BTreeSet;

use anyhow::Result;
use syn::visit::{self, Visit};

use crate::edges::{Layer, Package};
use crate::source::SourceFile;

/// The name of the files in which components and platforms meet.
const WIRING: &str = "wiring.rs";
/// Where the modules of such a file lie.
const WIRING_MODULES: &str = "/src/wiring/";

/// The files that name both and are no wiring, each as a line.
///
/// # Errors
///
/// If a Rust file cannot be parsed.
pub fn violations(packages: &[Package], files: &[SourceFile]) -> Result<Vec<String>> {
    let components = crate_names(packages, Layer::Component);
    let platforms = crate_names(packages, Layer::Platform);
    let mut violations = Vec::new();
    for file in files {
        if is_wiring(&file.path) {
            continue;
        }
        let Some(syntax) = file.syntax()? else {
            continue;
        };
        let named = named_crates(&syntax);
        let component = named.intersection(&components).next();
        let platform = named.intersection(&platforms).next();
        if let (Some(component), Some(platform)) = (component, platform) {
            let path = &file.path;
            violations.push(format!(
                "{path} names {component} and {platform}: that belongs in a {WIRING}"
            ));
        }
    }
    Ok(violations)
}

fn is_wiring(path: &str) -> bool {
    path.rsplit('/').next() == Some(WIRING) || path.contains(WIRING_MODULES)
}

/// The crates of `layer` as Rust names them.
fn crate_names(packages: &[Package], layer: Layer) -> BTreeSet<String> {
    packages
        .iter()
        .filter(|package| package.layer == layer)
        .map(|package| package.name.replace('-', "_"))
        .collect()
}

/// The first segments of all paths, but for modules that the file declares or imports.
fn named_crates(file: &syn::File) -> BTreeSet<String> {
    let mut names = Names::default();
    names.visit_file(file);
    let local = &names.local;
    let in_paths = names.in_paths.iter().filter(|name| !local.contains(*name));
    names.used.iter().chain(in_paths).cloned().collect()
}

#[derive(Default)]
struct Names {
    /// What `use` paths start with.
    used: BTreeSet<String>,
    /// What other paths of two segments or more start with.
    in_paths: BTreeSet<String>,
    /// Names that stand for something of this file or of another path.
    local: BTreeSet<String>,
}

impl Names {
    fn import(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.import(&path.tree),
            syn::UseTree::Name(name) => {
                self.local.insert(name.ident.to_string());
            }
            syn::UseTree::Rename(rename) => {
                self.local.insert(rename.rename.to_string());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item)),
            syn::UseTree::Glob(_) => {}
        }
    }

    fn roots(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.used.insert(path.ident.to_string());
                self.import(&path.tree);
            }
            syn::UseTree::Name(name) => {
                self.used.insert(name.ident.to_string());
            }
            syn::UseTree::Rename(rename) => {
                self.used.insert(rename.ident.to_string());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.roots(item)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.local.insert(module.ident.to_string());
        visit::visit_item_mod(self, module);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.roots(&item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first()
            && path.segments.len() > 1
        {
            self.in_paths.insert(first.ident.to_string());
        }
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let package = |name: &str, layer| Package {
            name: name.to_owned(),
            layer,
            dependencies: Vec::new(),
        };
        let packages = [
            package("fs", Layer::Component),
            package("platform-linux", Layer::Platform),
        ];
        violations(&packages, &[SourceFile::new(path, text)]).expect("the example parses")
    }

    #[test]
    fn both_meet_in_wiring_only() {
        let both = "use fs::Vfs; fn main() { platform_linux::Home::new(); }";
        assert_eq!(check("tool/src/wiring.rs", both), [""; 0]);
        assert_eq!(check("tool/src/wiring/devices.rs", both), [""; 0]);
        assert_eq!(
            check("tool/src/main.rs", both),
            ["tool/src/main.rs names fs and platform_linux: that belongs in a wiring.rs"]
        );
    }

    #[test]
    fn a_module_of_the_standard_library_is_no_component() {
        let text = "use std::fs; use platform_linux::Home; fn f() { fs::read(\"x\"); }";
        assert_eq!(check("tool/src/main.rs", text), [""; 0]);
    }
}
