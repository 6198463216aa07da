//! The memory map against a model: an array that says of each page what it should be.

use alloc::vec;
use alloc::vec::Vec;

use hypercall::Fault;
use proptest::prelude::*;

use super::*;

const PAGE: u64 = PAGE_SIZE as u64;
const FIRST: u64 = 16;
const COUNT: u64 = 32;

/// A host whose pages are an array, each filled with one byte.
#[derive(Clone, PartialEq, Debug)]
struct Pages {
    pages: Vec<Option<(Protection, u8)>>,
    total: u64,
}

impl Pages {
    fn new() -> Self {
        Self {
            pages: vec![None; COUNT as usize],
            total: 64 * COUNT * PAGE,
        }
    }

    fn of(&mut self, range: ProgramRange) -> &mut [Option<(Protection, u8)>] {
        let index = |address: u64| (address / PAGE).saturating_sub(FIRST).min(COUNT) as usize;
        &mut self.pages[index(range.start())..index(range.end())]
    }

    fn page(&mut self, address: u64) -> Result<&mut (Protection, u8), Fault> {
        let index = (address / PAGE).wrapping_sub(FIRST) as usize;
        let page = self.pages.get_mut(index).and_then(Option::as_mut);
        page.ok_or(Fault { address })
    }
}

impl ProgramHost for Pages {
    fn program_range(&self) -> ProgramRange {
        range(0, COUNT)
    }

    fn memory(&self) -> (u64, u64) {
        (self.total, self.total)
    }

    fn map(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        let pages = self.of(range);
        if pages.iter().any(Option::is_some) || pages.len() as u64 * PAGE != range.length() {
            return Err(MapError::Unavailable);
        }
        pages.fill(Some((protection, 0)));
        Ok(())
    }

    fn protect(&mut self, range: ProgramRange, protection: Protection) -> Result<(), MapError> {
        for page in self.of(range).iter_mut().flatten() {
            page.0 = protection;
        }
        Ok(())
    }

    fn unmap(&mut self, range: ProgramRange) {
        self.of(range).fill(None);
    }

    fn prepare(&mut self, _: u64, _: usize, _: Protection) -> Result<(), Fault> {
        unreachable!("the map prepares nothing")
    }

    fn copy_in(&mut self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        into.fill(self.page(address)?.1);
        Ok(())
    }

    fn copy_out(&mut self, bytes: &[u8], address: u64) -> Result<(), Fault> {
        self.page(address)?.1 = bytes[0];
        Ok(())
    }

    fn set_thread_pointer(&mut self, _: u64) {
        unreachable!("the map knows no threads")
    }

    fn extended_state(&mut self, _: &mut [u8; 512], _: bool) {
        unreachable!("the map knows no registers")
    }
}

fn range(first: u64, count: u64) -> ProgramRange {
    ProgramRange::new((FIRST + first) * PAGE, count * PAGE).expect("whole pages")
}

/// One call; pages are numbered from the start of the space.
#[derive(Clone, Debug)]
enum Call {
    Map(u64, u64, u8, Protection),
    Unmap(u64, u64),
    Protect(u64, u64, Protection),
    Break(u64),
    Remap(u64, u64, u64, Option<u64>, bool),
    Forget(u64, u64),
    Touch(u64, u8),
}

fn protections() -> impl Strategy<Value = Protection> {
    (0..8_u8).prop_map(Protection::from_bits_truncate)
}

fn calls() -> impl Strategy<Value = Call> {
    let page = 0..COUNT + 2;
    let count = 0..9_u64;
    prop_oneof![
        (page.clone(), count.clone(), 0..3_u8, protections())
            .prop_map(|(at, count, how, protection)| Call::Map(at, count, how, protection)),
        (page.clone(), count.clone()).prop_map(|(at, count)| Call::Unmap(at, count)),
        (page.clone(), count.clone(), protections())
            .prop_map(|(at, count, protection)| Call::Protect(at, count, protection)),
        page.clone().prop_map(Call::Break),
        (
            page.clone(),
            count.clone(),
            count.clone(),
            proptest::option::of(page.clone()),
            any::<bool>()
        )
            .prop_map(|(at, old, new, to, may)| Call::Remap(at, old, new, to, may)),
        (page.clone(), count).prop_map(|(at, count)| Call::Forget(at, count)),
        (page, 1..255_u8).prop_map(|(at, byte)| Call::Touch(at, byte)),
    ]
}

