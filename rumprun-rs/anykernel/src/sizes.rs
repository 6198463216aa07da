//! How much of an image each part of the kernel takes: `bake` writes it into the image, `inspect`
//! reads it there.
//!
//! The names of functions, from which it is known, stay behind when an image is written. So the
//! sums go along, in a segment that no loader loads: a line for each part, its bytes first.

use object::elf;
use serde::Serialize;

/// The type of the segment's header, out of those that are nobody's (PT_LOOS to PT_HIOS).
pub const SEGMENT: elf::ProgramType = elf::ProgramType(elf::PT_LOOS + 0x61_6b73);

/// How many bytes of an image's file a part takes.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Size {
    /// The part's name.
    pub part: String,
    /// Bytes in the file.
    pub bytes: u64,
}

/// The lines for `sizes`.
pub fn to_lines(sizes: &[Size]) -> String {
    let line = |Size { part, bytes }: &Size| format!("{bytes} {part}\n");
    sizes.iter().map(line).collect()
}

/// The sizes in these lines; `None` if they are something else.
pub fn from_lines(lines: &str) -> Option<Vec<Size>> {
    let size = |line: &str| {
        let (bytes, part) = line.split_once(' ')?;
        Some(Size {
            part: part.to_owned(),
            bytes: bytes.parse().ok()?,
        })
    };
    lines.lines().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let size = |part: &str, bytes| Size {
            part: part.to_owned(),
            bytes,
        };
        let sizes = [size("net", 70_000), size("linux-abi", 5)];
        assert_eq!(from_lines(&to_lines(&sizes)).as_deref(), Some(&sizes[..]));
        assert_eq!(from_lines("net 5"), None);
    }
}
