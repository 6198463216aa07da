//! Program hosts, each with one promise broken.

use hypercall::contract::program_host::{ProgramFixture, cases};
use hypercall::fake::FakeProgramHost;
use hypercall::{Fault, MapError, PAGE_SIZE, ProgramHost, ProgramRange, Protection};

use crate::{assert_each_breaks_its_own, assert_kept};

/// What is wrong with a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoil {
    Nothing,
    RangeShrinks,
    FirstMapHasRubbish,
    SecondMapHasRubbish,
    MapOverMapping,
    RefusedMapMapsTheFront,
    MapAnywhere,
    MapStripsExecute,
    ProtectStripsExecute,
    ProtectForgetsBytes,
    ProtectMapsHoles,
    UnmapsOnePageMore,
    UnmapOfNothingPays,
    PrepareAllowsExecute,
    ProtectNeverTakesAll,
    CopyFailsAfterPrepare,
    PrepareFaultsAtStart,
    PrepareWrapsAround,
    CopyInFaultsAtStart,
    CopyOutFaultsAtStart,
    CopyOutStopsAtPage,
    CopyOutOneByteMore,
    CopyOutNeedsWrite,
    NoMemoryAtAll,
    MappingHoards,
    MemoryNeverMoves,
    UnmapLeaks,
    PrepareOverPromises,
    FaultLeaks,
    ThreadPointerIgnored,
    RestoreIgnored,
}

/// Every case of the suite, and how it is broken.
const SPOILS: [(&str, Spoil); 30] = [
    ("range-never-changes", Spoil::RangeShrinks),
    ("map-zero-filled", Spoil::FirstMapHasRubbish),
    ("map-again-zero-filled", Spoil::SecondMapHasRubbish),
    ("map-over-a-mapping", Spoil::MapOverMapping),
    ("map-refused-changes-nothing", Spoil::RefusedMapMapsTheFront),
    ("map-outside-the-range", Spoil::MapAnywhere),
    ("map-write-execute", Spoil::MapStripsExecute),
    ("protect-write-execute", Spoil::ProtectStripsExecute),
    ("protect-keeps-the-bytes", Spoil::ProtectForgetsBytes),
    ("protect-maps-nothing", Spoil::ProtectMapsHoles),
    ("unmap-in-the-middle", Spoil::UnmapsOnePageMore),
    ("unmap-of-nothing", Spoil::UnmapOfNothingPays),
    ("prepare-checks-the-protection", Spoil::PrepareAllowsExecute),
    ("prepare-follows-protect", Spoil::ProtectNeverTakesAll),
    ("prepare-allows-copies", Spoil::CopyFailsAfterPrepare),
    ("prepare-names-the-first-fault", Spoil::PrepareFaultsAtStart),
    ("prepare-beyond-all-addresses", Spoil::PrepareWrapsAround),
    ("copy-in-names-the-first-fault", Spoil::CopyInFaultsAtStart),
    (
        "copy-out-names-the-first-fault",
        Spoil::CopyOutFaultsAtStart,
    ),
    ("copies-across-pages", Spoil::CopyOutStopsAtPage),
    ("copy-out-spares-the-neighbours", Spoil::CopyOutOneByteMore),
    ("copy-out-to-read-only", Spoil::CopyOutNeedsWrite),
    ("memory-adds-up", Spoil::NoMemoryAtAll),
    ("untouched-pages-cost-nothing", Spoil::MappingHoards),
    ("touched-pages-take-memory", Spoil::MemoryNeverMoves),
    ("unmap-gives-memory-back", Spoil::UnmapLeaks),
    ("no-memory-is-a-fault", Spoil::PrepareOverPromises),
    ("memory-comes-back-after-a-fault", Spoil::FaultLeaks),
    ("thread-pointer-is-set", Spoil::ThreadPointerIgnored),
    ("extended-state-is-kept", Spoil::RestoreIgnored),
];

#[test]
fn the_fake_keeps_the_contract() {
    assert_kept(&cases(), &mut [SpoiledHost::new(Spoil::Nothing)]);
}

