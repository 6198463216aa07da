//! Where everything of an image lies in memory: kernel, program, then what the kernel only reads.

use thiserror::Error;

use super::program::Program;
use super::script::KERNEL_START;
use super::segments::{PAGE, Segment};

/// Addresses in an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What the program's own addresses are moved by.
    pub bias: u64,
    /// The program's ELF header.
    pub program_base: u64,
    /// The first page behind kernel and program.
    pub free: u64,
}

/// Kernel and program do not fit beside each other.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// A program at a fixed address lies where the kernel lies.
    #[error(
        "the program is linked at {program:#x}, but the kernel takes {KERNEL_START:#x} to \
         {kernel_end:#x}; link it as static-PIE (`anykernel cc` does) or with -Ttext-segment={kernel_end:#x}"
    )]
    Overlap {
        /// The program's first address.
        program: u64,
        /// The first page behind the kernel.
        kernel_end: u64,
    },
    /// The addresses run out.
    #[error("the program is too large for any memory")]
    TooLarge,
}

impl Layout {
    /// Places `program` on the first suitable page behind `kernel`, or where it insists on being.
    pub fn new(kernel: &[Segment], program: &Program) -> Result<Self, LayoutError> {
        let kernel_end = align_up(end(kernel), PAGE).ok_or(LayoutError::TooLarge)?;
        let first = program
            .segments
            .first()
            .map_or(0, |segment| segment.address);
        let bias = match program.is_placeable {
            true => align_up(kernel_end, alignment(program)).ok_or(LayoutError::TooLarge)?,
            false if first < kernel_end => {
                return Err(LayoutError::Overlap {
                    program: first,
                    kernel_end,
                });
            }
            false => 0,
        };
        let program_end = end(&program.segments).checked_add(bias);
        let free = program_end
            .and_then(|end| align_up(end, PAGE))
            .ok_or(LayoutError::TooLarge)?;
        Ok(Self {
            bias,
            program_base: first + bias,
            free,
        })
    }
}

/// The first address behind `segments`, which are in order.
fn end(segments: &[Segment]) -> u64 {
    segments.last().map_or(0, Segment::end)
}

/// The alignment that the program's segments need, a page at least.
fn alignment(program: &Program) -> u64 {
    program
        .segments
        .iter()
        .map(|segment| segment.alignment)
        .max()
        .unwrap_or(PAGE)
        .max(PAGE)
}

/// `address` rounded up to a multiple of `alignment`, a power of two.
fn align_up(address: u64, alignment: u64) -> Option<u64> {
    address.checked_next_multiple_of(alignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(address: u64, memory_size: u64, alignment: u64) -> Segment<'static> {
        Segment {
            flags: 4,
            address,
            memory_size,
            bytes: &[],
            offset: 0,
            alignment,
        }
    }

    fn layout(is_placeable: bool, segments: Vec<Segment>) -> Result<Layout, LayoutError> {
        let kernel = [
            segment(0x10_0000, 0x5000, PAGE),
            segment(0x10_6000, 0x1001, PAGE),
        ];
        Layout::new(
            &kernel,
            &Program {
                segments,
                is_placeable,
                entry: 0,
                headers: (0, 0),
            },
        )
    }

    #[test]
    fn a_placeable_program_follows_the_kernel() {
        let expected = Layout {
            bias: 0x10_8000,
            program_base: 0x10_8000,
            free: 0x10_b000,
        };
        assert_eq!(
            layout(true, vec![segment(0, 0x2001, PAGE)]).unwrap(),
            expected
        );
    }

    #[test]
    fn a_larger_alignment_is_kept() {
        assert_eq!(
            layout(true, vec![segment(0, 1, 1 << 21)])
                .unwrap()
                .program_base,
            1 << 21
        );
    }

    #[test]
    fn a_fixed_program_stays_or_is_refused() {
        let expected = Layout {
            bias: 0,
            program_base: 0x40_0000,
            free: 0x40_1000,
        };
        assert_eq!(
            layout(false, vec![segment(0x40_0000, 1, PAGE)]).unwrap(),
            expected
        );
        for address in [0x1000, 0x10_0000, 0x10_7000] {
            let refused = layout(false, vec![segment(address, 1, PAGE)]);
            assert!(
                matches!(refused, Err(LayoutError::Overlap { .. })),
                "{address:#x}"
            );
        }
        assert!(layout(false, vec![segment(0x10_8000, 1, PAGE)]).is_ok());
    }

    #[test]
    fn what_no_address_reaches_is_refused() {
        let refused = layout(true, vec![segment(0, u64::MAX - PAGE, PAGE)]);
        assert!(matches!(refused, Err(LayoutError::TooLarge)));
    }
}
