//! The generated bindings against the system's C headers.
//!
//! The written file states the size of each structure, the offset of each field and the value of
//! each constant; rustc has checked those of structures. Here each becomes a `_Static_assert`
//! that the C compiler checks over the same headers.

use std::fs;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// What a C compiler needs beside the name to find a set of headers.
struct Headers {
    name: &'static str,
    flags: &'static [&'static str],
    /// So many facts are there at least: a test of nothing fails.
    least: usize,
}

const KERNEL: Headers = Headers {
    name: "kernel",
    flags: &[],
    least: 900,
};

const LIBC: Headers = Headers {
    name: "libc",
    flags: &["-nostdinc", "-isystem", "/usr/include/x86_64-linux-musl"],
    least: 80,
};

#[test]
fn the_kernel_s_headers_say_the_same() {
    check(&KERNEL);
}

#[test]
fn musl_s_headers_say_the_same() {
    check(&LIBC);
}

#[test]
fn a_wrong_fact_is_found() {
    assert!(compile(&KERNEL, &["sizeof(struct iovec) == 16".into()]).is_ok());
    assert!(compile(&KERNEL, &["sizeof(struct iovec) == 17".into()]).is_err());
    assert!(compile(&LIBC, &["SOCK_STREAM == 2".into()]).is_err());
}

fn check(headers: &Headers) {
    let bindings = Path::new(FOLDER)
        .join("src/bindings")
        .join(headers.name)
        .with_extension("rs");
    let text = fs::read_to_string(bindings).expect("the bindings are checked in");
    let mut facts = constants(&text);
    facts.extend(layouts(&text));
    assert!(facts.len() >= headers.least, "only {} facts", facts.len());
    if let Err(messages) = compile(headers, &facts) {
        panic!("{messages}");
    }
}

/// `pub const NAME: type = value;` as a condition in C.
fn constants(text: &str) -> Vec<String> {
    let facts = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(": ")?;
        let (_, value) = rest.strip_suffix(';')?.split_once(" = ")?;
        value.parse::<i64>().ok()?;
        Some(format!("({name}) == {value}"))
    });
    facts.collect()
}

/// `["Size of name"][... - 16usize];` and its kin as conditions in C.
fn layouts(text: &str) -> Vec<String> {
    let statements = text.split("[\"").skip(1);
    let facts = statements.filter_map(|statement| {
        let (what, rest) = statement.split_once("\"]")?;
        let (_, value) = rest.split_once(" - ")?;
        let (value, _) = value.split_once("usize")?;
        if let Some(name) = what.strip_prefix("Size of ") {
            return Some(format!("sizeof({}) == {value}", c_type(name)));
        }
        if let Some(name) = what.strip_prefix("Alignment of ") {
            return Some(format!("_Alignof({}) == {value}", c_type(name)));
        }
        let (name, field) = what.strip_prefix("Offset of field: ")?.split_once("::")?;
        let name = c_type(name);
        Some(format!("__builtin_offsetof({name}, {field}) == {value}"))
    });
    facts.collect()
}

/// A structure as C names it: those whose names end so have no tag.
fn c_type(name: &str) -> String {
    match name.ends_with("_t") {
        true => name.to_owned(),
        false => format!("struct {name}"),
    }
}

/// Has the C compiler check `facts`; its messages if one is false.
fn compile(headers: &Headers, facts: &[String]) -> Result<(), String> {
    let mut source = format!("#include \"{FOLDER}/generate/{}.h\"\n", headers.name);
    for fact in facts {
        let message = fact.replace('"', "'");
        source.push_str(&format!("_Static_assert({fact}, \"{message}\");\n"));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("facts.c");
    fs::write(&file, source).expect("a file");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-fsyntax-only"])
        .args(headers.flags)
        .arg(&file)
        .output()
        .expect("a C compiler");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
