//! Which instructions may be reached through a pointer.
//!
//! A pointer to code is a word in memory, an operand of an instruction, or an entry of a table of
//! distances from that table, as compilers make for `switch`. Everything is taken that could be
//! one.

use std::collections::BTreeSet;

use iced_x86::{Instruction, OpKind};
use object::LittleEndian;
use object::read::elf::FileHeader as _;

use super::code::Code;
use super::functions::Functions;
use super::{musl, words};
use crate::bake::program::Program;
use crate::bake::segments::Header;

/// Addresses in `code` that `program`, which is what `file` holds, may jump to through pointers.
pub fn targets(
    code: &Code,
    program: &Program,
    file: &[u8],
    functions: &Functions,
) -> BTreeSet<u64> {
    let entry = Header::parse(file).map(|header| header.e_entry(LittleEndian));
    let mut targets: BTreeSet<u64> = entry.into_iter().collect();
    let named: BTreeSet<u64> = code
        .instructions()
        .flat_map(|instruction| operands(instruction, program.is_placeable))
        .collect();
    for &address in &named {
        if !code.covers(address) {
            let next = named.range(address.saturating_add(1)..).next();
            let entries = table(program, address, next.copied());
            targets.extend(entries.take_while(|&entry| code.covers(entry)));
        } else if functions.start(musl::COMPARED_ONLY) != Some(address) {
            targets.insert(address);
        }
    }
    let words = words::pointers(program, file).into_iter();
    targets.extend(words.filter(|&word| code.covers(word)));
    targets
}

/// What `instruction` names beside the target of a direct branch. In a program that is moved only
/// an address relative to the instruction can name a place in it.
fn operands(instruction: Instruction, is_placeable: bool) -> impl Iterator<Item = u64> {
    let is_direct = instruction.near_branch_target() != 0;
    let count = match is_direct {
        true => 0,
        false => instruction.op_count(),
    };
    (0..count).filter_map(move |operand| match instruction.op_kind(operand) {
        OpKind::Memory if instruction.is_ip_rel_memory_operand() => {
            Some(instruction.ip_rel_memory_address())
        }
        OpKind::Memory if !is_placeable => Some(instruction.memory_displacement64()),
        OpKind::Register | OpKind::Memory => None,
        _ if is_placeable => None,
        _ => instruction.try_immediate(operand).ok(),
    })
}

/// Where the entries of a table of distances at `start` lead, if there is one. It goes no further
/// than to what lies at `next`, which code names as well.
fn table(program: &Program, start: u64, next: Option<u64>) -> impl Iterator<Item = u64> {
    let segment = program
        .segments
        .iter()
        .find(|segment| (segment.address..segment.end()).contains(&start));
    let bytes = segment.and_then(|segment| {
        let offset = usize::try_from(start - segment.address).ok()?;
        segment.bytes.get(offset..)
    });
    let limit = next.map_or(u64::MAX, |next| (next - start) / 4);
    let entries = bytes.unwrap_or_default().as_chunks::<4>().0.iter();
    entries
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(move |entry| start.wrapping_add_signed(i32::from_le_bytes(*entry).into()))
}

#[cfg(test)]
mod tests {
    use crate::bake::segments::Segment;
    use object::elf;

    use super::super::code::Region;
    use super::*;

    /// Code at 0x1000 (64 bytes of it, `front` first) and data at 0x2000.
    fn found(front: &[u8], data: &[u8], is_placeable: bool) -> Vec<u64> {
        let mut bytes = [0x90; 64];
        bytes[..front.len()].copy_from_slice(front);
        let segment = |flags: elf::ProgramFlags, address, bytes| Segment {
            flags: flags.0,
            address,
            memory_size: 0x100,
            bytes,
            offset: 0,
            alignment: 1,
        };
        let program = Program {
            entry: 0,
            headers: (0, 0),
            segments: vec![
                segment(elf::PF_X, 0x1000, &bytes),
                segment(elf::PF_R, 0x2000, data),
            ],
            is_placeable,
        };
        let region = Region {
            start: 0x1000,
            bytes: &bytes,
        };
        let code = Code::decode(vec![region], std::iter::empty()).unwrap();
        let targets = targets(&code, &program, &[], &Functions::default());
        targets.into_iter().collect()
    }

    #[test]
    fn words_in_memory_are_pointers() {
        let mut data = [0; 24];
        data[8..16].copy_from_slice(&0x1010_u64.to_le_bytes());
        data[19] = 0x20;
        data[20] = 0x10;
        assert_eq!(found(&[], &data, true), [0x1010]);
        let data = [&[1][..], &data].concat();
        assert_eq!(found(&[], &data, true), [0; 0]);
        assert_eq!(found(&[], &data, false), [0x1010]);
    }

    #[test]
    fn operands_are_pointers() {
        // lea rdi, [rip+9] at 0x1000
        assert_eq!(found(&[0x48, 0x8d, 0x3d, 9, 0, 0, 0], &[], true), [0x1010]);
        // mov edi, 0x1010
        let immediate = [0xbf, 0x10, 0x10, 0, 0];
        assert_eq!(found(&immediate, &[], false), [0x1010]);
        assert_eq!(found(&immediate, &[], true), [0; 0]);
        // A call's target is no pointer: call 0x1010
        assert_eq!(found(&[0xe8, 0x0b, 0, 0, 0], &[], false), [0; 0]);
    }

    #[test]
    fn a_table_of_distances_ends_where_the_next_begins() {
        // lea r9, [0x2000]; lea r8, [0x2008]
        let code = [
            0x4c, 0x8d, 0x0d, 0xf9, 0x0f, 0, 0, 0x4c, 0x8d, 0x05, 0xfa, 0x0f, 0, 0,
        ];
        let distances: [i32; 4] = [0x1010 - 0x2000, 0x1020 - 0x2000, 0x1030 - 0x2008, 5];
        let data: Vec<u8> = distances.iter().flat_map(|far| far.to_le_bytes()).collect();
        assert_eq!(found(&code, &data, true), [0x1010, 0x1020, 0x1030]);
    }
}
