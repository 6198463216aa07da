//! The smallest memory in which an image does its work.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, bail};

use super::programs::{HTTPD_PORT, Programs};
use super::row::Row;
use crate::fetch;
use crate::server::{Server, free_port, local};

/// What a machine is given more or less of, in KiB.
const STEP: u32 = 64;
/// Where the search begins, in steps: enough for every image (32 MiB).
const ENOUGH: u32 = 512;
/// How long a machine of enough memory may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// KiB in the MiB of the bars.
const MIB: f64 = 1024.0;

/// The smallest memory of each image.
pub fn measure(programs: &Programs) -> Result<Vec<Row>> {
    let hello = smallest(|memory| greets(programs, &programs.hello, memory))?;
    let httpd = smallest(|memory| serves(programs, &programs.httpd, memory))?;
    let in_mib = |steps: u32| f64::from(steps * STEP) / MIB;
    Ok(vec![
        Row::at_most("smallest memory of hello", "MiB", 1.5, in_mib(hello)),
        Row::at_most("smallest memory of httpd", "MiB", 3.0, in_mib(httpd)),
    ])
}

/// The smallest number of steps that `works`, found by halving: more memory never hurts.
fn smallest(works: impl Fn(&str) -> bool) -> Result<u32> {
    let works = |steps: u32| works(&format!("{}K", steps * STEP));
    let (mut too_few, mut enough) = (0, ENOUGH);
    if !works(enough) {
        bail!("an image does not work in any memory");
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if works(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Ok(enough)
}

/// Whether the image prints its line and ends well.
fn greets(programs: &Programs, image: &Path, memory: &str) -> bool {
    let mut command = programs.run(image);
    command.args(["--memory", memory]).stderr(Stdio::null());
    let ends_well = |mut server: Server| server.wait().is_ok_and(|status| status.success());
    Server::start(&mut command, PATIENCE).is_ok_and(ends_well)
}

/// Whether the image answers a request.
fn serves(programs: &Programs, image: &Path, memory: &str) -> bool {
    let Ok(port) = free_port() else {
        return false;
    };
    let mut command = programs.run(image);
    command.args(["--memory", memory]).stderr(Stdio::null());
    command.args(["--publish", &format!("{port}:{HTTPD_PORT}")]);
    let Ok(_machine) = Server::start(&mut command, PATIENCE) else {
        return false;
    };
    let answer = fetch::get(local(port), "/");
    // There are no pages: that it says so is all that is asked.
    answer.is_ok_and(|answer| answer.status() == Some(404))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_found() {
        for wanted in [1, 2, 23, 24, 511, 512] {
            let needed = wanted * STEP;
            let found = smallest(|memory| {
                let given = memory.strip_suffix('K').and_then(|text| text.parse().ok());
                given.is_some_and(|given: u32| given >= needed)
            });
            assert_eq!(found.ok(), Some(wanted));
        }
        assert!(smallest(|_| false).is_err());
    }
}
