//! The rules, applied to this workspace.

use anyhow::Result;
use cargo_metadata::{Metadata, MetadataCommand};
use layering::source::{SourceFile, product_files, workspace_files, workspace_root};
use layering::{edges, globals, licences, safety, traits, wiring, words};

fn metadata(options: &[&str]) -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(workspace_root().join("Cargo.toml"));
    command.other_options(
        options
            .iter()
            .map(|&option| option.to_owned())
            .collect::<Vec<_>>(),
    );
    Ok(command.exec()?)
}

/// The workspace's own crates.
fn packages() -> Result<Vec<edges::Package>> {
    let packages = edges::packages(&metadata(&["--no-deps"])?);
    assert!(packages.len() > 1, "cargo sees no workspace");
    Ok(packages)
}

/// The files of one folder that become part of a product.
fn product_files_of(folder: &str) -> Result<Vec<SourceFile>> {
    let mut files = workspace_files(&workspace_root())?;
    files.retain(|file| file.path.starts_with(folder));
    assert!(!files.is_empty(), "{folder} is empty");
    product_files(files)
}

/// Fails with the list of what is wrong.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn arrows_go_one_way() -> Result<()> {
    assert_none(&edges::violations(&packages()?));
    Ok(())
}

#[test]
fn components_and_platforms_meet_in_wiring() -> Result<()> {
    let packages = packages()?;
    let files = workspace_files(&workspace_root())?;
    assert_none(&wiring::violations(&packages, &files)?);
    Ok(())
}

#[test]
fn components_have_no_mutable_globals() -> Result<()> {
    assert_none(&globals::violations(&product_files_of("components/")?)?);
    Ok(())
}

#[test]
fn components_are_safe() -> Result<()> {
    assert_none(&safety::violations(&product_files_of("components/")?)?);
    Ok(())
}

#[test]
fn hypercall_traits_are_small() -> Result<()> {
    assert_none(&traits::violations(&product_files_of("hypercall/src/")?)?);
    Ok(())
}

#[test]
fn files_speak_of_the_project_alone() -> Result<()> {
    assert_none(&words::violations(&workspace_files(&workspace_root())?));
    Ok(())
}

#[test]
fn licences_are_permissive() -> Result<()> {
    // What is built for another system is not shipped, and need not be fetched.
    let metadata = metadata(&["--locked", "--filter-platform=x86_64-unknown-linux-gnu"])?;
    assert!(metadata.packages.len() > metadata.workspace_members.len());
    assert_none(&licences::violations(&metadata));
    Ok(())
}
