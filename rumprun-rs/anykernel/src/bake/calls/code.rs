//! A program's instructions, and which may come before which.

use std::collections::BTreeMap;
use std::ops::Range;

use iced_x86::{Code as Opcode, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

/// The longest instruction there is (Intel SDM volume 2, 2.3.11).
const LONGEST: u64 = 15;

/// Bytes that hold code, and where they lie.
#[derive(Clone, Copy, Debug)]
pub struct Region<'data> {
    /// The address of the first byte.
    pub start: u64,
    /// The code.
    pub bytes: &'data [u8],
}

/// Decoded code.
///
/// Every instruction that direct flow reaches from the beginning of a region or from a known start
/// is in it, so that no `syscall` hides behind bytes that were read at the wrong offset;
/// instructions may therefore overlap.
#[derive(Debug)]
pub struct Code<'data> {
    regions: Vec<Region<'data>>,
    /// Each instruction's length, by its address.
    lengths: BTreeMap<u64, u8>,
    /// Targets of direct branches, with where the branch stands, in order.
    branches: Vec<(u64, u64)>,
}

/// A way from one instruction to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The earlier one.
    pub from: Instruction,
    /// Whether the later one follows in memory; otherwise the earlier one branches there.
    pub falls: bool,
}

impl<'data> Code<'data> {
    /// Decodes `regions` from their beginnings and from `starts`; the address of what is no
    /// instruction is an error.
    pub fn decode(
        regions: Vec<Region<'data>>,
        starts: impl Iterator<Item = u64>,
    ) -> Result<Self, u64> {
        let mut code = Self {
            regions,
            lengths: BTreeMap::new(),
            branches: Vec::new(),
        };
        for region in code.regions.clone() {
            code.sweep(region)?;
        }
        let targets = code.branches.iter().map(|(target, _)| *target);
        code.add(targets.chain(starts).collect());
        code.branches.sort_unstable();
        Ok(code)
    }

    /// Decodes all of `region`, one instruction after the other.
    fn sweep(&mut self, region: Region) -> Result<(), u64> {
        for instruction in &mut decoder(region, 0) {
            if instruction.is_invalid() {
                return Err(instruction.ip());
            }
            self.note(&instruction);
        }
        Ok(())
    }

    /// Decodes what direct flow reaches from `starts`, as far as it is code.
    fn add(&mut self, mut starts: Vec<u64>) {
        while let Some(start) = starts.pop() {
            let Some((region, offset)) = self.place(start) else {
                continue;
            };
            for instruction in &mut decoder(region, offset) {
                if instruction.is_invalid() || self.lengths.contains_key(&instruction.ip()) {
                    break;
                }
                starts.extend(self.note(&instruction));
            }
        }
    }

    /// Whether what lies at `address` makes a system call before it comes to decoded code.
    pub fn hides_system_call(&self, address: u64) -> bool {
        let Some((region, offset)) = self.place(address) else {
            return false;
        };
        let mut decoder = decoder(region, offset);
        let hidden = decoder.iter().take_while(|instruction| {
            !instruction.is_invalid() && !self.lengths.contains_key(&instruction.ip())
        });
        hidden
            .into_iter()
            .any(|instruction| instruction.mnemonic() == Mnemonic::Syscall)
    }

    /// Remembers an instruction; returns where it branches.
    fn note(&mut self, instruction: &Instruction) -> Option<u64> {
        let length = instruction.len() as u8;
        self.lengths.insert(instruction.ip(), length);
        let target = branch_target(instruction)?;
        self.branches.push((target, instruction.ip()));
        Some(target)
    }

    /// The region around `address`, and how far inside that is.
    fn place(&self, address: u64) -> Option<(Region<'data>, usize)> {
        self.regions.iter().find_map(|region| {
            let offset = usize::try_from(address.checked_sub(region.start)?).ok()?;
            (offset < region.bytes.len()).then_some((*region, offset))
        })
    }

    /// Whether `address` lies in the code.
    pub fn covers(&self, address: u64) -> bool {
        self.place(address).is_some()
    }

    /// All instructions, by address.
    pub fn instructions(&self) -> impl Iterator<Item = Instruction> {
        self.lengths
            .keys()
            .filter_map(|&address| self.instruction(address))
    }

    /// The jumps through registers and memory within `extent`.
    pub fn indirect_jumps(&self, extent: Range<u64>) -> impl Iterator<Item = Instruction> {
        self.lengths
            .range(extent)
            .filter_map(|(&address, _)| self.instruction(address))
            .filter(|instruction| instruction.flow_control() == FlowControl::IndirectBranch)
    }

    /// Where `syscall` instructions stand.
    pub fn system_calls(&self) -> impl Iterator<Item = u64> {
        self.instructions()
            .filter(|instruction| instruction.mnemonic() == Mnemonic::Syscall)
            .map(|instruction| instruction.ip())
    }

