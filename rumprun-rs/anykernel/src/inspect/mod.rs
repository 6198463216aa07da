//! `inspect`: what an image consists of, for a person, a program or a page.

mod chart;
mod report;
mod svg;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use thiserror::Error;

use crate::image_file::ImageFile;
use crate::{Outcome, whole_file};
use chart::Style;
use report::Report;

/// The command line of `inspect`.
#[derive(Args, Debug)]
pub struct InspectArguments {
    /// Image that `bake` made
    image: PathBuf,
    /// Say it in JSON
    #[arg(long)]
    json: bool,
    /// Where to draw what the parts take, besides
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Error)]
enum InspectError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: not an image (`anykernel bake` makes one)", .0.display())]
    NoImage(PathBuf),
}

/// The `inspect` command.
pub fn command(arguments: &InspectArguments) -> Outcome {
    let report = read(&arguments.image)?;
    if let Some(path) = &arguments.svg {
        let drawing = svg::draw(&report.image, &report.sizes);
        whole_file::write(path, |file| file.write_all(drawing.as_bytes())).map_err(|source| {
            let path = path.clone();
            InspectError::File { path, source }
        })?;
    }
    let text = if arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text(Style::of_standard_output())
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn read(path: &Path) -> Result<Report, InspectError> {
    let unreadable = |source| InspectError::File {
        path: path.to_owned(),
        source,
    };
    let image = ImageFile::open(path).map_err(unreadable)?;
    let image = image.ok_or_else(|| InspectError::NoImage(path.to_owned()))?;
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    let name = path.file_name().unwrap_or(path.as_os_str());
    Ok(Report::of(&name.to_string_lossy(), size, &image))
}
