//! Code that fails: what is said of it, with the names of the functions that were being called.

use std::fs;

use crate::run::{finish, start};
use crate::workshop::{Workshop, text};

const SOURCE: &str = include_str!("failures/fault.c");

/// The number of the line of [`SOURCE`] with the comment `/* word */`, as it is shown.
fn line(word: &str) -> String {
    let comment = format!("/* {word} */");
    let index = SOURCE.lines().position(|line| line.contains(&comment));
    format!("fault.c:{}", index.expect("the comment is there") + 1)
}

/// A workshop with the program, compiled as most are.
fn with_program(options: &[&str]) -> Workshop {
    let workshop = Workshop::new();
    workshop.compile(SOURCE, "fault", &[&["-O2"], options].concat());
    workshop
}

/// The status, and what standard error has, of `run` with `arguments`.
fn run(workshop: &Workshop, arguments: &[&str]) -> (i32, String) {
    let output = finish(start(workshop, arguments));
    let status = output.status.code().expect("run ends by itself");
    (status, text(&output.stderr))
}

/// The calls that `said` lists, without their numbers and addresses.
fn calls(said: &str) -> Vec<&str> {
    let mut lines = said.lines().skip_while(|line| !line.starts_with('#'));
    let calls = lines.by_ref().map_while(|line| {
        let (_, call) = line.strip_prefix('#')?.split_once(" in ")?;
        Some(call)
    });
    calls.collect()
}

/// Whether the calls begin with `expected`, each by its function and how it ends.
fn begin_with(calls: &[&str], expected: &[(&str, &str)]) -> bool {
    let is_same = |(call, (function, end)): (&&str, &(&str, &str))| {
        call.split(' ').next() == Some(function) && call.ends_with(end)
    };
    calls.len() >= expected.len() && calls.iter().zip(expected).all(is_same)
}

#[test]
fn a_fault_in_a_callback_of_the_c_library_is_traced_to_the_start() {
    for options in [
        &[][..],
        &["-no-pie", "-fno-pie"],
        &["-fomit-frame-pointer", "-g3"],
    ] {
        let workshop = with_program(options);
        let (status, said) = run(&workshop, &["fault", "sort"]);
        assert_eq!(status, 139, "{said}");
        assert!(
            said.contains("rax=0x") && said.contains("bad memory access"),
            "{said}"
        );
        let calls = calls(&said);
        let (inner, outer) = calls.split_at(calls.len() - 5);
        assert!(
            begin_with(inner, &[("compare", &line("compared"))]),
            "{said}"
        );
        // Smoothsort: how deep it was depends on the items.
        let library = &inner[1..];
        assert!(!library.is_empty(), "{said}");
        for call in library {
            assert!(
                ["sift", "trinkle"].contains(&call.split(' ').next().unwrap()),
                "{said}"
            );
            assert!(call.ends_with(" from qsort.lo"), "{said}");
        }
        let expected = [
            ("qsort_r", "from qsort.lo"),
            ("sort", &line("sorted")),
            ("main", &line("began")),
            ("libc_start_main_stage2", "from __libc_start_main.lo"),
            ("_start", "_start"),
        ];
        assert!(begin_with(outer, &expected), "{said}");
    }
}

#[test]
fn a_call_through_a_null_pointer_is_traced_to_its_caller() {
    let (status, said) = run(&with_program(&[]), &["fault", "nowhere"]);
    assert_eq!(status, 139, "{said}");
    let expected = [
        ("??", "??"),
        ("call_nowhere", &line("called")),
        ("main", &line("began nowhere")),
    ];
    assert!(begin_with(&calls(&said), &expected), "{said}");
}

#[test]
fn functions_that_were_inlined_are_named() {
    let (status, said) = run(&with_program(&[]), &["fault", "divide"]);
    assert_eq!(status, 136, "{said}");
    let divided = format!("{} (inlined)", line("divided"));
    let expected = [("divide", divided.as_str()), ("main", &line("inlined"))];
    assert!(begin_with(&calls(&said), &expected), "{said}");
}

#[test]
fn an_invalid_instruction_has_a_status_of_its_own() {
    let (status, said) = run(&with_program(&[]), &["fault", "instruction"]);
    assert_eq!(status, 132, "{said}");
    assert!(
        begin_with(&calls(&said), &[("main", &line("trapped"))]),
        "{said}"
    );
}

#[test]
fn a_recursion_without_end_is_cut() {
    let (status, said) = run(&with_program(&[]), &["fault", "descend"]);
    assert_eq!(status, 139, "{said}");
    let calls = calls(&said);
    assert_eq!(calls.len(), 100, "{said}");
    let descended = line("descended");
    assert!(
        begin_with(&calls[1..], &[("descend", &*descended); 99]),
        "{said}"
    );
    assert!(said.ends_with("and more: these are 100\n"), "{said}");
}

