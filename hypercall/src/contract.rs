//! What the traits promise, as cases that every platform runs.
//!
//! Each module holds the cases of one trait, as a table: a name, the clause of the documentation
//! that it turns into a test, and the check. A platform supplies a fixture (its implementation,
//! and the other end of it where there is one), runs the table, and reports case by case; so the
//! same suite runs under `cargo test` and inside a booted image. A case that a fixture cannot
//! stage (nobody types at its console) is reported as not tried, never as held.
//!
//! [`Host::exit`](crate::Host::exit) alone has no case, as nothing can follow it.

use core::fmt;

pub mod block_device;
pub mod frame_device;
pub mod host;
pub mod program_host;

/// One clause of a trait's documentation, as a check.
pub struct Case<F: ?Sized> {
    /// A name that stands for the case in reports; unique within its table.
    pub name: &'static str,
    /// What the documentation promises.
    pub clause: &'static str,
    /// Tries it.
    pub check: fn(&mut F) -> Verdict,
}

/// What a check came to. Nothing to report means that the clause held.
pub type Verdict = Result<(), Deviation>;

/// Why a case cannot say that its clause held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deviation {
    /// The clause is broken; the text says what was seen.
    Violated(&'static str),
    /// The fixture has no means to stage the case.
    NotTried,
}

/// How many cases came to which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Clauses that held.
    pub held: usize,
    /// Clauses that are broken.
    pub violated: usize,
    /// Clauses that the fixture could not stage.
    pub not_tried: usize,
}

/// Runs every case on one fixture, in the table's order, and tells `report` how each ended.
pub fn run<F: ?Sized>(
    cases: &[Case<F>],
    fixture: &mut F,
    report: &mut dyn FnMut(&Case<F>, Verdict),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases {
        let verdict = (case.check)(fixture);
        match verdict {
            Ok(()) => summary.held += 1,
            Err(Deviation::Violated(_)) => summary.violated += 1,
            Err(Deviation::NotTried) => summary.not_tried += 1,
        }
        report(case, verdict);
    }
    summary
}

/// Runs every case on one fixture and writes a line for each, then the counts.
///
/// The lines read `held NAME`, `not tried NAME` and `VIOLATED NAME: what was seen (the clause)`,
/// the last one `contract TITLE: N held, N violated, N not tried`.
pub fn run_and_write<F: ?Sized>(
    title: &str,
    cases: &[Case<F>],
    fixture: &mut F,
    out: &mut dyn fmt::Write,
) -> Result<Summary, fmt::Error> {
    let mut written = Ok(());
    let summary = run(cases, fixture, &mut |case, verdict| {
        written = written.and_then(|()| write_case(case, verdict, out));
    });
    written?;
    let Summary {
        held,
        violated,
        not_tried,
    } = summary;
    writeln!(
        out,
        "contract {title}: {held} held, {violated} violated, {not_tried} not tried"
    )?;
    Ok(summary)
}

fn write_case<F: ?Sized>(
    case: &Case<F>,
    verdict: Verdict,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    match verdict {
        Ok(()) => writeln!(out, "held {}", case.name),
        Err(Deviation::NotTried) => writeln!(out, "not tried {}", case.name),
        Err(Deviation::Violated(seen)) => {
            writeln!(out, "VIOLATED {}: {seen} ({})", case.name, case.clause)
        }
    }
}

/// The clause is broken unless `holds`.
fn ensure(holds: bool, seen: &'static str) -> Verdict {
    if holds {
        Ok(())
    } else {
        Err(Deviation::Violated(seen))
    }
}

/// The case needs `available`, a means of the fixture.
fn needs(available: bool) -> Verdict {
    if available {
        Ok(())
    } else {
        Err(Deviation::NotTried)
    }
}

/// Bytes that differ from place to place and from `seed` to `seed`, for content that must come
/// back as it went.
fn fill_pattern(bytes: &mut [u8], seed: u64) {
    for (place, byte) in (0_u64..).zip(bytes) {
        let mixed = (place + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(seed.wrapping_mul(0xd1b5_4a32_d192_ed03));
        *byte = mixed.to_le_bytes()[6];
    }
}

/// Whether `bytes` are what [`fill_pattern`] makes of `seed`.
fn has_pattern(bytes: &[u8], seed: u64) -> bool {
    let mut expected = alloc::vec![0; bytes.len()];
    fill_pattern(&mut expected, seed);
    expected == bytes
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn a_report_names_the_clause_that_broke() {
        let cases = [
            Case::<u8> {
                name: "zero",
                clause: "is zero",
                check: |value| ensure(*value == 0, "another value"),
            },
            Case {
                name: "one",
                clause: "is one",
                check: |value| ensure(*value == 1, "another value"),
            },
            Case {
                name: "telephone",
                clause: "rings",
                check: |_| needs(false),
            },
        ];
        let mut out = String::new();
        let summary = run_and_write("number", &cases, &mut 0, &mut out).expect("strings grow");
        assert_eq!(
            (summary.held, summary.violated, summary.not_tried),
            (1, 1, 1)
        );
        assert_eq!(
            out,
            "held zero\nVIOLATED one: another value (is one)\nnot tried telephone\n\
             contract number: 1 held, 1 violated, 1 not tried\n"
        );
    }

    #[test]
    fn patterns_of_different_seeds_differ() {
        let mut bytes = [0; 64];
        fill_pattern(&mut bytes, 1);
        assert!(has_pattern(&bytes, 1));
        assert!(!has_pattern(&bytes, 2));
    }
}
