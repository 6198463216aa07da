//! The specs file that makes gcc link static position-independent programs against musl.
//!
//! `musl-gcc -static-pie` silently makes a dynamic program, because the specs that come with musl
//! know nothing of `rcrt1.o`, the start file that relocates the program by itself.

use std::path::{Path, PathBuf};

use super::musl::Musl;
use crate::cache::{self, CacheError};

/// The specs file for `musl`, with `headers` searched after its own.
pub fn file(musl: &Musl, headers: &Path) -> Result<PathBuf, CacheError> {
    let text = specs(
        &musl.libraries.display().to_string(),
        &musl.headers.display().to_string(),
        &headers.display().to_string(),
    );
    cache::file("gcc", "specs", text.as_bytes())
}

/// The text (GCC manual, "Specifying Subprocesses and the Switches to Pass to Them").
///
/// - The headers of musl stand before gcc's, those of the kernel after both.
/// - `-no-pie` gives a program at a fixed address, everything else one that can be placed.
/// - Functions and lines are written down, which names the place of a fault; no image holds them.
/// - The linker searches no folder of the system's own libc, and `libc.a` is named by its path,
///   so that no `-L` of the user's can bring in another.
fn specs(libraries: &str, musl_headers: &str, headers: &str) -> String {
    let include =
        format!("-nostdinc -isystem {musl_headers} -isystem include%s -isystem {headers}");
    format!(
        "\
%rename cpp_options system_cpp_options

*cpp_options:
{include} %(system_cpp_options)

*cc1:
%(cc1_cpu) {include} \
%{{fno-pic|fno-PIC|fno-pie|fno-PIE|fpic|fPIC|fpie|fPIE|no-pie:;:-fPIE}} %{{!g*:-g1}}

*link_libgcc:
-L{libraries} -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*lib:
{libraries}/libc.a

*link_gcc_c_sequence:
--start-group %G %{{!nolibc:%L}} --end-group

*startfile:
%{{no-pie:{libraries}/crt1.o;:{libraries}/rcrt1.o}} {libraries}/crti.o \
%{{no-pie:crtbegin.o%s;:crtbeginS.o%s}}

*endfile:
%{{no-pie:crtend.o%s;:crtendS.o%s}} {libraries}/crtn.o

*link:
-m elf_x86_64 -nostdlib -static %{{no-pie|r:;:-pie --no-dynamic-linker -z text}} \
--hash-style=gnu %{{!r:--eh-frame-hdr}} %{{rdynamic:-export-dynamic}}

"
    )
}
