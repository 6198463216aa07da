//! The code in an image, without symbols.

use iced_x86::{Decoder, DecoderOptions};
use object::elf::PF_X;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSegment, SegmentFlags};

use super::binary::Binary;
use super::stack_depth::is_call;
use crate::image_file::ImageFile;

/// An image to look code up in.
pub struct ImageCode<'data> {
    /// Where code lies, and its bytes.
    parts: Vec<(u64, &'data [u8])>,
    program_bias: u64,
}

impl<'data> ImageCode<'data> {
    /// Reads an image's file.
    pub fn parse(bytes: &'data [u8]) -> Option<Self> {
        let file = ElfFile64::<LittleEndian>::parse(bytes).ok()?;
        let is_code =
            |flags| matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.contains(PF_X));
        let segments = file.segments().filter(|segment| is_code(segment.flags()));
        let parts = segments.filter_map(|segment| Some((segment.address(), segment.data().ok()?)));
        Some(Self {
            parts: parts.collect(),
            program_bias: ImageFile::parse(bytes)?.program_bias(bytes)?,
        })
    }

    /// What is added to the addresses in the program's file.
    pub fn program_bias(&self) -> u64 {
        self.program_bias
    }

    /// Whether the code of `binary`, moved by `bias`, is in this image.
    pub fn holds(&self, binary: &Binary, bias: u64) -> bool {
        binary.code_sections().all(|(start, code)| {
            let found = self.from(start.wrapping_add(bias));
            found.is_some_and(|bytes| bytes.starts_with(code))
        })
    }

    /// Whether `address` is one that a call returns to.
    pub fn follows_call(&self, address: u64) -> bool {
        /// The shortest and the longest call.
        const LENGTHS: std::ops::RangeInclusive<u64> = 2..=8;
        LENGTHS.into_iter().any(|length| {
            let start = address.wrapping_sub(length);
            let Some(bytes) = self.from(start) else {
                return false;
            };
            let call = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE).decode();
            is_call(&call) && call.next_ip() == address
        })
    }

    /// The code at `address` and behind it.
    fn from(&self, address: u64) -> Option<&'data [u8]> {
        self.parts.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        })
    }
}
