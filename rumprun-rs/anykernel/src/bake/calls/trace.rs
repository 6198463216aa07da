//! Following a value backwards to the constants that it can be.

use std::collections::BTreeSet;

use iced_x86::{Instruction, Register};
use thiserror::Error;

use super::code::{Code, Edge, branch_target, is_call, is_padding};
use super::condition;
use super::effect::{self, Before, Place, Wanted};
use super::functions::Functions;
use super::returns;

/// More steps than any value needs whose origin can be told.
const STEPS: usize = 20_000;

/// Registers that a function leaves as they were (System V ABI for x86-64, 3.2.1).
const PRESERVED: [Register; 7] = [
    Register::RBX,
    Register::RSP,
    Register::RBP,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

/// A program as a graph of instructions.
pub struct Graph<'a> {
    /// The instructions, and the ways between them.
    pub code: &'a Code<'a>,
    /// Where further ways may begin.
    pub pointers: &'a BTreeSet<u64>,
    /// Where functions begin.
    pub functions: &'a Functions<'a>,
}

/// Where a value's origin is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Unknown {
    /// It comes from memory, from a calculation or from the result of a call.
    #[error("the instruction at {0:#x} computes or loads it")]
    Computed(u64),
    /// It is an argument, and not all callers can be told.
    #[error("a pointer may lead to {0:#x}, on the way to it")]
    Pointer(u64),
    /// Nothing is known to lead there.
    #[error("no way is known that leads to {0:#x}")]
    Unreached(u64),
    /// There are too many ways.
    #[error("too many ways lead to it")]
    TooFar,
}

impl Graph<'_> {
    /// What `register` can hold when the instruction at `address` is about to be executed.
    pub fn constants(&self, address: u64, register: Register) -> Result<BTreeSet<u32>, Unknown> {
        let mut search = Search {
            found: BTreeSet::new(),
            seen: BTreeSet::new(),
            open: Vec::new(),
        };
        search.open(address, Wanted::at(Place::Register(register)));
        while let Some((address, wanted)) = search.open.pop() {
            if search.seen.len() > STEPS {
                return Err(Unknown::TooFar);
            }
            for edge in self.ways_to(address)? {
                search.take(edge.from.ip(), self.before(&edge, wanted))?;
            }
        }
        Ok(search.found)
    }

    /// What `wanted` behind `edge` is before the instruction that `edge` comes from.
    fn before(&self, edge: &Edge, wanted: Wanted) -> Before {
        let is_call = is_call(&edge.from);
        match wanted.place {
            // On the way into a function the registers are the caller's, on the way out some are.
            Place::Register(register)
                if is_call && (!edge.falls || PRESERVED.contains(&register)) =>
            {
                Before::Wanted(wanted)
            }
            _ if is_call => Before::Unknown,
            Place::Register(register) => {
                let is_entered = |address| self.is_entered(address);
                condition::equal_behind(self.code, edge, register, &is_entered).map_or_else(
                    || effect::before(&edge.from, wanted),
                    |value| wanted.is(value),
                )
            }
            Place::StackTop => effect::before(&edge.from, wanted),
        }
    }

    /// Whether flow may come to `address` otherwise than from the instruction before it.
    fn is_entered(&self, address: u64) -> bool {
        self.code.is_branch_target(address) || self.pointers.contains(&address)
    }

    /// The ways to the instruction at `address`.
    fn ways_to(&self, address: u64) -> Result<Vec<Edge>, Unknown> {
        let mut edges = self.direct_ways_to(address);
        if self.pointers.contains(&address) {
            let jumps = self.jumps_to_label(address);
            edges.extend(jumps.ok_or(Unknown::Pointer(address))?);
        }
        // A function that nothing calls or points to is never executed; the linker took it along
        // with others of its file.
        match edges.is_empty() && !self.functions.begins_at(address) {
            true => Err(Unknown::Unreached(address)),
            false => Ok(edges),
        }
    }

    /// The jumps that may lead to `address` through a pointer to it, if that is a label in the
    /// middle of a function, such as a `case` in C: no code but the function's own knows of it.
    fn jumps_to_label(&self, address: u64) -> Option<Vec<Edge>> {
        let function = self.functions.around_nameless(address)?;
        let jumps = self.code.indirect_jumps(function);
        let edges: Vec<_> = jumps.map(|from| Edge { from, falls: false }).collect();
        (!edges.is_empty()).then_some(edges)
    }

    /// The ways that go through no pointer. Gaps that nothing runs into are none.
    fn direct_ways_to(&self, address: u64) -> Vec<Edge> {
        let mut edges = self.code.predecessors(address);
        edges.retain(|edge| {
            let from = match edge.falls {
                true => self.before_gap(edge.from),
                false => Some(edge.from),
            };
            from.is_some_and(|from| !edge.falls || !is_call(&from) || self.goes_on(&from, address))
        });
        edges
    }

    /// Whether flow may go on from `call` to `next`, across a gap or not. A call directly before
    /// a function does not return: flow does not run from one function into the next, except
    /// where assembly code means it to.
    fn goes_on(&self, call: &Instruction, next: u64) -> bool {
        let callee = branch_target(call);
        !self.functions.begins_at(next)
            && callee.is_none_or(|callee| returns::may_return(self.code, callee))
    }

    /// The last instruction before the gap that ends with `last`, which is itself the answer if it
    /// is none or if somebody jumps into the gap; nothing if flow does not run into it.
    fn before_gap(&self, last: Instruction) -> Option<Instruction> {
        let mut from = last;
        while is_padding(&from) {
            let start = from.ip();
            if self.is_entered(start) {
                break;
            }
            let mut before = self.code.fallen_from(start);
            let first = before.next()?;
            if before.next().is_some() {
                break;
            }
            from = first;
        }
        Some(from)
    }
}

