//! The console: what goes out arrives, what comes in comes in order, and an end is an end.

use alloc::vec;
use alloc::vec::Vec;

use super::{HostFixture, SPURIOUS_RETURNS, ends_soon};
use crate::contract::{Case, Deviation, Verdict, ensure, needs};
use crate::{ConsoleError, Host, Input, Stream};

/// The streams that a program writes to.
const OUTPUTS: [Stream; 2] = [Stream::Output, Stream::Error];
/// What the cases write: an empty line each, which disturbs no report.
const LINE: &[u8] = b"\n";

/// In an order of its own: the last cases end the input for good.
pub(super) fn cases<F: HostFixture>() -> Vec<Case<F>> {
    let mut cases = writing();
    cases.extend(reading());
    cases
}

fn writing<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "console-terminal-never-changes",
            clause: "console_is_terminal: the answer never changes",
            check: terminal_never_changes,
        },
        Case {
            name: "console-write-takes-some",
            clause: "console_write: returns how many went, at least one",
            check: write_takes_some,
        },
        Case {
            name: "console-write-of-nothing",
            clause: "console_write: of no bytes none go",
            check: write_of_nothing,
        },
        Case {
            name: "console-write-to-input-is-refused",
            clause: "console_write: writing to Stream::Input is ConsoleError::Closed",
            check: write_to_input,
        },
        Case {
            name: "console-write-arrives",
            clause: "console_write: writes the front of bytes, as many as it says",
            check: write_arrives,
        },
        Case {
            name: "console-streams-are-apart",
            clause: "console_write: to Stream::Output or Stream::Error",
            check: streams_are_apart,
        },
    ]
}

fn reading<F: HostFixture>() -> Vec<Case<F>> {
    vec![
        Case {
            name: "console-read-nothing-yet",
            clause: "console_read: never blocks; Pending when there is nothing",
            check: read_nothing_yet,
        },
        Case {
            name: "console-read-in-order",
            clause: "console_read: reads what standard input has into the front of buffer",
            check: read_in_order,
        },
        Case {
            name: "console-input-ends-the-wait",
            clause: "console_read: after Pending, wait returns when there is something",
            check: input_ends_the_wait,
        },
        Case {
            name: "console-end-after-all-bytes",
            clause: "console_read: what was typed before the end is read before it",
            check: end_after_all_bytes,
        },
        Case {
            name: "console-end-is-final",
            clause: "console_read: after End every answer is End",
            check: end_is_final,
        },
    ]
}

fn terminal_never_changes<F: HostFixture>(fixture: &mut F) -> Verdict {
    let host = fixture.host();
    let streams = [Stream::Input, Stream::Output, Stream::Error];
    let first = streams.map(|stream| host.console_is_terminal(stream));
    let second = streams.map(|stream| host.console_is_terminal(stream));
    ensure(first == second, "a stream turned into something else")
}

fn write_takes_some<F: HostFixture>(fixture: &mut F) -> Verdict {
    for stream in OUTPUTS {
        match fixture.host().console_write(stream, LINE) {
            Ok(1) => {}
            Ok(0) => return Err(Deviation::Violated("no byte went")),
            Ok(_) => return Err(Deviation::Violated("more bytes went than there were")),
            Err(_) => return Err(Deviation::Violated("the console takes nothing")),
        }
    }
    Ok(())
}

fn write_of_nothing<F: HostFixture>(fixture: &mut F) -> Verdict {
    for stream in OUTPUTS {
        let went = fixture.host().console_write(stream, b"");
        ensure(went == Ok(0), "writing nothing was not nothing")?;
    }
    Ok(())
}

fn write_to_input<F: HostFixture>(fixture: &mut F) -> Verdict {
    let went = fixture.host().console_write(Stream::Input, LINE);
    ensure(
        went == Err(ConsoleError::Closed),
        "standard input could be written",
    )
}

