//! Time from the start of the machine to its first line, as a multiple of an empty image's.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::programs::Programs;
use super::row::{Row, median};
use crate::server::Server;

/// How long a machine may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the images in turn, `runs` times each, so that a busy moment meets all of them. Each is
/// compared with the empty image that runs under the same options: httpd's machine has a network
/// device, and so has its peer's.
pub fn measure(programs: &Programs, runs: usize) -> Result<Vec<Row>> {
    let images = [
        &programs.empty,
        &programs.hello,
        &programs.empty_with_network,
        &programs.httpd,
    ];
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..runs {
        for (image, times) in images.into_iter().zip(&mut times) {
            times.push(start(programs, image)?.as_secs_f64());
        }
    }
    let mut medians = times.iter_mut().map(|times| median(times));
    let mut next = || medians.next().flatten().context("nothing was measured");
    let [empty, hello, empty_with_network, httpd] = [next()?, next()?, next()?, next()?];
    Ok(vec![
        Row::at_most("start to hello's line", "x empty", 1.15, hello / empty),
        Row::at_most(
            "start to httpd ready",
            "x empty",
            1.5,
            httpd / empty_with_network,
        ),
    ])
}

/// The time to the first line of `image`.
fn start(programs: &Programs, image: &Path) -> Result<Duration> {
    let machine = Server::start(&mut programs.run(image), PATIENCE);
    let machine = machine.with_context(|| image.display().to_string())?;
    Ok(machine.ready_after)
}