#[test]
fn every_clause_has_a_host_that_breaks_it() {
    assert_each_breaks_its_own(&cases(), &SPOILS, |spoil| vec![SpoiledHost::new(spoil)]);
}

const PAGE: u64 = PAGE_SIZE as u64;
/// More than a fake host has.
const HUGE: usize = 1024 * PAGE_SIZE;

/// A [`FakeProgramHost`] with one promise broken.
struct SpoiledHost {
    inner: FakeProgramHost,
    spoil: Spoil,
    maps: usize,
    protects: usize,
    prepared: bool,
    is_mapped: bool,
    /// What the spoil adds to the free memory, and what it takes.
    gained: u64,
    leaked: u64,
}

impl SpoiledHost {
    fn new(spoil: Spoil) -> Self {
        Self {
            inner: FakeProgramHost::new(),
            spoil,
            maps: 0,
            protects: 0,
            prepared: false,
            is_mapped: false,
            gained: 0,
            leaked: 0,
        }
    }

    fn is(&self, spoil: Spoil) -> bool {
        self.spoil == spoil
    }

    /// The pages of `range` that are not mapped.
    fn holes(&self, range: ProgramRange) -> Vec<ProgramRange> {
        range
            .addresses()
            .step_by(PAGE_SIZE)
            .filter(|&address| self.inner.protection(address).is_none())
            .filter_map(|address| ProgramRange::new(address, PAGE))
            .collect()
    }
}

impl ProgramFixture for SpoiledHost {
    type Host = Self;

    fn host(&mut self) -> &mut Self {
        self
    }

    fn thread_pointer(&mut self) -> Option<u64> {
        Some(self.inner.thread_pointer())
    }
}

impl ProgramHost for SpoiledHost {
    fn program_range(&self) -> ProgramRange {
        let range = self.inner.program_range();
        let shrinks = self.is(Spoil::RangeShrinks) && self.maps > 0;
        let length = range.length() - if shrinks { PAGE } else { 0 };
        ProgramRange::new(range.start(), length).expect("whole pages less one page")
    }

