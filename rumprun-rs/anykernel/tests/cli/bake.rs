//! Baking: the segments of an image, and one clear line for everything that cannot be baked.

use std::fs;
use std::path::Path;

use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, elf};
use protocol::ImageTable;

use crate::guest;
use crate::workshop::{ANYKERNEL, Workshop, text, user_error};

const HELLO: &str = "#include <stdio.h>\nint main() { puts(\"hello\"); }\n";
const SERVER: &str =
    "#include <sys/socket.h>\nint main() { return socket(AF_INET, SOCK_STREAM, 0) < 0; }\n";

const FILE: &str = "#include <fcntl.h>\nint main() { return open(\"/\", O_RDONLY) < 0; }\n";

/// A load segment: flags, address, length in memory, bytes.
type Load = (u32, u64, u64, Vec<u8>);

fn parse(file: &[u8]) -> &elf::FileHeader64<LittleEndian> {
    elf::FileHeader64::parse(file).unwrap()
}

fn loads(path: &Path) -> Vec<Load> {
    let file = fs::read(path).unwrap();
    let headers = parse(&file)
        .program_headers(LittleEndian, &file[..])
        .unwrap();
    headers
        .iter()
        .filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD)
        .map(|header| {
            let data = header.data(LittleEndian, &file[..]).unwrap().to_vec();
            let flags = header.p_flags(LittleEndian).0;
            (
                flags,
                header.p_paddr(LittleEndian),
                header.p_memsz(LittleEndian),
                data,
            )
        })
        .collect()
}

/// The bytes of `loads` at an address.
fn at(loads: &[Load], address: u64, length: u64) -> &[u8] {
    let (_, start, _, data) = loads
        .iter()
        .find(|(_, start, _, data)| (*start..start + data.len() as u64).contains(&address))
        .expect("the address is loaded");
    let offset = (address - start) as usize;
    &data[offset..offset + length as usize]
}

/// The image table, which lies in the kernel's second segment.
fn table(loads: &[Load]) -> ImageTable {
    let (_, _, _, rodata) = &loads[1];
    rodata
        .as_chunks::<8>()
        .0
        .windows(ImageTable::LENGTH / 8)
        .find_map(|words| ImageTable::from_bytes(words.as_flattened().try_into().unwrap()))
        .expect("the kernel has a table")
}

/// A workshop with the stand-in kernel.
fn with_guest() -> Workshop {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop
}

fn bake(workshop: &Workshop, arguments: &[&str]) -> Vec<Load> {
    let options = ["bake", "--library", "libguest.a", "-o", "image"];
    let output = workshop.anykernel(&[&options, arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    loads(&workshop.path("image"))
}

fn symbols(workshop: &Workshop) -> Vec<String> {
    let output = workshop
        .command("nm")
        .args(["-j", "kernel"])
        .output()
        .unwrap();
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_placeable_program_follows_the_kernel_page_by_page() {
    let workshop = with_guest();
    let program = loads(&workshop.compile(HELLO, "hello", &[]));
    let image = bake(&workshop, &["hello"]);
    let table = table(&image);

    let kernel = &image[..3];
    assert_eq!(
        kernel.iter().map(|load| load.0).collect::<Vec<_>>(),
        [5, 4, 6]
    );
    assert_eq!(kernel[0].1, 0x10_0000);
    let kernel_end = kernel[2].1 + kernel[2].2;
    assert_eq!(table.program_base, kernel_end.next_multiple_of(4096));
    assert_eq!(at(&image, table.program_base, 4), b"\x7fELF");

    let moved: Vec<Load> = image[3..3 + program.len()]
        .iter()
        .map(|(flags, address, size, data)| {
            (*flags, address - table.program_base, *size, data.clone())
        })
        .collect();
    assert_eq!(moved, program);
    assert!(
        image.iter().all(|(flags, ..)| flags & 3 != 3),
        "writable and executable"
    );
    for pair in image.windows(2) {
        let end = pair[0].1 + pair[0].2;
        assert!(
            end.next_multiple_of(4096) <= pair[1].1,
            "two segments share a page"
        );
    }
}

#[test]
fn a_fixed_program_keeps_its_addresses() {
    let workshop = with_guest();
    let program = loads(&workshop.compile(HELLO, "hello", &["-no-pie", "-fno-pie"]));
    let image = bake(&workshop, &["hello"]);
    assert_eq!(table(&image).program_base, 0x40_0000);
    assert_eq!(image[3..3 + program.len()], program);
}

#[test]
fn root_and_words_are_where_the_table_says() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    fs::create_dir(workshop.path("root")).unwrap();
    workshop.write("root/page", "a page");
    let image = bake(
        &workshop,
        &["hello", "--root", "root", "--env", "A=b c", "--", "-x", "y"],
    );
    let table = table(&image);
    assert_eq!(
        text(at(&image, table.words_start, table.words_length)),
        "anykernel.arg=hello anykernel.arg=-x anykernel.arg=y anykernel.env=A=b%20c \
         anykernel.components=tarfs"
    );
    let archive = at(&image, table.root_start, table.root_length);
    assert_eq!((table.root_start % 4096, table.root_length % 512), (0, 0));
    assert!(archive.starts_with(b"page\0") && archive[512..].starts_with(b"a page"));
}

#[test]
fn the_image_is_smaller_than_its_parts_and_has_no_sections() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &["-Os", "-s"]);
    let image = bake(&workshop, &["hello"]);
    let file = fs::read(workshop.path("image")).unwrap();
    let content: usize = image.iter().map(|(.., data)| data.len()).sum();
    assert!(
        file.len() < content + 1024,
        "{} bytes for {content}",
        file.len()
    );
    assert_eq!(parse(&file).e_shnum(LittleEndian), 0);
}

