//! An image holds what its program needs and nothing else: its symbols, before stripping, say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSymbol};
use test_support::{anykernel, compiler};

/// A word in the mangled names of each component's functions.
const NET: &str = "smoltcp";
const DRIVER: &str = "virtio";
const MEMORY_FILES: &str = "ramfs";
const ROOT_FILES: &str = "tarfs";

/// Compiles the program at `source`, and bakes it; returns its image's symbols.
fn symbols(source: &Path, options: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let place = |name: &str| -> PathBuf { folder.path().join(name) };
    run(Command::new(compiler())
        .arg("-O2")
        .arg(source)
        .arg("-o")
        .arg(place("program")));
    run(Command::new(anykernel())
        .arg("bake")
        .arg(place("program"))
        .arg("-o")
        .arg(place("image"))
        .arg("--symbols")
        .arg(place("kernel"))
        .args(options));
    let kernel = fs::read(place("kernel")).expect("bake has written it");
    let kernel = object::File::parse(&*kernel).expect("the kernel is an ELF file");
    let names = kernel
        .symbols()
        .filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    names.collect()
}

fn run(command: &mut Command) {
    let status = command.status().expect("the tools are there");
    assert!(status.success(), "{command:?}");
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn has(symbols: &[String], word: &str) -> bool {
    symbols.iter().any(|symbol| symbol.contains(word))
}

#[test]
fn hello_has_no_network_and_no_files() {
    let symbols = symbols(&root("tests/boot/programs/hello.c"), &[]);
    assert!(has(&symbols, "call_writev"), "it prints");
    for absent in [
        NET,
        DRIVER,
        MEMORY_FILES,
        ROOT_FILES,
        "call_socket",
        "call_open",
    ] {
        assert!(!has(&symbols, absent), "{absent} is in an image of hello");
    }
}

#[test]
fn a_web_server_has_the_network_and_the_files_that_it_uses() {
    let source = root("examples/httpd/httpd.c");
    let without_root = symbols(&source, &[]);
    for present in [
        NET,
        DRIVER,
        MEMORY_FILES,
        "call_socket",
        "call_openat",
        "call_epoll_wait",
    ] {
        assert!(
            has(&without_root, present),
            "{present} is not in an image of httpd"
        );
    }
    assert!(!has(&without_root, ROOT_FILES), "there is no root folder");
    assert!(!has(&without_root, "call_rename"), "it renames nothing");
    let pages = root("examples/httpd/pages");
    let pages = pages.to_str().expect("the path is text");
    assert!(has(&symbols(&source, &["--root", pages]), ROOT_FILES));
}
