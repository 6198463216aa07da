//! Which part of the kernel a linked byte belongs to, by the names of its functions.
//!
//! The whole library is optimised as one, so a small function may end up inside of another part's:
//! the figures say where the code lies, not who wrote it.

use std::collections::BTreeMap;

use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable, Sym as _};
use object::{LittleEndian, elf};
use rustc_demangle::demangle;

use super::segments::{Header, Malformed};
use crate::sizes::Size;

/// Whose the code of these crates is. Any other crate is a part of its own.
const OWNERS: [(&str, &str); 4] = [
    ("anykernel_image", WIRING),
    ("platform_kvm", "kvm"),
    ("smoltcp", "net"),
    ("virtio_drivers", "virtio"),
];
/// Crates that work for whoever calls them: a function of theirs is that of a crate which its name
/// mentions beside, if there is one.
const RUNTIME_CRATES: [&str; 10] = [
    "__rustc",
    "alloc",
    "bitflags",
    "compiler_builtins",
    "core",
    "embedded_io",
    "hypercall",
    "managed",
    "protocol",
    "rlsf",
];
/// What puts components and platform together.
const WIRING: &str = "wiring";
/// The language's own library, the allocator, and what all parts share.
const RUNTIME: &str = "runtime";
/// What has no name: strings, tables, constants.
const CONSTANTS: &str = "constants";
/// Code without a size or a name of Rust's, and the room between functions.
const OTHER: &str = "other code";

/// The parts of the linked kernel in `file`, the largest first. Their sum is what its loaded
/// sections take in the file.
pub fn of_kernel(file: &[u8]) -> Result<Vec<Size>, Malformed> {
    let truncated = |_| Malformed::Truncated("the kernel's sections");
    let header = Header::parse(file).map_err(truncated)?;
    let sections = header.sections(LittleEndian, file).map_err(truncated)?;
    let mut parts = BTreeMap::new();
    let mut rest = section_sizes(&sections);
    for (section, bytes, name) in functions(&sections, file)? {
        let Some(rest) = rest.get_mut(&section) else {
            continue;
        };
        let bytes = bytes.min(rest.bytes);
        rest.bytes -= bytes;
        *parts.entry(owner(name)).or_insert(0) += bytes;
    }
    for Rest { bytes, is_code } in rest.into_values() {
        let part = if is_code { OTHER } else { CONSTANTS };
        *parts.entry(part.to_owned()).or_insert(0) += bytes;
    }
    let mut sizes: Vec<_> = parts
        .into_iter()
        .map(|(part, bytes)| Size { part, bytes })
        .filter(|size| size.bytes > 0)
        .collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    Ok(sizes)
}

/// What of a section nobody has claimed.
struct Rest {
    bytes: u64,
    is_code: bool,
}

/// The sections that are loaded from the file, by their index.
fn section_sizes(sections: &SectionTable<'_, Header>) -> BTreeMap<usize, Rest> {
    let flag = |section: &elf::SectionHeader64<LittleEndian>, flag: u64| {
        section.sh_flags(LittleEndian).0 & flag != 0
    };
    sections
        .iter()
        .enumerate()
        .filter(|(_, section)| {
            let is_in_file = section.sh_type(LittleEndian) != elf::SHT_NOBITS;
            is_in_file && flag(section, elf::SHF_ALLOC.0)
        })
        .map(|(index, section)| {
            let rest = Rest {
                bytes: section.sh_size(LittleEndian),
                is_code: flag(section, elf::SHF_EXECINSTR.0),
            };
            (index, rest)
        })
        .collect()
}

/// The functions and variables that have a size: section, bytes, name. Of several at one address
/// the first.
fn functions<'data>(
    sections: &SectionTable<'data, Header>,
    file: &'data [u8],
) -> Result<impl Iterator<Item = (usize, u64, &'data str)>, Malformed> {
    let symbols = sections
        .symbols(LittleEndian, file, elf::SHT_SYMTAB)
        .map_err(|_| Malformed::Truncated("the kernel's symbols"))?;
    let named = symbols.iter().filter_map(|symbol| {
        let name = symbol.name(LittleEndian, symbols.strings()).ok()?;
        let section = symbol.st_shndx(LittleEndian).0;
        let size = symbol.st_size(LittleEndian);
        let address = symbol.st_value(LittleEndian);
        (size > 0).then_some((address, (section.into(), size, str::from_utf8(name).ok()?)))
    });
    let mut by_address = BTreeMap::new();
    for (address, function) in named {
        by_address.entry(address).or_insert(function);
    }
    Ok(by_address.into_values())
}

/// The part that a symbol belongs to.
fn owner(symbol: &str) -> String {
    let name = format!("{:#}", demangle(symbol));
    let mut crates = crates(&name).peekable();
    if crates.peek().is_none() {
        return exported(&name).to_owned();
    }
    let of_a_part = crates.find(|name| !RUNTIME_CRATES.contains(name));
    let Some(name) = of_a_part else {
        return RUNTIME.to_owned();
    };
    let owner = OWNERS.iter().find(|(owned, _)| *owned == name);
    owner.map_or_else(|| name.replace('_', "-"), |(_, owner)| (*owner).to_owned())
}

/// The crates that a demangled name mentions: what paths begin with.
fn crates(name: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
    let paths = name.split(move |character| !is_of_path(character));
    paths.filter_map(|path| {
        let (first, _) = path.split_once("::")?;
        let is_crate = first.starts_with(|first: char| first.is_lowercase() || first == '_');
        is_crate.then_some(first)
    })
}

/// Whose the functions are that the linker script or assembly names.
fn exported(name: &str) -> &'static str {
    if name.starts_with("call_") {
        "linux-abi"
    } else if name.starts_with("init_") || name == "kernel_main" {
        WIRING
    } else if name.starts_with("trap_") {
        "kvm"
    } else {
        OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_the_part_in_its_name() {
        for (symbol, part) in [
            (
                "_ZN3net3tcp7machine6Engine8transmit17hb50d31d4a2b095cfE",
                "net",
            ),
            (
                "_ZN59_$LT$net..stack..Stack$u20$as$u20$net..network..Network$GT$4poll17h155dbbd294eb24acE",
                "net",
            ),
            (
                "_ZN7smoltcp5iface9interface3tcp59_$LT$impl$u20$smoltcp..iface..interface..InterfaceInner$GT$11process_tcp17h9dbd6e1aa040e7b7E",
                "net",
            ),
            ("_ZN12platform_kvm6tables6TABLES17hd079fa7ef93b26bcE", "kvm"),
            (
                "_ZN4core3ptr33drop_in_place$LT$fs..vfs..Vfs$GT$17h155dbbd294eb24acE",
                "fs",
            ),
            ("_ZN4core3fmt5write17h155dbbd294eb24acE", "runtime"),
            ("_ZN9linux_abi4time3now17h155dbbd294eb24acE", "linux-abi"),
            ("call_openat", "linux-abi"),
            ("init_net", "wiring"),
            ("memcpy", "other code"),
        ] {
            assert_eq!(owner(symbol), part, "{symbol}");
        }
    }
}