#[test]
fn the_same_input_gives_the_same_image() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    let options = ["hello", "--root", "bin"];
    bake(&workshop, &options);
    let first = fs::read(workshop.path("image")).unwrap();
    bake(&workshop, &options);
    assert!(first == fs::read(workshop.path("image")).unwrap());
}

#[test]
fn only_chosen_components_are_linked() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    workshop.compile(SERVER, "server", &[]);
    workshop.compile(SERVER, "stripped", &["-s"]);
    workshop.compile(FILE, "file", &[]);
    workshop.compile(FILE, "stripped-file", &["-s"]);
    let files = ["init_devfs", "init_procfs", "init_ramfs"];
    let all = ["init_devfs", "init_net", "init_procfs", "init_ramfs"];
    for (arguments, expected) in [
        (&["hello"][..], &[][..]),
        (&["file"], &files),
        (&["stripped-file"], &files),
        (&["file", "--without", "ramfs"], &files[..2]),
        (&["server"], &["init_net"]),
        (&["stripped"], &all),
        (&["hello", "--with", "net"], &["init_net"]),
        (&["server", "--without", "net"], &[]),
        (&["hello", "--calls", "all"], &all),
    ] {
        let image = bake(&workshop, &[arguments, &["--symbols", "kernel"]].concat());
        let mut inits = symbols(&workshop);
        inits.retain(|symbol| symbol.starts_with("init_"));
        inits.sort();
        assert_eq!(inits, expected, "{arguments:?}");
        assert_eq!(table(&image).init_count, expected.len() as u64);
    }
}