/// A search under way.
struct Search {
    found: BTreeSet<u32>,
    seen: BTreeSet<(u64, Wanted)>,
    /// What is still to be followed: values at the instruction at an address.
    open: Vec<(u64, Wanted)>,
}

impl Search {
    fn open(&mut self, address: u64, wanted: Wanted) {
        if self.seen.insert((address, wanted)) {
            self.open.push((address, wanted));
        }
    }

    fn take(&mut self, address: u64, before: Before) -> Result<(), Unknown> {
        match before {
            Before::Constant(value) => drop(self.found.insert(value)),
            Before::Wanted(wanted) => self.open(address, wanted),
            Before::Either(one, other) => {
                self.open(address, one);
                self.open(address, other);
            }
            Before::Unknown => return Err(Unknown::Computed(address)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::Region;
    use super::*;

    const START: u64 = 0x1000;

    /// What `code`'s first system call can be, if `pointers` and `functions` are known.
    fn trace(
        code: &[u8],
        pointers: &[u64],
        functions: &[(u64, u64, &str)],
    ) -> Result<Vec<u32>, Unknown> {
        let region = Region {
            start: START,
            bytes: code,
        };
        let code = Code::decode(vec![region], std::iter::empty()).expect("it is code");
        let graph = Graph {
            code: &code,
            pointers: &pointers.iter().copied().collect(),
            functions: &Functions::at(functions),
        };
        let site = code.system_calls().next().expect("there is one");
        let found = graph.constants(site, Register::RAX)?;
        Ok(found.into_iter().collect())
    }

    fn numbers(code: &[u8]) -> Result<Vec<u32>, Unknown> {
        trace(code, &[], &[])
    }

    #[test]
    fn constants_are_found_however_they_are_loaded() {
        for (number, code) in [
            (39, &[0xb8, 39, 0, 0, 0, 0x0f, 0x05][..]), // mov eax, 39
            (39, &[0x48, 0xc7, 0xc0, 39, 0, 0, 0, 0x0f, 0x05]), // mov rax, 39
            (0, &[0x31, 0xc0, 0x0f, 0x05]),             // xor eax, eax
            (56, &[0x31, 0xc0, 0xb0, 56, 0x0f, 0x05]),  // xor eax, eax; mov al, 56
            (60, &[0x6a, 60, 0x58, 0x0f, 0x05]),        // push 60; pop rax
            (41, &[0xba, 41, 0, 0, 0, 0x48, 0x89, 0xd0, 0x0f, 0x05]), // mov edx, 41; mov rax, rdx
            (41, &[0xbf, 41, 0, 0, 0, 0x48, 0x97, 0x0f, 0x05]), // mov edi, 41; xchg rax, rdi
            (41, &[0xbf, 41, 0, 0, 0, 0x57, 0x58, 0x0f, 0x05]), // mov edi, 41; push rdi; pop rax
        ] {
            assert_eq!(numbers(code), Ok(vec![number]), "{code:02x?}");
        }
    }

    #[test]
    fn a_number_that_is_computed_is_unknown() {
        for (at, code) in [
            (START, &[0x8b, 0x07, 0x0f, 0x05][..]),   // mov eax, [rdi]
            (START, &[0x8d, 0x47, 0x01, 0x0f, 0x05]), // lea eax, [rdi+1]
            (START + 5, &[0xb8, 1, 0, 0, 0, 0xff, 0xc0, 0x0f, 0x05]), // mov eax, 1; inc eax
            (START, &[0x0f, 0xb6, 0xc2, 0x0f, 0x05]), // movzx eax, dl
            (START + 4, &[0x31, 0xc0, 0x31, 0xc9, 0xb4, 1, 0x0f, 0x05]), // ...; mov ah, 1
            (START + 1, &[0x57, 0x59, 0x58, 0x0f, 0x05]), // push rdi; pop rcx; pop rax
        ] {
            assert_eq!(numbers(code), Err(Unknown::Computed(at)), "{code:02x?}");
        }
    }

    #[test]
    fn every_way_counts() {
        // test edi, edi; je +7; mov eax, 1; jmp +5; mov eax, 20; syscall
        let branches = [
            0x85, 0xff, 0x74, 7, 0xb8, 1, 0, 0, 0, 0xeb, 5, 0xb8, 20, 0, 0, 0, 0x0f, 0x05,
        ];
        assert_eq!(numbers(&branches), Ok(vec![1, 20]));
        // mov eax, 1; mov ecx, 20; test edi, edi; cmovne eax, ecx; syscall
        let conditional = [
            0xb8, 1, 0, 0, 0, 0xb9, 20, 0, 0, 0, 0x85, 0xff, 0x0f, 0x45, 0xc1, 0x0f, 0x05,
        ];
        assert_eq!(numbers(&conditional), Ok(vec![1, 20]));
        // mov edx, 60; mov rax, rdx; syscall; jmp to the second
        let circle = [0xba, 60, 0, 0, 0, 0x48, 0x89, 0xd0, 0x0f, 0x05, 0xeb, 0xf9];
        assert_eq!(numbers(&circle), Ok(vec![60]));
    }

    #[test]
    fn a_comparison_tells_a_number() {
        // test rax, rax; je +5; mov eax, 19; syscall
        let mut code = [0x48, 0x85, 0xc0, 0x74, 5, 0xb8, 19, 0, 0, 0, 0x0f, 0x05];
        assert_eq!(numbers(&code), Ok(vec![0, 19]));
        code[3] = 0x75; // jne +5
        assert_eq!(numbers(&code), Err(Unknown::Unreached(START)));
        // cmp eax, 3; jne +2; syscall; ret
        let code = [0x83, 0xf8, 3, 0x75, 2, 0x0f, 0x05, 0xc3];
        assert_eq!(numbers(&code), Ok(vec![3]));
        // test rax, rdx tells nothing of rax.
        let code = [0x48, 0x85, 0xd0, 0x74, 5, 0xb8, 19, 0, 0, 0, 0x0f, 0x05];
        assert_eq!(numbers(&code), Err(Unknown::Unreached(START)));
    }

    #[test]
    fn what_a_call_preserves_stays_known() {
        // mov r12d, 60; call +5; mov eax, r12d; syscall; ret
        let preserved = [
            0x41, 0xbc, 60, 0, 0, 0, 0xe8, 5, 0, 0, 0, 0x44, 0x89, 0xe0, 0x0f, 0x05, 0xc3,
        ];
        assert_eq!(numbers(&preserved), Ok(vec![60]));
        // mov ecx, 60; call +4; mov eax, ecx; syscall; ret
        let lost = [
            0xb9, 60, 0, 0, 0, 0xe8, 4, 0, 0, 0, 0x89, 0xc8, 0x0f, 0x05, 0xc3,
        ];
        assert_eq!(numbers(&lost), Err(Unknown::Computed(START + 5)));
    }

    #[test]
    fn the_answer_of_a_call_is_no_number() {
        // mov eax, 39; syscall; syscall
        let code = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x05];
        let region = Region {
            start: START,
            bytes: &code,
        };
        let code = Code::decode(vec![region], std::iter::empty()).unwrap();
        let graph = Graph {
            code: &code,
            pointers: &BTreeSet::new(),
            functions: &Functions::default(),
        };
        let second = graph.constants(START + 7, Register::RAX);
        assert_eq!(second, Err(Unknown::Computed(START + 5)));
        // The instruction keeps its return address in rcx.
        let wanted = graph.constants(START + 7, Register::RCX);
        assert_eq!(wanted, Err(Unknown::Computed(START + 5)));
    }

    /// mov rax, rdi; syscall; ret, which is called with 39 and jumped to with 60.
    const FORWARDER: [u8; 23] = [
        0x48, 0x89, 0xf8, 0x0f, 0x05, 0xc3, // the function
        0xbf, 39, 0, 0, 0, 0xe8, 0xf0, 0xff, 0xff, 0xff, // mov edi, 39; call
        0xbf, 60, 0, 0, 0, 0xeb, 0xe9, // mov edi, 60; jmp
    ];

    #[test]
    fn an_argument_is_what_the_callers_pass() {
        assert_eq!(numbers(&FORWARDER), Ok(vec![39, 60]));
        let through_pointer = trace(&FORWARDER, &[START], &[]);
        assert_eq!(through_pointer, Err(Unknown::Pointer(START)));
    }

    #[test]
    fn a_function_without_callers_makes_no_call() {
        let alone = &FORWARDER[..6];
        assert_eq!(trace(alone, &[], &[(START, 6, "f")]), Ok(vec![]));
        assert_eq!(numbers(alone), Err(Unknown::Unreached(START)));
    }

    #[test]
    fn nothing_comes_back_from_a_function_that_does_not_return() {
        // mov r12d, 60; jmp 0x1010; call 0x1015; nop; (0x1010) mov eax, r12d; syscall;
        // (0x1015) jmp 0x1015
        let mut code = [
            0x41, 0xbc, 60, 0, 0, 0, 0xeb, 8, 0xe8, 8, 0, 0, 0, 0x0f, 0x1f, 0, 0x44, 0x89, 0xe0,
            0x0f, 0x05, 0xeb, 0xfe,
        ];
        assert_eq!(numbers(&code), Ok(vec![60]));
        code[21] = 0xc3; // ret
        code[22] = 0x90;
        assert_eq!(numbers(&code), Err(Unknown::Unreached(START + 8)));
    }

    #[test]
    fn a_label_is_reached_by_the_jumps_of_its_function() {
        // mov r15d, 2; jmp rdx; (0x1008) mov eax, r15d; syscall; ret
        let code = [
            0x41, 0xbf, 2, 0, 0, 0, 0xff, 0xe2, 0x44, 0x89, 0xf8, 0x0f, 0x05, 0xc3,
        ];
        let label = START + 8;
        let function = (START, code.len() as u64, "f");
        assert_eq!(trace(&code, &[label], &[function]), Ok(vec![2]));
        assert_eq!(trace(&code, &[label], &[]), Err(Unknown::Pointer(label)));
        let named = [function, (label, 0, "g")];
        assert_eq!(trace(&code, &[label], &named), Err(Unknown::Pointer(label)));
    }
}
