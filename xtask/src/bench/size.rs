//! Bytes of images.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::programs::Programs;
use super::row::Row;

/// Bytes in the KB of the bars.
const KB: f64 = 1000.0;

/// The sizes of the images.
pub fn measure(programs: &Programs) -> Result<Vec<Row>> {
    let hello = size_of(&programs.hello)?;
    let httpd = size_of(&programs.httpd)?;
    Ok(vec![
        Row::at_most("size of hello", "KB", 96.0, hello),
        Row::at_most("size of httpd without pages", "KB", 300.0, httpd),
    ])
}

fn size_of(path: &Path) -> Result<f64> {
    Ok(fs::metadata(path)?.len() as f64 / KB)
}