#[test]
fn every_linker_will_do() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    let reference = bake(&workshop, &["hello"]);
    fs::create_dir(workshop.path("only-ld")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/ld.bfd", workshop.path("only-ld/ld")).unwrap();
    let output = workshop
        .command(ANYKERNEL)
        .args(["bake", "--library", "libguest.a", "-o", "other", "hello"])
        .env("PATH", workshop.path("only-ld"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let other = loads(&workshop.path("other"));
    let shape = |loads: &[Load]| {
        loads
            .iter()
            .map(|load| (load.0, load.1))
            .collect::<Vec<_>>()
    };
    assert_eq!(shape(&other), shape(&reference));
}

#[test]
fn without_a_linker_the_way_out_is_named() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    let output = workshop
        .command(ANYKERNEL)
        .args(["bake", "--library", "libguest.a", "-o", "image", "hello"])
        .env("PATH", workshop.path("nowhere"))
        .output()
        .unwrap();
    assert!(user_error(&output).contains("apt install lld"));
}

#[test]
fn what_is_no_program_is_refused_and_leaves_no_image() {
    let workshop = with_guest();
    let hello = fs::read(workshop.compile(HELLO, "hello", &[])).unwrap();
    let dynamic = workshop.write("dynamic.c", "int main() { return 0; }\n");
    for arguments in [
        &["-o", "dynamic"][..],
        &["-c", "-o", "object"],
        &["-shared", "-fPIC", "-o", "shared"],
    ] {
        let output = workshop
            .command("gcc")
            .args(arguments)
            .arg(&dynamic)
            .output()
            .unwrap();
        assert!(output.status.success());
    }
    let patched = |offset: usize, byte: u8| {
        let mut file = hello.clone();
        file[offset] = byte;
        file
    };
    let phdr = 64;
    workshop.write("text", "#!/bin/sh\n");
    workshop.write("empty", "");
    workshop.write("cut", &hello[..hello.len() / 4]);
    workshop.write("cut-header", &hello[..40]);
    workshop.write("cut-table", &hello[..80]);
    workshop.write("arm", patched(18, 183));
    workshop.write("class-32", patched(4, 1));
    workshop.write("big-endian", patched(5, 2));
    workshop.write("overlap", patched(phdr + 56 + 17, 0));
    workshop.write("file-larger-than-memory", patched(phdr + 40, 0));
    workshop.write("no-entry", patched(24 + 7, 0x7f));
    workshop.write("odd-alignment", patched(phdr + 48, 3));
    for (name, expected) in [
        ("missing", "No such file"),
        ("bin", "Is a directory"),
        ("text", "not an ELF program"),
        ("empty", "not an ELF program"),
        ("cut", "truncated"),
        ("cut-header", "truncated"),
        ("cut-table", "truncated"),
        ("arm", "64-bit x86"),
        ("class-32", "64-bit x86"),
        ("big-endian", "64-bit x86"),
        ("overlap", "overlap"),
        ("file-larger-than-memory", "impossible sizes"),
        ("no-entry", "entry point"),
        ("odd-alignment", "impossible sizes"),
        ("dynamic", "link it statically"),
        ("object", "object file"),
        ("shared", "shared"),
    ] {
        let output = workshop.anykernel(&["bake", "--library", "libguest.a", "-o", "image", name]);
        let message = user_error(&output);
        assert!(
            message.contains(expected) && message.contains(name),
            "{name}: {message}"
        );
        assert!(!workshop.path("image").exists(), "{name}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    for output in ["missing/image", "hello/image", "bin"] {
        for arguments in [&["-o", output][..], &["-o", "image", "--symbols", output]] {
            let bake = ["bake", "--library", "libguest.a", "hello"];
            let message = user_error(&workshop.anykernel(&[&bake, arguments].concat()));
            assert!(message.contains(output), "{message}");
            assert!(!workshop.path("image").exists(), "{arguments:?}");
        }
    }
}

#[test]
fn a_bake_that_fails_half_way_leaves_what_was_there() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    fs::create_dir(workshop.path("root")).unwrap();
    bake(&workshop, &["hello", "--root", "root"]);
    let before = fs::read(workshop.path("image")).unwrap();
    let names = || {
        let entries = fs::read_dir(workshop.path("")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let files = names();
    // A socket, which an archive cannot hold, is found when the image is being written.
    let _socket = std::os::unix::net::UnixListener::bind(workshop.path("root/socket")).unwrap();
    let options = [
        "bake",
        "--library",
        "libguest.a",
        "-o",
        "image",
        "hello",
        "--root",
        "root",
    ];
    assert!(user_error(&workshop.anykernel(&options)).contains("socket"));
    assert!(before == fs::read(workshop.path("image")).unwrap());
    assert_eq!(names(), files);
}

#[test]
fn a_program_where_the_kernel_lies_is_refused() {
    let workshop = with_guest();
    workshop.compile(
        HELLO,
        "hello",
        &["-no-pie", "-fno-pie", "-Wl,-Ttext-segment=0x100000"],
    );
    let output = workshop.anykernel(&["bake", "--library", "libguest.a", "-o", "image", "hello"]);
    assert!(user_error(&output).contains("static-PIE"));
}

#[test]
fn wrong_wishes_are_answered_with_what_there_is() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    let bake = |arguments: &[&str]| {
        let options = ["bake", "-o", "image", "hello", "--library"];
        user_error(&workshop.anykernel(&[&options, arguments].concat()))
    };
    assert!(bake(&["libguest.a", "--with", "tcp"]).contains("net"));
    assert!(bake(&["missing.a"]).contains("missing.a"));
    assert!(bake(&["libguest.a", "--root", "missing"]).contains("missing"));
    assert!(bake(&["libguest.a", "--root", "hello"]).contains("hello"));
    workshop.write("libempty.a", "!<arch>\n");
    assert!(bake(&["libempty.a", "--with", "net"]).contains("init_"));
}

/// What a plain `cargo build` makes has nothing to link, and says what has.
#[cfg(not(embedded_library))]
#[test]
fn a_binary_without_the_library_says_how_to_build_one() {
    let workshop = Workshop::new();
    workshop.compile(HELLO, "hello", &[]);
    let message = user_error(&workshop.anykernel(&["bake", "hello", "-o", "image"]));
    assert!(message.contains("cargo xtask build"), "{message}");
}