fn address(page: u64) -> u64 {
    (FIRST + page) * PAGE
}

/// Runs `call` and says of the array of before what it should have become.
fn run(map: &mut MemoryMap, host: &mut Pages, call: &Call) -> Pages {
    let mut model = host.clone();
    match *call {
        Call::Map(at, count, how, protection) => {
            let placement = match how {
                0 => Placement::Hint(address(at)),
                1 => Placement::Fixed(address(at)),
                _ => Placement::FixedIfFree(address(at)),
            };
            let purpose = Purpose::Anonymous;
            let result = map.map(host, placement, count * PAGE, protection, purpose, true);
            model_map(&mut model, placement, count, protection, result);
        }
        Call::Unmap(at, count) => {
            let result = map.unmap(host, address(at), count * PAGE);
            assert_eq!(result.is_ok(), count > 0);
            model.of(range(at, count)).fill(None);
        }
        Call::Protect(at, count, protection) => {
            let result = map.protect(host, address(at), count * PAGE, protection);
            if result.is_ok() {
                let pages = model.of(range(at, count));
                assert_eq!(pages.len() as u64, count);
                for page in pages {
                    page.as_mut().expect("only mapped pages").0 = protection;
                }
            }
        }
        Call::Break(at) => {
            let before = map.break_end;
            let after = map.set_break(host, address(at));
            assert!(after == before || after == address(at));
            if let Some(more) = after.checked_sub(before) {
                let fresh = ProgramRange::new(before, more).expect("whole pages");
                let pages = model.of(fresh);
                assert!(pages.iter().all(Option::is_none));
                pages.fill(Some((Protection::READ | Protection::WRITE, 0)));
            } else {
                let gone = ProgramRange::new(after, before - after).expect("whole pages");
                model.of(gone).fill(None);
            }
        }
        Call::Remap(at, old, new, to, may) => {
            let movement = match to {
                Some(to) => Move::To(address(to)),
                None if may => Move::Anywhere,
                None => Move::Never,
            };
            let lengths = (old * PAGE, new * PAGE);
            let result = map.remap(host, address(at), lengths.0, lengths.1, movement);
            model_remap(&mut model, (at, old, new), movement, result);
        }
        Call::Forget(at, count) => {
            if map.forget(host, address(at), count * PAGE).is_ok() {
                for page in model.of(range(at, count)) {
                    page.as_mut().expect("only mapped pages").1 = 0;
                }
            }
        }
        Call::Touch(at, byte) => {
            let touched = host.copy_out(&[byte], address(at)).is_ok();
            assert_eq!(touched, model.copy_out(&[byte], address(at)).is_ok());
        }
    }
    model
}

fn model_map(
    model: &mut Pages,
    placement: Placement,
    count: u64,
    protection: Protection,
    result: Result<ProgramRange, Errno>,
) {
    let writable_and_executable = protection.contains(Protection::WRITE | Protection::EXECUTE);
    let Ok(placed) = result else {
        // A fixed mapping of sound arguments within the space cannot fail.
        if let Placement::Fixed(start) = placement {
            let inside = start + count * PAGE <= address(COUNT);
            assert!(
                count == 0 || writable_and_executable || !inside,
                "{result:?}"
            );
        }
        return;
    };
    assert!(!writable_and_executable);
    assert_eq!(placed.length(), count * PAGE);
    let pages = model.of(placed);
    assert_eq!(pages.len() as u64, count, "within the space");
    match placement {
        Placement::Fixed(start) => assert_eq!(placed.start(), start),
        Placement::FixedIfFree(start) => assert_eq!(placed.start(), start),
        Placement::Hint(_) => {}
    }
    if !matches!(placement, Placement::Fixed(_)) {
        assert!(pages.iter().all(Option::is_none), "nothing is replaced");
    }
    pages.fill(Some((protection, 0)));
}

fn model_remap(
    model: &mut Pages,
    (at, old, new): (u64, u64, u64),
    movement: Move,
    result: Result<u64, Errno>,
) {
    let Ok(start) = result else {
        return;
    };
    assert!(movement != Move::Never || start == address(at));
    let mut moved: Vec<_> = model.of(range(at, old)).to_vec();
    assert!(moved.iter().all(Option::is_some));
    let protection = moved[0].expect("mapped").0;
    moved.resize(new as usize, Some((protection, 0)));
    model.of(range(at, old)).fill(None);
    let target = ProgramRange::new(start, new * PAGE).expect("whole pages");
    model.of(target).copy_from_slice(&moved);
}

