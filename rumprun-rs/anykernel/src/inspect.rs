//! `inspect`: what an image consists of, for a person.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use thiserror::Error;

use crate::Outcome;
use crate::image_file::ImageFile;

#[derive(Debug, Error)]
enum InspectError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: not an image (`anykernel bake` makes one)", .0.display())]
    NoImage(PathBuf),
}

/// The `inspect` command.
pub fn command(path: &Path) -> Outcome {
    let unreadable = |source| InspectError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let image = ImageFile::open(path).map_err(unreadable)?;
    let image = image.ok_or_else(|| InspectError::NoImage(path.to_owned()))?;
    let size = fs::metadata(path).map_err(unreadable)?.len();
    let settings = image.settings();
    println!("size         {size} bytes");
    println!("memory       {} bytes from address 0", image.memory_end);
    println!(
        "components   {}",
        settings.components().collect::<Vec<_>>().join(" ")
    );
    println!("calls        {}", names(&image.calls));
    println!("program at   {:#x}", image.table.program_base);
    println!("root         {} bytes", image.table.root_length);
    println!("arguments    {}", decoded(settings.arguments()));
    println!("environment  {}", decoded(settings.environment()));
    Ok(ExitCode::SUCCESS)
}

/// System calls by their names.
fn names(calls: &[u32]) -> String {
    let name = |&call: &u32| linux_abi::call_name(call.into()).unwrap_or("?");
    calls.iter().map(name).collect::<Vec<_>>().join(" ")
}

/// Encoded words as a person reads them.
fn decoded<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let decode =
        |word| String::from_utf8_lossy(&protocol::decode(word).collect::<Vec<_>>()).into_owned();
    words.map(decode).collect::<Vec<_>>().join(" ")
}
