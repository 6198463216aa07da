//! Where code that failed was: from the registers and the stack that a machine hands over to the
//! functions that were being called, with file and line.

mod binary;
mod call_frames;
mod calls;
mod image_code;
mod libc_archive;
mod names;
mod registers;
mod stack_depth;

use std::fmt::Write;

use protocol::{Failed, FailureHead};

use self::binary::Binary;
use self::calls::{Call, End, MOST_CALLS};
use self::image_code::ImageCode;
use self::libc_archive::LibcArchive;
use self::names::{Name, Names};
use self::registers::{Registers, Stack};
use crate::symbols_file::SymbolsFile;

/// What `records`, which `image` handed over, say to a person. `symbols` are looked for only if
/// something was handed over.
pub fn describe(
    records: &[u8],
    image: &[u8],
    symbols: impl FnOnce() -> Result<SymbolsFile, String>,
) -> String {
    let mut text = String::new();
    let Some(image) = ImageCode::parse(image).filter(|_| !records.is_empty()) else {
        return text;
    };
    let symbols = symbols();
    let mut rest = records;
    while let Some((head, stack, next)) = FailureHead::split(rest) {
        rest = next;
        let stack = Stack {
            start: head.stack_start,
            bytes: stack,
        };
        let described = match &symbols {
            Ok(symbols) => with_symbols(&head, stack, &image, symbols),
            Err(reason) => Err(reason.clone()),
        };
        // A string takes everything that is written to it.
        let _ = match described {
            Ok(calls) => write!(text, "anykernel: the calls, innermost first:\n{calls}"),
            Err(reason) => write!(text, "{}", without_symbols(&head, stack, &image, &reason)),
        };
    }
    text
}

/// The calls by their names, or why there are no names.
fn with_symbols(
    head: &FailureHead,
    stack: Stack,
    image: &ImageCode,
    symbols: &SymbolsFile,
) -> Result<String, String> {
    let (file, bias) = match head.failed {
        Failed::Kernel => (Some(symbols.bytes()), 0),
        Failed::Program => (symbols.program(), image.program_bias()),
    };
    let binary = file.and_then(Binary::parse);
    let binary = binary.filter(|binary| image.holds(binary, bias));
    let binary = binary.ok_or("the symbols are those of another image")?;
    if binary.is_stripped() {
        return Err("the program is stripped".to_owned());
    }
    let (calls, end) = calls::calls(&binary, bias, Registers::of(head), stack);
    let libc = LibcArchive::find();
    let names = Names::new(&binary, libc.as_ref());
    Ok(listing(&calls, end, &names, bias))
}

fn listing(calls: &[Call], end: End, names: &Names, bias: u64) -> String {
    let mut text = String::new();
    let mut number = 0;
    for call in calls {
        let address = call.address.wrapping_add(bias);
        let mut found = names.at(call.inside());
        if found.is_empty() {
            found.push(Name::unknown());
        }
        for name in found {
            // A string takes everything that is written to it.
            let _ = writeln!(text, "#{number:<3} {address:#x} in {name}");
            number += 1;
        }
    }
    let sentence = match end {
        End::Outermost => return text,
        End::NoWay => "what called it is not known: its code does not tell".to_owned(),
        End::NoCode(address) => {
            format!("what called it is not known: at {address:#x}, as the stack says, is no code")
        }
        End::NoProgress => "what called it is not known: the stack is damaged".to_owned(),
        End::TooMany => format!("and more: these are {MOST_CALLS}"),
    };
    text + "     " + &sentence + "\n"
}

/// The addresses that may tell somebody with the symbols what was going on.
fn without_symbols(head: &FailureHead, stack: Stack, image: &ImageCode, reason: &str) -> String {
    let bias = match head.failed {
        Failed::Kernel => 0,
        Failed::Program => image.program_bias(),
    };
    let [.., rip, _, _] = head.registers;
    let returns = stack.words().filter(|word| image.follows_call(*word));
    let addresses: Vec<String> = [rip]
        .into_iter()
        .chain(returns)
        .take(MOST_CALLS)
        .map(|address| format!("{:#x}", address.wrapping_sub(bias)))
        .collect();
    let whose = match head.failed {
        Failed::Kernel => "kernel",
        Failed::Program => "program",
    };
    format!(
        "anykernel: no names of functions: {reason}\n\
         anykernel: addresses in the {whose} that it may have come by, innermost first:\n  {}\n",
        addresses.join(" ")
    )
}
