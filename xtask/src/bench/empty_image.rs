//! Images with nothing in them, to measure what the hypervisor itself takes.
//!
//! They are bootable by PVH and carry the table that `anykernel run` looks for, so they run under
//! exactly the options of every other image. Their code is a few instructions, put together here:
//! in the state that PVH enters with (32-bit protected mode, flat segments, paging off).

use protocol::{CommandLine, ImageTable, ports};

/// Where the image is loaded.
const BASE: u32 = 0x10_0000;
/// The length of an ELF64 file header.
const FILE_HEADER: u32 = 64;
/// The length of an ELF64 program header.
const PROGRAM_HEADER: u32 = 56;
/// Load segment and note segment.
const SEGMENTS: u32 = 2;
/// Where the note begins, in the file as in memory from `BASE`.
const NOTE: u32 = FILE_HEADER + SEGMENTS * PROGRAM_HEADER;
/// `PT_LOAD`.
const LOAD: u32 = 1;
/// `PT_NOTE`.
const NOTES: u32 = 4;
/// `XEN_ELFNOTE_PHYS32_ENTRY` (Xen, public/elfnote.h).
const PHYSICAL_ENTRY: u32 = 18;
/// Name length, description length, type, `Xen\0`, the entry.
const NOTE_LENGTH: u32 = 20;
/// Where the table begins: behind the note, aligned to 8.
const TABLE: u32 = (NOTE + NOTE_LENGTH).next_multiple_of(8);
/// Where the code begins.
const CODE: u32 = TABLE + ImageTable::LENGTH as u32;

/// An image that prints `ready` and a line feed and ends with status 0, and that says of itself
/// what `words` say.
pub fn that_prints_a_line(words: &CommandLine) -> Vec<u8> {
    let mut code = Vec::new();
    set_port(&mut code, ports::STANDARD_OUTPUT);
    for &byte in b"ready\n" {
        out_byte(&mut code, byte);
    }
    end(&mut code);
    image(&code, words.as_str())
}

/// An image that prints the time stamp counter of its first instruction, eight bytes, the lowest
/// first, and ends with status 0.
pub fn that_prints_the_counter() -> Vec<u8> {
    let mut code = Vec::new();
    code.extend([0x0f, 0x31]); // rdtsc
    code.extend([0x89, 0xd3]); // mov ebx, edx
    out_counter(&mut code);
    end(&mut code);
    image(&code, "")
}

/// mov edx, port
fn set_port(code: &mut Vec<u8>, port: u16) {
    code.push(0xba);
    code.extend(u32::from(port).to_le_bytes());
}

/// Writes eax, then ebx, byte by byte.
fn out_counter(code: &mut Vec<u8>) {
    set_port(code, ports::STANDARD_OUTPUT);
    out_eax(code);
    code.extend([0x89, 0xd8]); // mov eax, ebx
    out_eax(code);
}

/// Four times: out dx, al; shr eax, 8
fn out_eax(code: &mut Vec<u8>) {
    for _ in 0..4 {
        code.extend([0xee, 0xc1, 0xe8, 8]);
    }
}

/// mov al, byte; out dx, al
fn out_byte(code: &mut Vec<u8>, byte: u8) {
    code.extend([0xb0, byte, 0xee]);
}

/// Reports status 0, which ends the run, and halts for good.
fn end(code: &mut Vec<u8>) {
    set_port(code, ports::EXIT_STATUS);
    out_byte(code, 0);
    code.extend([0xfa, 0xf4, 0xeb, 0xfd]); // cli; again: hlt; jmp again
}

/// An ELF file that holds `code` and `words` in one segment, with the note and the table in front
/// of them.
fn image(code: &[u8], words: &str) -> Vec<u8> {
    let mut file = Vec::new();
    file_header(&mut file);
    let words_start = CODE + u32::try_from(code.len()).expect("the code is a few bytes");
    let length = words_start + u32::try_from(words.len()).expect("the words are few");
    program_header(&mut file, LOAD, 0, length);
    program_header(&mut file, NOTES, NOTE, NOTE_LENGTH);
    for word in [4, 4, PHYSICAL_ENTRY] {
        file.extend(word.to_le_bytes());
    }
    file.extend(b"Xen\0");
    file.extend((BASE + CODE).to_le_bytes());
    file.resize(TABLE as usize, 0);
    file.extend(table(words_start, words));
    file.extend(code);
    file.extend(words.as_bytes());
    file
}

/// A table that says nothing but where the words are.
fn table(words_start: u32, words: &str) -> [u8; ImageTable::LENGTH] {
    ImageTable {
        magic: ImageTable::MAGIC,
        words_start: u64::from(BASE + words_start),
        words_length: words.len() as u64,
        ..ImageTable::default()
    }
    .to_bytes()
}

/// The header of a 64-bit executable for x86-64 (System V ABI, figure 4.3).
fn file_header(file: &mut Vec<u8>) {
    file.extend(b"\x7fELF\x02\x01\x01");
    file.resize(16, 0);
    file.extend(2_u16.to_le_bytes()); // executable
    file.extend(62_u16.to_le_bytes()); // x86-64
    file.extend(1_u32.to_le_bytes());
    file.extend(u64::from(BASE + CODE).to_le_bytes());
    file.extend(u64::from(FILE_HEADER).to_le_bytes());
    file.extend(0_u64.to_le_bytes()); // no section headers
    file.extend(0_u32.to_le_bytes());
    for half in [FILE_HEADER, PROGRAM_HEADER, SEGMENTS, 64, 0, 0] {
        let half = u16::try_from(half).expect("headers are short");
        file.extend(half.to_le_bytes());
    }
}

/// One program header: type, all rights, and the same place in file and memory. The alignment of
/// 4 is the one that QEMU takes notes apart by.
fn program_header(file: &mut Vec<u8>, kind: u32, offset: u32, length: u32) {
    file.extend(kind.to_le_bytes());
    file.extend(7_u32.to_le_bytes());
    let address = BASE + offset;
    for word in [offset, address, address, length, length, 4] {
        file.extend(u64::from(word).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_note_and_table_are_where_they_say() {
        let mut words = CommandLine::new();
        words.components(&[]);
        let file = that_prints_a_line(&words);
        let word = |at: usize| {
            let bytes = file[at..at + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        assert_eq!(&file[..4], b"\x7fELF");
        let note = FILE_HEADER as usize + PROGRAM_HEADER as usize;
        assert_eq!(word(note + 8), u64::from(NOTE));
        assert_eq!(&file[NOTE as usize + 12..][..4], b"Xen\0");
        let table = &file[TABLE as usize..CODE as usize];
        let table = ImageTable::from_bytes(table.try_into().expect("the table's length"));
        let table = table.expect("there is one");
        assert_eq!(
            (table.init_count, table.words_length),
            (0, words.as_str().len() as u64)
        );
        let words_start = table.words_start as usize - BASE as usize;
        assert_eq!(&file[words_start..], words.as_str().as_bytes());
        assert_eq!(word(24), u64::from(BASE + CODE));
        assert_eq!(file[CODE as usize], 0xba);
    }
}
