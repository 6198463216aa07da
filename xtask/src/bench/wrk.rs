//! The load generator `wrk`, and what it says.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// `wrk` on `url` from one thread, for `seconds`, over `connections` that stay open.
pub fn command(url: &str, connections: usize, seconds: u64) -> Command {
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s"), url]);
    command
}

/// Requests a second, from what `wrk` has written. An answer that was none, or not the page, is
/// an error: such requests would count too.
pub fn requests_per_second(said: &str) -> Result<f64> {
    for trouble in ["Socket errors", "Non-2xx"] {
        let line = said.lines().find(|line| line.contains(trouble));
        ensure!(line.is_none(), "wrk: {}", line.unwrap_or_default().trim());
    }
    let figure = said.lines().find_map(|line| {
        line.trim()
            .strip_prefix("Requests/sec:")?
            .trim()
            .parse()
            .ok()
    });
    figure.with_context(|| format!("wrk says no rate of requests: {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "  44985 requests in 5.00s, 27.64MB read\n\
        Requests/sec:   8996.17\nTransfer/sec:      5.53MB\n";

    #[test]
    fn the_rate_is_read() {
        assert_eq!(requests_per_second(SAID).ok(), Some(8996.17));
        assert!(requests_per_second("unable to connect").is_err());
    }

    #[test]
    fn bad_answers_do_not_count() {
        let errors = "  Socket errors: connect 0, read 3, write 0, timeout 0\n";
        assert!(requests_per_second(&format!("{errors}{SAID}")).is_err());
        let refused = "  Non-2xx or 3xx responses: 44985\n";
        assert!(requests_per_second(&format!("{refused}{SAID}")).is_err());
    }
}