/// Writes all of `bytes`, in as many calls as the host needs.
fn write_all<H: Host>(host: &mut H, stream: Stream, mut bytes: &[u8]) -> Verdict {
    while !bytes.is_empty() {
        let went = host
            .console_write(stream, bytes)
            .map_err(|_| Deviation::Violated("the console takes nothing"))?;
        ensure(
            (1..=bytes.len()).contains(&went),
            "an impossible number of bytes went",
        )?;
        bytes = &bytes[went..];
    }
    Ok(())
}

fn arrived<F: HostFixture>(fixture: &mut F, stream: Stream) -> Result<Vec<u8>, Deviation> {
    fixture.arrived(stream).ok_or(Deviation::NotTried)
}

fn write_arrives<F: HostFixture>(fixture: &mut F) -> Verdict {
    let before = arrived(fixture, Stream::Output)?.len();
    let text: Vec<u8> = (0..=255).cycle().take(5000).collect();
    write_all(fixture.host(), Stream::Output, &text)?;
    let after = arrived(fixture, Stream::Output)?;
    ensure(
        after.get(before..) == Some(&text[..]),
        "other bytes arrived than were said to have gone",
    )
}

fn streams_are_apart<F: HostFixture>(fixture: &mut F) -> Verdict {
    let before = arrived(fixture, Stream::Output)?;
    write_all(fixture.host(), Stream::Error, LINE)?;
    ensure(
        arrived(fixture, Stream::Output)? == before,
        "what went to one stream arrived at the other",
    )
}

fn read_nothing_yet<F: HostFixture>(fixture: &mut F) -> Verdict {
    // A fixture that can type has typed nothing so far.
    needs(fixture.type_input(b""))?;
    let read = fixture.host().console_read(&mut [0; 16]);
    ensure(
        read == Ok(Input::Pending),
        "there was something where nothing was typed",
    )
}

/// Reads until `enough` bytes or the end have come, by the smallest of buffers.
fn read_bytes<F: HostFixture>(fixture: &mut F, enough: usize) -> Result<Vec<u8>, Deviation> {
    let host = fixture.host();
    let mut bytes = Vec::new();
    let mut idle = 0;
    while bytes.len() < enough && idle < SPURIOUS_RETURNS {
        let mut buffer = [0; 3];
        match host.console_read(&mut buffer) {
            Ok(Input::Bytes(count @ 1..=3)) => bytes.extend_from_slice(&buffer[..count]),
            Ok(Input::Bytes(_)) => return Err(Deviation::Violated("an impossible count was read")),
            Ok(Input::End) => break,
            Ok(Input::Pending) => {
                idle += 1;
                let soon = host.monotonic() + core::time::Duration::from_millis(10);
                host.wait(Some(soon));
            }
            Err(_) => return Err(Deviation::Violated("the console gives nothing")),
        }
    }
    Ok(bytes)
}

fn read_in_order<F: HostFixture>(fixture: &mut F) -> Verdict {
    let text = b"what is typed first is read first";
    needs(fixture.type_input(text))?;
    let read = read_bytes(fixture, text.len())?;
    ensure(read == text, "other bytes were read than were typed")
}

fn input_ends_the_wait<F: HostFixture>(fixture: &mut F) -> Verdict {
    needs(fixture.type_input(b""))?;
    let _ = fixture.host().console_read(&mut [0; 16]);
    needs(fixture.type_input(b"!"))?;
    let ended = ends_soon(fixture.host());
    let _ = read_bytes(fixture, 1)?;
    ensure(ended, "input did not end the wait")
}

fn end_after_all_bytes<F: HostFixture>(fixture: &mut F) -> Verdict {
    let text = b"the last line\n";
    needs(fixture.type_input(text) && fixture.end_input())?;
    let read = read_bytes(fixture, text.len() + 1)?;
    ensure(read == text, "bytes before the end were lost")
}

fn end_is_final<F: HostFixture>(fixture: &mut F) -> Verdict {
    needs(fixture.end_input())?;
    let _ = read_bytes(fixture, usize::MAX)?;
    for _ in 0..3 {
        let read = fixture.host().console_read(&mut [0; 16]);
        ensure(read == Ok(Input::End), "the input went on after its end")?;
    }
    Ok(())
}
