//! The linker script: which components an image consists of, and where the kernel lies.

use std::fmt::Write;

use protocol::{Component, ImagePart, ImageTable};

/// Where the kernel begins: beyond what firmware and loaders keep below 1 MiB.
pub const KERNEL_START: u64 = 1 << 20;

/// The script for `components`, the system calls with the numbers `calls` and an image of
/// `part_count` parts beside the kernel.
///
/// `EXTERN` makes the linker fetch each init function and all that it reaches from the library,
/// and only that; a name that the library does not have is a link error. The kernel's code, its
/// constants and its data start on pages of their own, so that none of them is both writable and
/// executable. The table's fields about the program and the parts stay 0: `bake` fills them in once
/// it knows how long the kernel is. Line information is kept where `keeps_lines`.
pub fn linker_script(
    components: &[&Component],
    calls: &[u32],
    part_count: usize,
    keeps_lines: bool,
) -> String {
    let mut externs = String::new();
    let mut initializers = String::new();
    for Component { init_symbol, .. } in components {
        writeln!(externs, "EXTERN({init_symbol})").expect("a string takes all");
        writeln!(initializers, "        QUAD({init_symbol})").expect("a string takes all");
    }
    let mut handlers = String::new();
    for &number in calls {
        let name = linux_abi::call_name(number.into()).unwrap_or_default();
        writeln!(externs, "EXTERN(call_{name})").expect("a string takes all");
        writeln!(handlers, "        QUAD({number}) QUAD(call_{name})").expect("a string takes all");
    }
    let (count, call_count) = (components.len(), calls.len());
    let lines = if keeps_lines { "" } else { " *(.debug*)" };
    let parts_length = part_count * ImagePart::LENGTH;
    let (section, symbol, magic) = (ImageTable::SECTION, ImageTable::SYMBOL, ImageTable::MAGIC);
    format!(
        "\
ENTRY(_start)
{externs}
PHDRS
{{
    text PT_LOAD FLAGS(5);
    rodata PT_LOAD FLAGS(4);
    note PT_NOTE FLAGS(4);
    data PT_LOAD FLAGS(6);
}}

SECTIONS
{{
    . = {KERNEL_START:#x};
    kernel_text_start = .;
    .text : {{
        KEEP(*(.boot))
        *(.text .text.*)
    }} :text
    kernel_text_end = .;

    . = ALIGN(4096);
    kernel_rodata_start = .;
    .note.pvh : {{ KEEP(*(.note.pvh)) }} :rodata :note
    {section} : ALIGN(8) {{
        {symbol} = .;
        QUAD({magic:#x})
        QUAD(0) QUAD(0) QUAD(0) QUAD(0) QUAD(0) QUAD(0) QUAD(0) QUAD(0)
        QUAD({count}) QUAD({call_count}) QUAD({part_count})
{initializers}{handlers}        . = . + {parts_length};
    }} :rodata
    .rodata : {{
        *(.rodata .rodata.*)
        *(.data.rel.ro .data.rel.ro.*)
    }} :rodata
    kernel_rodata_end = .;

    . = ALIGN(4096);
    kernel_data_start = .;
    .data : {{
        *(.data .data.*)
        *(.got .got.*)
    }} :data
    .bss : {{
        *(.bss .bss.*)
        *(COMMON)
    }} :data
    kernel_bss_end = .;

    /DISCARD/ : {{
        *(.comment) *(.note.gnu*) *(.gnu*)
        *(.eh_frame*) *(.gcc_except_table*){lines}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_is_named_twice_and_counted() {
        let components: Vec<_> = protocol::COMPONENTS.iter().collect();
        let script = linker_script(&components, &[0], 3, false);
        for component in &components {
            assert!(script.contains(&format!("EXTERN({})", component.init_symbol)));
            assert!(script.contains(&format!("QUAD({})", component.init_symbol)));
        }
        assert!(script.contains(&format!("QUAD({}) QUAD(1) QUAD(3)\n", components.len())));
        assert!(script.contains("QUAD(0) QUAD(call_read)\n"));
    }

    /// The table in the script is the table of the protocol: as many words before the functions.
    #[test]
    fn the_table_has_the_length_of_the_protocol() {
        let script = linker_script(&[], &[], 0, false);
        assert_eq!(script.matches("QUAD(").count() * 8, ImageTable::LENGTH);
    }
}