    /// Whether a direct branch leads to `address`.
    pub fn is_branch_target(&self, address: u64) -> bool {
        self.branches_to(address).next().is_some()
    }

    /// The instructions after which the one at `address` may be executed, indirect flow aside.
    pub fn predecessors(&self, address: u64) -> Vec<Edge> {
        let fallen = self.fallen_from(address);
        let edges = fallen.map(|from| Edge { from, falls: true });
        let branches = self.branches_to(address);
        edges
            .chain(branches.map(|from| Edge { from, falls: false }))
            .collect()
    }

    /// The instructions that stand directly before `address`, if flow goes on after them.
    pub fn fallen_from(&self, address: u64) -> impl Iterator<Item = Instruction> {
        self.lengths
            .range(address.saturating_sub(LONGEST)..address)
            .filter(move |(start, length)| **start + u64::from(**length) == address)
            .filter_map(|(start, _)| self.instruction(*start))
            .filter(goes_on)
    }

    fn branches_to(&self, address: u64) -> impl Iterator<Item = Instruction> {
        let first = self
            .branches
            .partition_point(|(target, _)| *target < address);
        self.branches[first..]
            .iter()
            .take_while(move |(target, _)| *target == address)
            .filter_map(|(_, branch)| self.instruction(*branch))
    }

    /// The instruction at `address`, if one was decoded there.
    pub fn instruction(&self, address: u64) -> Option<Instruction> {
        let (region, offset) = self.place(address)?;
        let is_known = self.lengths.contains_key(&address);
        is_known.then(|| decoder(region, offset).decode())
    }
}

fn decoder(region: Region<'_>, offset: usize) -> Decoder<'_> {
    let address = region.start + offset as u64;
    Decoder::with_ip(64, &region.bytes[offset..], address, DecoderOptions::NONE)
}

/// Whether `instruction` is a call within the program. To the decoder `syscall` is a call too.
pub fn is_call(instruction: &Instruction) -> bool {
    let is_call = matches!(
        instruction.flow_control(),
        FlowControl::Call | FlowControl::IndirectCall
    );
    is_call && instruction.code() != Opcode::Syscall
}

/// Whether `instruction` does nothing: compilers fill the gaps between functions with such.
pub fn is_padding(instruction: &Instruction) -> bool {
    let is_xchg_ax = instruction.code() == Opcode::Nopw && instruction.len() == 2;
    is_xchg_ax || matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// Where `instruction` leads if it is a direct branch.
pub fn branch_target(instruction: &Instruction) -> Option<u64> {
    let is_direct = matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::ConditionalBranch
            | FlowControl::Call
            | FlowControl::XbeginXabortXend
    );
    let target = instruction.near_branch_target();
    (is_direct && target != 0).then_some(target)
}

/// Whether the instruction behind `instruction` may be the next one.
fn goes_on(instruction: &Instruction) -> bool {
    !matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Code<'_>, u64> {
        let region = Region {
            start: 0x1000,
            bytes,
        };
        Code::decode(vec![region], std::iter::empty())
    }

    #[test]
    fn a_system_call_inside_another_instruction_is_found_by_the_jump_to_it() {
        // jmp 0x1003; (skipped) mov eax, 0xc390050f, whose last bytes are: syscall; nop; ret
        let code = decode(&[0xeb, 1, 0xb8, 0x0f, 0x05, 0x90, 0xc3]).unwrap();
        assert_eq!(code.system_calls().collect::<Vec<_>>(), [0x1003]);
    }

    #[test]
    fn a_system_call_that_only_a_pointer_finds_is_told() {
        // mov eax, 0xc390050f
        let code = decode(&[0xb8, 0x0f, 0x05, 0x90, 0xc3]).unwrap();
        assert_eq!(code.system_calls().count(), 0);
        assert!(code.hides_system_call(0x1001));
        assert!(!code.hides_system_call(0x1000) && !code.hides_system_call(0x1003));
    }

    #[test]
    fn what_is_no_instruction_is_told() {
        // nop; then a byte that long mode has no instruction for
        assert_eq!(decode(&[0x90, 0x06, 0x90]).unwrap_err(), 0x1001);
        // nop; half a call
        assert_eq!(decode(&[0x90, 0xe8, 0x00]).unwrap_err(), 0x1001);
    }

    #[test]
    fn ways_fall_and_branch() {
        // je 0x1004; jmp 0x1004; ret
        let code = decode(&[0x74, 2, 0xeb, 0, 0xc3]).unwrap();
        let ways = |address| -> Vec<_> {
            let edges = code.predecessors(address).into_iter();
            edges.map(|edge| (edge.from.ip(), edge.falls)).collect()
        };
        assert_eq!(ways(0x1002), [(0x1000, true)]);
        assert_eq!(ways(0x1004), [(0x1000, false), (0x1002, false)]);
        assert_eq!(ways(0x1000), []);
    }
}
