//! The compiler wrapper: what it makes runs on Linux, stands alone, and can be placed anywhere.

use std::fs;

use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, elf};

use crate::workshop::{ANYKERNEL, Workshop, text, user_error};

const HELLO: &str = "#include <stdio.h>\nint main() { puts(\"hello\"); return 7; }\n";

/// The ELF type of a program, and whether it asks for an interpreter.
fn kind(file: &[u8]) -> (elf::FileType, bool) {
    let header = elf::FileHeader64::<LittleEndian>::parse(file).unwrap();
    let segments = header.program_headers(LittleEndian, file).unwrap();
    let has_interpreter = segments
        .iter()
        .any(|segment| segment.p_type(LittleEndian) == elf::PT_INTERP);
    (header.e_type(LittleEndian), has_interpreter)
}

#[test]
fn programs_are_static_and_position_independent_whatever_is_asked() {
    let workshop = Workshop::new();
    for (name, options) in [
        ("plain", &[][..]),
        ("static", &["-static"]),
        ("static-pie", &["-static-pie"]),
        ("pie", &["-pie", "-fPIE"]),
        ("lto", &["-Os", "-flto", "-rdynamic"]),
        ("threads", &["-pthread", "-lm", "-lpthread", "-lc"]),
    ] {
        let program = workshop.compile(HELLO, name, options);
        assert_eq!(
            kind(&fs::read(&program).unwrap()),
            (elf::ET_DYN, false),
            "{name}"
        );
        let output = workshop.command(program).output().unwrap();
        assert_eq!(
            (text(&output.stdout).as_str(), output.status.code()),
            ("hello\n", Some(7))
        );
    }
}

#[test]
fn no_pie_gives_a_program_at_a_fixed_address() {
    let workshop = Workshop::new();
    let program = workshop.compile(HELLO, "fixed", &["-no-pie", "-fno-pie"]);
    assert_eq!(kind(&fs::read(&program).unwrap()), (elf::ET_EXEC, false));
    assert_eq!(
        workshop.command(program).output().unwrap().stdout,
        b"hello\n"
    );
}

#[test]
fn the_c_library_is_musl() {
    let workshop = Workshop::new();
    let program = workshop.compile(
        "#include <features.h>\n#include <stdio.h>\n\
         #ifdef __GLIBC__\n#error the headers of glibc\n#endif\n\
         int main() { return printf(\"x\") != 1; }\n",
        "program",
        &["-L/usr/lib/x86_64-linux-gnu"],
    );
    assert!(
        workshop
            .command(&program)
            .output()
            .unwrap()
            .status
            .success()
    );
    let strings = text(&fs::read(program).unwrap());
    assert!(!strings.contains("GNU C Library"));
}

#[test]
fn objects_partial_links_and_archives_pass() {
    let workshop = Workshop::new();
    workshop.write("part.c", "int part(void) { return 40; }\n");
    workshop.write(
        "main.c",
        "int part(void);\nint main() { return part() + 2; }\n",
    );
    let script = "set -e; PATH=$PWD/bin:$PATH; CC=x86_64-anykernel-cc\n\
        $CC -c part.c; $CC -S main.c; $CC -E main.c -o main.i; $CC -M main.c >main.d\n\
        $CC -r part.o -o partial.o; x86_64-anykernel-ar rcs libpart.a partial.o\n\
        x86_64-anykernel-ranlib libpart.a; $CC main.s -L. -lpart -o main; $CC --version; $CC -v\n\
        ./main || exit $?\n";
    let output = workshop
        .command("/bin/sh")
        .args(["-c", script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(42), "{}", text(&output.stderr));
}

#[test]
fn kernel_headers_and_queues_are_at_hand() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stddef.h>\n#include <linux/limits.h>\n#include <asm/unistd.h>\n#include <sys/queue.h>\n\
         LIST_HEAD(list, entry); struct entry { LIST_ENTRY(entry) next; };\n\
         int main() { struct list list; LIST_INIT(&list); return NAME_MAX != 255; }\n",
        "program",
        &["-Wall", "-Werror"],
    );
}

#[test]
fn passwords_can_be_hashed() {
    let workshop = Workshop::new();
    let program = workshop.compile(
        "#include <crypt.h>\n#include <unistd.h>\n#include <stdio.h>\n\
         int main() { puts(crypt(\"secret\", \"$6$salt$\")); }\n",
        "program",
        &["-lcrypt"],
    );
    let output = workshop.command(program).output().unwrap();
    // As `openssl passwd -6 -salt salt secret` computes it.
    assert_eq!(
        text(&output.stdout),
        "$6$salt$egUxKNxDs8kPfh8iPMNcosMhb2eWah6d3R44JDm5Rj/j/XWR5E33QPd0YmHXoDHOIDR6kL5D3JcQcz0O8FHE00\n"
    );
}

#[test]
fn shared_objects_are_refused() {
    let workshop = Workshop::new();
    let output = workshop.anykernel(&["cc", "-shared", "x.c", "-o", "x.so"]);
    assert!(user_error(&output).contains("--disable-shared"));
}

#[test]
fn a_missing_compiler_or_libc_is_named_with_its_package() {
    let workshop = Workshop::new();
    let without_gcc = workshop
        .command(ANYKERNEL)
        .args(["cc", "x.c"])
        .env("PATH", workshop.path("nowhere"))
        .output()
        .unwrap();
    assert!(user_error(&without_gcc).contains("apt install gcc"));
    let without_musl = workshop
        .command(ANYKERNEL)
        .args(["cc", "x.c"])
        .env("ANYKERNEL_MUSL", workshop.path("nowhere"))
        .output()
        .unwrap();
    assert!(user_error(&without_musl).contains("apt install musl-dev"));
}

#[test]
fn errors_of_the_source_are_gccs_own() {
    let workshop = Workshop::new();
    workshop.write("x.c", "int main() { return missing; }\n");
    let output = workshop.anykernel(&["cc", "x.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing"));
}
