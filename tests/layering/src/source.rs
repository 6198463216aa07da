//! The workspace's files, and Rust files as syntax.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file of the workspace.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path from the workspace's root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl SourceFile {
    /// A file that holds `text`.
    pub fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Its syntax, if it is Rust.
    ///
    /// # Errors
    ///
    /// If a `.rs` file cannot be parsed.
    pub fn syntax(&self) -> Result<Option<syn::File>> {
        if !self.path.ends_with(".rs") {
            return Ok(None);
        }
        let file = syn::parse_file(&self.text).with_context(|| self.path.clone())?;
        Ok(Some(file))
    }

    /// Where a syntax element stands, for reports.
    pub fn place(&self, span: proc_macro2::Span) -> String {
        format!("{}:{}", self.path, span.start().line)
    }
}

/// The workspace's root folder.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All text files of the workspace, without what building made and without hidden folders other
/// than the project's own.
///
/// # Errors
///
/// If a folder or a file cannot be read.
pub fn workspace_files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    collect(root, "", &mut files)?;
    Ok(files)
}

/// Hidden names that belong to the project.
const HIDDEN: [&str; 4] = [".cargo", ".ci", ".github", ".gitignore"];

fn collect(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if !is_ours(&name) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).with_context(|| path.clone())?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(SourceFile { path, text });
            }
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    name != "target" && (!name.starts_with('.') || HIDDEN.contains(&name))
}

/// Those of `files` that become part of a product: not the test programs beside a crate, nor what
/// a `#[cfg(test)] mod name;` brings in.
///
/// # Errors
///
/// If a Rust file cannot be parsed.
pub fn product_files(files: Vec<SourceFile>) -> Result<Vec<SourceFile>> {
    let mut test_modules = Vec::new();
    for file in &files {
        if let Some(syntax) = file.syntax()? {
            test_modules.extend(test_modules_of(&file.path, &syntax));
        }
    }
    let is_test = |path: &str| {
        let of_module = |module: &String| {
            path.strip_prefix(module.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        path.contains("/tests/") || path.contains("/benches/") || test_modules.iter().any(of_module)
    };
    let (_, product) = files.into_iter().partition(|file| is_test(&file.path));
    Ok(product)
}

/// The paths, without `.rs`, of the modules that this file has for its tests.
fn test_modules_of(path: &str, syntax: &syn::File) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let declared = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    declared
        .filter(|module| is_test_only(&module.attrs))
        .map(|module| format!("{folder}/{}", module.ident))
        .collect()
}

/// Removes from `file` what is compiled for tests only.
pub(crate) fn without_tests(mut file: syn::File) -> syn::File {
    remove_tests(&mut file.items);
    file
}

fn remove_tests(items: &mut Vec<syn::Item>) {
    items.retain(|item| !is_test_only(attributes(item)));
    for item in items {
        if let syn::Item::Mod(module) = item
            && let Some((_, inner)) = &mut module.content
        {
            remove_tests(inner);
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item is only there under test.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let mut test = false;
        if attribute.path().is_ident("cfg") {
            // A condition that is more than the one word `test` is not test-only by itself.
            let _ = attribute.parse_nested_meta(|meta| {
                test |= meta.path.is_ident("test");
                Ok(())
            });
        }
        test
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product_of(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(path, text)| SourceFile::new(path, text));
        let product = product_files(files.collect()).expect("the examples parse");
        product.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn modules_under_test_are_no_product() {
        let product = product_of(&[
            ("a/src/lib.rs", "mod ring; #[cfg(test)] mod fake;"),
            (
                "a/src/ring.rs",
                "#[cfg(all(unix, target))] #[cfg(test)] mod parts;",
            ),
            ("a/src/fake.rs", ""),
            ("a/src/faker.rs", ""),
            ("a/src/ring/parts.rs", ""),
            ("a/tests/all.rs", ""),
        ]);
        assert_eq!(product, ["a/src/lib.rs", "a/src/ring.rs", "a/src/faker.rs"]);
    }

    #[test]
    fn items_under_test_are_no_product() {
        let text = "fn a() {} mod b { #[cfg(test)] fn c() {} } #[cfg(test)] mod tests {}";
        let syntax = syn::parse_file(text).expect("the example parses");
        let product = without_tests(syntax);
        assert_eq!(product.items.len(), 2);
        let syn::Item::Mod(module) = &product.items[1] else {
            panic!("the second item is a module");
        };
        assert!(
            module
                .content
                .as_ref()
                .is_some_and(|(_, items)| items.is_empty())
        );
    }
}
