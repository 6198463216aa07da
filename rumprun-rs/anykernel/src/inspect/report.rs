//! What there is to say about an image.

use std::fmt::Write;

use object::elf;
use serde::Serialize;

use super::chart::{self, Style};
use crate::image_file::{ImageFile, LoadSegment};
use crate::sizes::Size;

/// What an image consists of. The fields are those of the JSON form.
#[derive(Serialize, Debug)]
pub struct Report {
    /// The file's name.
    pub image: String,
    /// The file's bytes.
    pub size: u64,
    /// The memory that it is loaded into, in bytes from address 0.
    pub memory: u64,
    /// The components, in the order in which they start.
    pub components: Vec<String>,
    /// The system calls.
    pub calls: Vec<String>,
    /// Where the program lies.
    pub program_address: u64,
    /// The root folder's bytes, as an archive.
    pub root: u64,
    /// The program's default arguments, its name first.
    pub arguments: Vec<String>,
    /// Its default environment.
    pub environment: Vec<String>,
    /// What takes how much of the file; the sum is the file's size.
    pub sizes: Vec<Size>,
    /// What is loaded where.
    pub segments: Vec<Segment>,
}

/// A load segment.
#[derive(Serialize, Debug)]
pub struct Segment {
    /// Whose it is: kernel, program, or the files and words.
    pub of: &'static str,
    /// Its first address.
    pub address: u64,
    /// Its bytes in memory.
    pub memory: u64,
    /// Its bytes in the file.
    pub file: u64,
    /// `r`, `w` and `x`, or a hyphen for each that it has not.
    pub rights: String,
}

impl Report {
    /// The report about `image`, whose file has this name and size.
    pub fn of(name: &str, size: u64, image: &ImageFile) -> Self {
        let settings = image.settings();
        let call_name = |&call: &u32| linux_abi::call_name(call.into()).unwrap_or("?").to_owned();
        let segments: Vec<_> = image
            .segments
            .iter()
            .map(|segment| Segment::of(segment, image))
            .collect();
        Self {
            image: name.to_owned(),
            size,
            memory: image.memory_end,
            components: settings.components().map(str::to_owned).collect(),
            calls: image.calls.iter().map(call_name).collect(),
            program_address: image.table.program_base,
            root: image.table.root_length,
            arguments: decoded(settings.arguments()),
            environment: decoded(settings.environment()),
            sizes: sizes(size, image, &segments),
            segments,
        }
    }

    /// The report for a person.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let line = format!("{name:<12} {value}");
            writeln!(text, "{}", line.trim_end()).expect("a string takes all");
        };
        line("size", &format_args!("{} bytes", self.size));
        line(
            "memory",
            &format_args!("{} bytes from address 0", self.memory),
        );
        line("components", &self.components.join(" "));
        line("calls", &self.calls.join(" "));
        line("program at", &format_args!("{:#x}", self.program_address));
        line("root", &format_args!("{} bytes", self.root));
        line("arguments", &self.arguments.join(" "));
        line("environment", &self.environment.join(" "));
        text += "\nbytes of the file\n";
        text += &chart::draw(&self.sizes, style);
        text += "\n   address    memory      file  rights  of\n";
        for segment in &self.segments {
            let Segment {
                of,
                address,
                memory,
                file,
                rights,
            } = segment;
            let address = format!("{address:#x}");
            writeln!(
                text,
                "{address:>10}{memory:>10}{file:>10}  {rights:<6}  {of}"
            )
            .expect("a string takes all");
        }
        text
    }
}

impl Segment {
    fn of(segment: &LoadSegment, image: &ImageFile) -> Self {
        let table = &image.table;
        let data_start = table.root_start.min(table.words_start);
        let of = match segment.address {
            address if address < table.program_base => "kernel",
            address if address < data_start => "program",
            _ => "files and words",
        };
        let right = |flag: elf::ProgramFlags, letter| match segment.flags & flag.0 {
            0 => '-',
            _ => letter,
        };
        Self {
            of,
            address: segment.address,
            memory: segment.memory,
            file: segment.file,
            rights: [
                right(elf::PF_R, 'r'),
                right(elf::PF_W, 'w'),
                right(elf::PF_X, 'x'),
            ]
            .into_iter()
            .collect(),
        }
    }
}

/// The parts of the kernel, the program, the root folder, and what is left: headers and words.
fn sizes(size: u64, image: &ImageFile, segments: &[Segment]) -> Vec<Size> {
    let of_program = segments.iter().filter(|segment| segment.of == "program");
    let part = |part: &str, bytes| Size {
        part: part.to_owned(),
        bytes,
    };
    let mut sizes = image.sizes.clone();
    sizes.push(part(
        "program",
        of_program.map(|segment| segment.file).sum(),
    ));
    sizes.push(part("root folder", image.table.root_length));
    let named: u64 = sizes.iter().map(|size| size.bytes).sum();
    sizes.push(part("headers, words", size.saturating_sub(named)));
    sizes.retain(|size| size.bytes > 0);
    sizes.sort_by_key(|size| std::cmp::Reverse(size.bytes));
    sizes
}

/// Encoded words as a person reads them.
fn decoded<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let decode = |word| protocol::decode(word).collect::<Vec<_>>();
    words
        .map(|word| String::from_utf8_lossy(&decode(word)).into_owned())
        .collect()
}
