//! From a call to its caller by call frame information (DWARF 5, 6.4), which compilers leave
//! behind in `.eh_frame` or `.debug_frame`.

use gimli::{
    BaseAddresses, CfaRule, DebugFrame, EhFrame, EndianSlice, Evaluation, EvaluationResult,
    Expression, LittleEndian, Location, Register, RegisterRule, UnwindContext, UnwindExpression,
    UnwindSection, Value,
};

use super::binary::Binary;
use super::registers::{KEPT_BY_CALLS, Registers, Stack, number};

type Reader<'data> = EndianSlice<'data, LittleEndian>;

const ADDRESS_SIZE: u8 = 8;
/// More steps than this in an expression are a mistake.
const MOST_STEPS: u32 = 1000;

/// The registers of the caller of the code at `address` of `binary`, which runs with `registers`
/// at `bias` from there. `None` where nothing is said of that code, or what is said makes no sense.
pub fn caller(
    binary: &Binary,
    address: u64,
    registers: &Registers,
    stack: Stack,
) -> Option<Registers> {
    let by_eh_frame = binary.section(".eh_frame").and_then(|(start, bytes)| {
        let mut section = EhFrame::new(bytes, LittleEndian);
        section.set_address_size(ADDRESS_SIZE);
        let bases = BaseAddresses::default().set_eh_frame(start);
        step(&section, &bases, address, registers, stack)
    });
    by_eh_frame.or_else(|| {
        let (_, bytes) = binary.section(".debug_frame")?;
        let mut section = DebugFrame::from(Reader::new(bytes, LittleEndian));
        section.set_address_size(ADDRESS_SIZE);
        step(
            &section,
            &BaseAddresses::default(),
            address,
            registers,
            stack,
        )
    })
}

fn step<'data, S>(
    section: &S,
    bases: &BaseAddresses,
    address: u64,
    registers: &Registers,
    stack: Stack,
) -> Option<Registers>
where
    S: UnwindSection<Reader<'data>>,
{
    let mut context = UnwindContext::new();
    let row = section
        .unwind_info_for_address(bases, &mut context, address, S::cie_from_offset)
        .ok()?;
    let evaluate = |expression: &UnwindExpression<usize>, start| {
        let expression = expression.get(section).ok()?;
        evaluated(expression, start, registers, stack)
    };
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => {
            registers.get(register.0)?.checked_add_signed(*offset)?
        }
        CfaRule::Expression(expression) => evaluate(expression, None)?,
    };
    let value = |number: u16| match row.register(Register(number)) {
        // Nothing is said of registers that are where they were.
        None => registers.kept_by_calls().get(number),
        Some(RegisterRule::SameValue) => registers.get(number),
        Some(RegisterRule::Offset(offset)) => stack.word(cfa.checked_add_signed(offset)?),
        Some(RegisterRule::ValOffset(offset)) => cfa.checked_add_signed(offset),
        Some(RegisterRule::Register(other)) => registers.get(other.0),
        Some(RegisterRule::Expression(found)) => stack.word(evaluate(&found, Some(cfa))?),
        Some(RegisterRule::ValExpression(found)) => evaluate(&found, Some(cfa)),
        Some(_) => None,
    };
    let mut caller = Registers::default();
    for number in KEPT_BY_CALLS {
        caller.set(number, value(number));
    }
    caller.set(number::RSP, Some(cfa));
    caller.set(number::RIP, Some(value(number::RIP)?));
    Some(caller)
}

/// What `expression` comes to when it starts with `start` on its stack.
fn evaluated(
    expression: Expression<Reader>,
    start: Option<u64>,
    registers: &Registers,
    stack: Stack,
) -> Option<u64> {
    let encoding = gimli::Encoding {
        address_size: ADDRESS_SIZE,
        format: gimli::Format::Dwarf32,
        version: 5,
    };
    let mut evaluation: Evaluation<Reader> = expression.evaluation(encoding);
    evaluation.set_max_iterations(MOST_STEPS);
    if let Some(start) = start {
        evaluation.set_initial_value(start);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = Value::Generic(registers.get(register.0)?);
                evaluation.resume_with_register(value).ok()?
            }
            EvaluationResult::RequiresMemory { address, size, .. } if size == ADDRESS_SIZE => {
                let value = Value::Generic(stack.word(address)?);
                evaluation.resume_with_memory(value).ok()?
            }
            _ => return None,
        };
    }
    match evaluation.result().first()?.location {
        Location::Address { address } => Some(address),
        _ => None,
    }
}