proptest! {
    #[test]
    fn the_map_and_the_pages_agree_with_the_model(calls in prop::collection::vec(calls(), 1..60)) {
        let mut host = Pages::new();
        let mut map = MemoryMap::new(&host);
        for call in &calls {
            let model = run(&mut map, &mut host, call);
            prop_assert_eq!(&host, &model, "after {:?}", call);
            let mut listed = Pages::new();
            for area in map.areas() {
                listed.of(area.range).fill(Some((area.protection, 0)));
            }
            let shape = |pages: &Pages| -> Vec<_> {
                pages.pages.iter().map(|page| page.map(|page| page.0)).collect()
            };
            prop_assert_eq!(shape(&listed), shape(&host), "after {:?}", call);
        }
    }
}

#[test]
fn what_the_home_cannot_give_is_refused_at_once() {
    let mut host = Pages::new();
    host.total = 4 * PAGE;
    let mut map = MemoryMap::new(&host);
    let mut anywhere = |length, protection, reserve| {
        let hint = Placement::Hint(0);
        map.map(
            &mut host,
            hint,
            length,
            protection,
            Purpose::Anonymous,
            reserve,
        )
    };
    let write = Protection::READ | Protection::WRITE;
    assert_eq!(anywhere(5 * PAGE, write, true), Err(Errno::ENOMEM));
    assert!(anywhere(5 * PAGE, write, false).is_ok());
    assert!(anywhere(5 * PAGE, Protection::empty(), true).is_ok());
    assert_eq!(anywhere(u64::MAX, write, false), Err(Errno::ENOMEM));
    assert_eq!(anywhere(0, write, false), Err(Errno::EINVAL));
}

#[test]
fn what_is_promised_is_not_promised_again() {
    let mut host = Pages::new();
    host.total = 8 * PAGE;
    let mut map = MemoryMap::new(&host);
    let write = Protection::READ | Protection::WRITE;
    let hint = Placement::Hint(0);
    let kind = Purpose::Anonymous;
    let four = map.map(&mut host, hint, 4 * PAGE, write, kind, true);
    let four = four.expect("half of the memory can be had").start();
    let hidden = map.map(&mut host, hint, 4 * PAGE, Protection::empty(), kind, true);
    let hidden = hidden.expect("what cannot be written is free").start();
    let again = map.map(&mut host, hint, 4 * PAGE, write, kind, true);
    assert_eq!(again, Err(Errno::ENOMEM), "a little is kept back");
    let shown = map.protect(&mut host, hidden, 4 * PAGE, write);
    assert_eq!(shown, Err(Errno::ENOMEM));
    let grown = map.remap(&mut host, four, 4 * PAGE, 8 * PAGE, Move::Anywhere);
    assert_eq!(grown, Err(Errno::ENOMEM));
    let start = map.set_break(&mut host, 0);
    assert_eq!(map.set_break(&mut host, start + 4 * PAGE), start);
    assert_eq!(map.protect(&mut host, hidden, 3 * PAGE, write), Ok(()));
    assert_eq!(map.unmap(&mut host, four, 4 * PAGE), Ok(()));
    assert_eq!(map.set_break(&mut host, start + 4 * PAGE), start + 4 * PAGE);
}

#[test]
fn what_is_taken_is_not_promised() {
    let mut host = Pages::new();
    host.total = 8 * PAGE;
    let mut map = MemoryMap::new(&host);
    host.total = 2 * PAGE;
    let start = map.set_break(&mut host, 0);
    assert_eq!(map.set_break(&mut host, start + 3 * PAGE), start);
    assert_eq!(map.set_break(&mut host, start + PAGE), start + PAGE);
}

#[test]
fn the_break_starts_beyond_the_image() {
    let mut host = Pages::new();
    let mut map = MemoryMap::new(&host);
    map.add_image(range(0, 3), Protection::READ);
    assert_eq!(map.set_break(&mut host, 0), address(3));
    assert_eq!(map.set_break(&mut host, address(3) + 10), address(3) + 10);
    assert!(host.copy_out(&[1], address(3)).is_ok());
    assert!(host.copy_out(&[1], address(4)).is_err());
    assert_eq!(map.set_break(&mut host, address(2)), address(3) + 10);
    assert_eq!(map.set_break(&mut host, address(3)), address(3));
    assert!(host.copy_out(&[1], address(3)).is_err());
}
