//! Guest instructions from the image's entry to `main`.
//!
//! Under `-icount shift=0` QEMU's translator advances the clock by one nanosecond per
//! instruction, and the time stamp counter with it. (A `rep stosb` counts once per byte.) What
//! the firmware took before the entry is measured by an image that reads the counter first. A
//! machine that idles counts time instead, so the smallest of several counts is the one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::programs::Programs;
use super::row::Row;
use crate::step;

/// Instructions in the unit of the rows.
const MILLION: f64 = 1e6;

/// How often each image is started.
const RUNS: usize = 5;

/// A QEMU that counts instructions, as a program that `run` can be given.
const QEMU: &str = "#!/bin/sh\nexec qemu-system-x86_64 \"$@\" -icount shift=0\n";

/// The instructions of each image.
pub fn measure(programs: &Programs) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let qemu = counting_qemu(folder.path())?;
    let smallest = |image: &Path, read: fn(&[u8]) -> Result<u64>| {
        let counters = (0..RUNS).map(|_| read(&run(programs, image, &qemu)?));
        let counters: Vec<u64> = counters.collect::<Result<_>>()?;
        counters.into_iter().min().context("nothing was measured")
    };
    let entry = smallest(&programs.entry_counter, read_entry)?;
    let hello = smallest(&programs.hello_counter, read_main)?;
    let httpd = smallest(&programs.httpd_counter, read_main)?;
    let row = |name, bar, counter: u64| {
        let instructions = counter.saturating_sub(entry) as f64;
        Row::at_most(name, "million", bar, instructions / MILLION)
    };
    Ok(vec![
        row("instructions from entry to main of hello", 0.3, hello),
        row("instructions from entry to main of httpd", 1.5, httpd),
    ])
}

fn counting_qemu(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("qemu");
    fs::write(&path, QEMU)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// What `image` wrote to standard output.
fn run(programs: &Programs, image: &Path, qemu: &Path) -> Result<Vec<u8>> {
    let mut command = programs.run(image);
    command.arg("--qemu").arg(qemu);
    step::output(&mut command).with_context(|| image.display().to_string())
}

/// The counter as the entry image writes it: eight bytes.
fn read_entry(output: &[u8]) -> Result<u64> {
    let bytes = output.try_into().context("the counter has eight bytes")?;
    Ok(u64::from_le_bytes(bytes))
}

/// The counter as `counter.c` writes it: a line in decimal.
fn read_main(output: &[u8]) -> Result<u64> {
    let text = str::from_utf8(output).context("the counter is a number")?;
    text.trim().parse().context("the counter is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_counter_are_read() {
        assert_eq!(read_entry(&[1, 2, 0, 0, 0, 0, 0, 0]).ok(), Some(513));
        assert!(read_entry(b"513\n").is_err());
        assert_eq!(read_main(b"513\n").ok(), Some(513));
        assert!(read_main(b"").is_err());
    }
}