#[test]
fn a_damaged_stack_ends_the_trace_with_a_sentence() {
    let (status, said) = run(
        &with_program(&["-fno-stack-protector"]),
        &["fault", "damage"],
    );
    assert_eq!(status, 139, "{said}");
    assert_eq!(calls(&said).len(), 1, "{said}");
    assert!(calls(&said)[0].starts_with("damage at "), "{said}");
    assert!(said.contains("0x1111111111111111"), "{said}");
    assert!(said.ends_with("is no code\n"), "{said}");
}

#[test]
fn a_program_that_handles_its_fault_is_left_alone() {
    let (status, said) = run(&with_program(&[]), &["fault"]);
    assert_eq!((status, said.as_str()), (0, ""));
}

fn bake(workshop: &Workshop, arguments: &[&str]) {
    let output = workshop.anykernel(&[&["bake"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn an_image_is_traced_by_the_symbols_beside_it() {
    let workshop = with_program(&[]);
    bake(&workshop, &["fault", "-o", "image", "--", "sort"]);
    let (status, without) = run(&workshop, &["image"]);
    assert_eq!(status, 139, "{without}");
    assert!(
        without.contains("`anykernel bake --symbols image.symbols`"),
        "{without}"
    );

    let symbols = [
        "fault",
        "-o",
        "image",
        "--symbols",
        "image.symbols",
        "--",
        "sort",
    ];
    bake(&workshop, &symbols);
    let (status, with) = run(&workshop, &["image"]);
    assert_eq!(status, 139, "{with}");
    let compared = line("compared");
    assert!(
        begin_with(&calls(&with), &[("compare", &compared)]),
        "{with}"
    );

    // Without names there are addresses of the program's file, for whoever has that.
    let addresses = without.lines().last().unwrap();
    let first = addresses.split_whitespace().next().unwrap();
    let named = workshop
        .command("addr2line")
        .args(["-f", "-e", "fault", first])
        .output();
    assert!(
        text(&named.unwrap().stdout).starts_with("compare\n"),
        "{without}"
    );

    workshop.compile("int main() { return 0; }\n", "other", &[]);
    bake(
        &workshop,
        &["other", "-o", "other-image", "--symbols", "image.symbols"],
    );
    let (_, other) = run(&workshop, &["image"]);
    assert!(
        other.contains("the symbols are those of another image"),
        "{other}"
    );
}

#[test]
fn a_stripped_program_gives_addresses() {
    let (status, said) = run(&with_program(&["-s"]), &["fault", "sort"]);
    assert_eq!(status, 139, "{said}");
    assert!(said.contains("the program is stripped"), "{said}");
    let addresses = said.lines().last().unwrap();
    assert!(addresses.split_whitespace().count() > 4, "{said}");
}

#[test]
fn a_panic_of_the_kernel_is_traced() {
    let workshop = with_program(&[]);
    let (status, said) = run(&workshop, &["--with", "panic", "fault"]);
    assert_eq!(status, 134, "{said}");
    assert!(
        said.starts_with("anykernel: the kernel panicked at "),
        "{said}"
    );
    let calls = calls(&said);
    for (function, file) in [
        ("fail_with", "rumprun-rs/image/src/panic.rs:"),
        ("init_panic", "rumprun-rs/image/src/panic.rs:"),
        ("kernel_main", "rumprun-rs/image/src/wiring.rs:"),
    ] {
        let is_it = |call: &&&str| call.split(' ').next() == Some(function);
        let call = calls
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{function}: {said}"));
        assert!(call.contains(file), "{said}");
    }
    assert_eq!(calls.last(), Some(&"_start"), "{said}");

    bake(
        &workshop,
        &[
            "fault",
            "-o",
            "image",
            "--with",
            "panic",
            "--symbols",
            "image.symbols",
        ],
    );
    let (status, from_file) = run(&workshop, &["image"]);
    assert_eq!((status, from_file), (134, said));
}

/// Line information is not loaded, so no image has it, and symbols that are asked for change none.
#[test]
fn lines_and_symbols_take_no_room_in_an_image() {
    let workshop = with_program(&[]);
    bake(&workshop, &["fault", "-o", "image"]);
    bake(&workshop, &["fault", "-o", "again", "--symbols", "symbols"]);
    fs::rename(workshop.path("fault"), workshop.path("with-lines")).unwrap();
    workshop.compile(SOURCE, "fault", &["-O2", "-g0"]);
    bake(&workshop, &["fault", "-o", "without-lines"]);
    let read = |name: &str| fs::read(workshop.path(name)).unwrap();
    assert!(read("image") == read("again"));
    let (with, without) = (read("image"), read("without-lines"));
    let differing = with
        .iter()
        .zip(&without)
        .filter(|(with, without)| with != without)
        .count();
    // The program's ELF header says where sections are in its file, which images do not have.
    assert!(
        with.len() == without.len() && differing <= 12,
        "{differing} bytes"
    );
    assert!(read("with-lines").len() > read("fault").len());
}