    fn memory(&self) -> (u64, u64) {
        let (all, free) = self.inner.memory();
        let free = free + self.gained - self.leaked;
        match self.spoil {
            Spoil::NoMemoryAtAll => (0, free),
            Spoil::MappingHoards if self.is_mapped => (all, free - 64 * PAGE),
            Spoil::MemoryNeverMoves => (all, all),
            _ => (all, free),
        }
    }

    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        let mapped = match self.inner.map(range, protection) {
            Err(error) => self.map_refused(range, protection, error),
            Ok(()) => Ok(()),
        };
        self.maps += usize::from(mapped.is_ok());
        self.is_mapped |= mapped.is_ok();
        let rubbish = match self.spoil {
            Spoil::FirstMapHasRubbish => self.maps == 1,
            Spoil::SecondMapHasRubbish => self.maps == 2,
            _ => false,
        };
        if rubbish && range.length() == 3 * PAGE {
            let copied = self.inner.copy_out(b"rubbish", range.start());
            assert_eq!(copied, Ok(()), "the range was just mapped");
        }
        mapped
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        self.protects += 1;
        let holes = self.holes(range);
        match self.spoil {
            Spoil::ProtectStripsExecute if protection.contains(Protection::WRITE) => {
                let protection = protection.difference(Protection::EXECUTE);
                return self.inner.protect(range, protection);
            }
            Spoil::ProtectForgetsBytes if holes.is_empty() => {
                self.inner.unmap(range);
                return self.inner.map(range, protection);
            }
            Spoil::ProtectMapsHoles => {
                for hole in holes {
                    self.inner.map(hole, protection)?;
                }
            }
            Spoil::ProtectNeverTakesAll if protection.is_empty() => return Ok(()),
            _ => {}
        }
        self.inner.protect(range, protection)
    }

    fn unmap(&mut self, range: ProgramRange) {
        self.is_mapped = false;
        let pages = range.length() / PAGE;
        let more = u64::from(self.is(Spoil::UnmapsOnePageMore));
        match self.spoil {
            Spoil::UnmapOfNothingPays if self.holes(range).len() as u64 == pages => {
                self.gained += PAGE;
            }
            Spoil::UnmapLeaks if pages == 16 => self.leaked += PAGE,
            _ => {}
        }
        let range = ProgramRange::new(range.start(), (pages + more) * PAGE);
        self.inner
            .unmap(range.expect("one page more is an address"));
    }

    fn prepare(&mut self, address: u64, length: usize, access: Protection) -> Result<(), Fault> {
        self.prepared |= length > 1;
        let access = match self.spoil {
            Spoil::PrepareAllowsExecute if self.protects == 0 => {
                access.difference(Protection::EXECUTE)
            }
            _ => access,
        };
        let Err(fault) = self.inner.prepare(address, length, access) else {
            return Ok(());
        };
        match self.spoil {
            Spoil::PrepareFaultsAtStart => Err(Fault { address }),
            Spoil::PrepareWrapsAround if address.checked_add(length as u64).is_none() => Ok(()),
            Spoil::PrepareOverPromises if length > HUGE && address > PAGE => Ok(()),
            Spoil::FaultLeaks if length > HUGE => {
                self.leaked += PAGE;
                Err(fault)
            }
            _ => Err(fault),
        }
    }

    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        if self.is(Spoil::CopyFailsAfterPrepare) && self.prepared {
            return Err(Fault { address });
        }
        let copied = self.inner.copy_in(address, into);
        if self.is(Spoil::CopyInFaultsAtStart) {
            return copied.map_err(|_| Fault { address });
        }
        copied
    }

    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault> {
        let crosses = address % PAGE + bytes.len() as u64 > PAGE;
        let copied = match self.spoil {
            Spoil::CopyOutStopsAtPage if crosses && bytes.len() == 2 => {
                self.inner.copy_out(&bytes[..1], address)
            }
            Spoil::CopyOutOneByteMore if !crosses && bytes.len() == 2 => {
                self.inner.copy_out(&[bytes, b"!"].concat(), address)
            }
            Spoil::CopyOutNeedsWrite => {
                self.inner
                    .prepare(address, bytes.len(), Protection::WRITE)?;
                self.inner.copy_out(bytes, address)
            }
            _ => self.inner.copy_out(bytes, address),
        };
        if self.is(Spoil::CopyOutFaultsAtStart) {
            return copied.map_err(|_| Fault { address });
        }
        copied
    }

    fn set_thread_pointer(&mut self, address: u64) {
        if !self.is(Spoil::ThreadPointerIgnored) {
            self.inner.set_thread_pointer(address);
        }
    }

    fn extended_state(&mut self, area: &mut [u8; 512], restore: bool) {
        if !(restore && self.is(Spoil::RestoreIgnored)) {
            self.inner.extended_state(area, restore);
        }
    }
}

impl SpoiledHost {
    /// What the spoil makes of a mapping that the inner host refused.
    fn map_refused(
        &mut self,
        range: ProgramRange,
        protection: Protection,
        error: MapError,
    ) -> Result<(), MapError> {
        let all = self.inner.program_range();
        let within = range.start() >= all.start() && range.end() <= all.end();
        match (self.spoil, error) {
            (Spoil::MapOverMapping, MapError::Unavailable) if within => Ok(()),
            (Spoil::MapAnywhere, MapError::Unavailable) if !within => Ok(()),
            (Spoil::RefusedMapMapsTheFront, MapError::Unavailable) => {
                let front = ProgramRange::new(range.start(), PAGE).expect("one page");
                let _ = self.inner.map(front, protection);
                Err(error)
            }
            (Spoil::MapStripsExecute, MapError::WriteExecute) => {
                let protection = protection.difference(Protection::EXECUTE);
                self.inner.map(range, protection)
            }
            _ => Err(error),
        }
    }
}
