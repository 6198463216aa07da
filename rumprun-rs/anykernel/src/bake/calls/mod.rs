//! Which system calls a program can make.
//!
//! An image contains the calls of its program and no others, so a call that is left out wrongly
//! is a broken program: a number is proven or every call is taken. Each `syscall` instruction is
//! found, and the number that the kernel will see in eax is followed backwards over every way
//! that leads there, out of the function and through its callers where it came as an argument.
//! Functions may be reached by address as well; where one of those ways could bring a number that
//! nobody can know, the proof has failed.
//!
//! What a program writes into memory and then executes is not looked at.

mod code;
mod condition;
mod effect;
mod functions;
mod musl;
mod pointers;
mod returns;
mod trace;
mod words;

use std::collections::BTreeSet;

use iced_x86::Register;
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{LittleEndian, elf};
use thiserror::Error;

use self::code::{Code, Region};
use self::functions::Functions;
use self::trace::{Graph, Unknown};
use super::program::Program;
use super::segments::Header;

/// The system calls that a program can make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Calls {
    /// These, by number, and none beside them.
    Only(BTreeSet<u32>),
    /// Any.
    All {
        /// Why no fewer.
        reason: Reason,
    },
}

/// Why an image needs all calls.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Reason {
    /// The user said so.
    #[error("--calls all was given")]
    Asked,
    /// Without section headers, constants between the code would be read as code.
    #[error("the program has no section headers")]
    NoSections,
    /// Bytes in the code are no instructions.
    #[error("what lies at {0:#x} is no instruction")]
    Undecodable(u64),
    /// Some number is not fixed before the program runs.
    #[error("the number of the system call at {site} is not known before it runs: {unknown}{}", hint(*.is_stripped))]
    Number {
        /// The `syscall` instruction, for a person.
        site: String,
        /// Where the proof ended.
        unknown: Unknown,
        /// Whether a symbol table is missing, which might have helped.
        is_stripped: bool,
    },
}

fn hint(is_stripped: bool) -> &'static str {
    match is_stripped {
        true => " (the program is stripped; its symbols may tell)",
        false => "",
    }
}

impl Calls {
    /// What `program`, which is what `file` holds, can make.
    pub fn of(program: &Program, file: &[u8]) -> Self {
        match prove(program, file) {
            Ok(numbers) => Self::Only(numbers),
            Err(reason) => Self::All { reason },
        }
    }

    /// Why there are all of them though nobody asked for that.
    pub fn unwanted_reason(&self) -> Option<&Reason> {
        match self {
            Self::Only(_)
            | Self::All {
                reason: Reason::Asked,
            } => None,
            Self::All { reason } => Some(reason),
        }
    }

    /// Whether the call numbered `number` is among them.
    pub fn contains(&self, number: u32) -> bool {
        match self {
            Self::Only(numbers) => numbers.contains(&number),
            Self::All { .. } => true,
        }
    }

    /// Those that the kernel has, in ascending order. The program may make others: the kernel
    /// names them when it does.
    pub fn implemented(&self) -> Vec<u32> {
        (0..linux_abi::TABLE_LENGTH as u32)
            .filter(|&number| linux_abi::is_implemented(number) && self.contains(number))
            .collect()
    }
}

fn prove(program: &Program, file: &[u8]) -> Result<BTreeSet<u32>, Reason> {
    let functions = Functions::read(file);
    let code = Code::decode(regions(file)?, functions.starts()).map_err(Reason::Undecodable)?;
    let pointers = pointers::targets(&code, program, file, &functions);
    if let Some(&hidden) = pointers
        .iter()
        .find(|&&pointer| code.hides_system_call(pointer))
    {
        return Err(Reason::Undecodable(hidden));
    }
    let graph = Graph {
        code: &code,
        pointers: &pointers,
        functions: &functions,
    };
    let mut numbers = BTreeSet::new();
    for site in code.system_calls() {
        let found = at_site(&graph, site).map_err(|unknown| Reason::Number {
            site: functions.describe(site),
            unknown,
            is_stripped: functions.is_empty(),
        })?;
        numbers.extend(found);
    }
    Ok(numbers)
}

/// The numbers that the `syscall` instruction at `site` can be executed with.
fn at_site(graph: &Graph, site: u64) -> Result<BTreeSet<u32>, Unknown> {
    let function = graph.functions.name(site).unwrap_or_default();
    match graph.constants(site, Register::RAX) {
        Ok(mut numbers) => {
            numbers.retain(|&number| !musl::is_never_made(function, number));
            Ok(numbers)
        }
        Err(unknown) => {
            let entry = musl::entry_of(function).and_then(|name| graph.functions.start(name));
            let numbers = entry.map(|start| graph.constants(start, Register::RDI));
            numbers.unwrap_or(Err(unknown))
        }
    }
}

/// The sections of `file` that hold code.
fn regions(file: &[u8]) -> Result<Vec<Region<'_>>, Reason> {
    let sections = Header::parse(file)
        .and_then(|header| header.sections(LittleEndian, file))
        .map_err(|_| Reason::NoSections)?;
    let mut regions = Vec::new();
    for section in sections.iter() {
        if section.sh_flags(LittleEndian).contains(elf::SHF_EXECINSTR) {
            let bytes = section
                .data(LittleEndian, file)
                .map_err(|_| Reason::NoSections)?;
            let start = section.sh_addr(LittleEndian);
            regions.push(Region { start, bytes });
        }
    }
    regions.sort_by_key(|region| region.start);
    match regions.is_empty() {
        true => Err(Reason::NoSections),
        false => Ok(regions),
    }
}
