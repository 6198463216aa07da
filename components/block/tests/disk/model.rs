//! Operations drawn at random do what they do to a row of bytes.

use block::{CachedDisk, Caching, Disk, DiskError, Settling};
use hypercall::fake::FakeBlockDevice;
use proptest::prelude::*;

use crate::device::Controlled;
use crate::{finish, read, settle, write};

/// In blocks of 512 bytes: a last cached block of less than a page.
const BLOCKS: u64 = 301;
const SIZE: u64 = BLOCKS * 512;
/// In bytes: fewer blocks than there are on the disk.
const CACHE: usize = 20 * 4096;

#[derive(Clone, Debug)]
enum Operation {
    Read(u64, usize, Caching),
    Write(u64, usize, u8, Caching),
    Discard(u64, u64),
    Sync,
    Forget,
    CutPower,
}

fn caching() -> impl Strategy<Value = Caching> {
    prop_oneof![Just(Caching::Cached), Just(Caching::Direct)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let place = || (0..SIZE + 2000, 0usize..40_000, caching());
    prop_oneof![
        4 => place().prop_map(|(offset, length, caching)| {
            let (offset, length) = aligned(offset, length, caching);
            Operation::Read(offset, length, caching)
        }),
        6 => (place(), any::<u8>()).prop_map(|((offset, length, caching), byte)| {
            let (offset, length) = aligned(offset, length, caching);
            Operation::Write(offset, length, byte, caching)
        }),
        1 => (0..BLOCKS, 0..BLOCKS).prop_map(|(first, count)| {
            Operation::Discard(first * 512, count.min(BLOCKS - first) * 512)
        }),
        1 => Just(Operation::Sync),
        1 => Just(Operation::Forget),
        1 => Just(Operation::CutPower),
    ]
}

fn aligned(offset: u64, length: usize, caching: Caching) -> (u64, usize) {
    match caching {
        Caching::Cached => (offset, length),
        Caching::Direct => (offset / 512 * 512, length / 512 * 512),
    }
}

/// What a program reads, and what of it is durable for certain.
struct Model {
    now: Vec<u8>,
    durable: Vec<u8>,
}

impl Model {
    fn part(&self, offset: u64, length: usize) -> std::ops::Range<usize> {
        let start = offset.min(SIZE) as usize;
        start..(start + length).min(SIZE as usize)
    }
}

fn apply(
    disk: &mut CachedDisk<Controlled>,
    model: &mut Model,
    operation: Operation,
) -> Result<(), TestCaseError> {
    match operation {
        Operation::Read(offset, length, caching) => {
            let part = model.part(offset, length);
            let bytes = read(disk, offset, length, caching);
            prop_assert_eq!(bytes.as_deref(), Ok(&model.now[part]));
        }
        Operation::Write(offset, length, byte, caching) => {
            let part = model.part(offset, length);
            let bytes: Vec<u8> = (0..length).map(|at| byte.wrapping_add(at as u8)).collect();
            let expected = match part.len() {
                0 if length > 0 => Err(DiskError::EndOfDisk),
                written => Ok(written),
            };
            prop_assert_eq!(write(disk, offset, &bytes, caching), expected);
            model.now[part.clone()].copy_from_slice(&bytes[..part.len()]);
        }
        Operation::Discard(offset, length) => {
            let range = offset..offset + length;
            let part = model.part(offset, length as usize);
            prop_assert_eq!(finish(disk, |disk| disk.discard(range.clone())), Ok(()));
            prop_assert_eq!(settle(disk, Settling::transfers(range.clone())), Ok(()));
            model.now[part].fill(0);
        }
        Operation::Sync => {
            prop_assert_eq!(settle(disk, Settling::all()), Ok(()));
            model.durable.clone_from(&model.now);
        }
        Operation::Forget => disk.forget(),
        Operation::CutPower => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_disk_is_a_row_of_bytes(operations in prop::collection::vec(operation(), 1..60)) {
        let device = FakeBlockDevice::new(512, BLOCKS);
        let mut disk = CachedDisk::new(Controlled::new(device.clone()).0, CACHE);
        let zeros = vec![0; SIZE as usize];
        let mut model = Model { now: zeros.clone(), durable: zeros };
        for operation in operations {
            if let Operation::CutPower = operation {
                // What a sync has acknowledged is there unless it was overwritten since.
                device.cut_power();
                let left = device.contents();
                for (at, byte) in left.iter().enumerate() {
                    if model.now[at] == model.durable[at] {
                        prop_assert_eq!(*byte, model.durable[at], "at {}", at);
                    }
                }
                disk = CachedDisk::new(Controlled::new(device.clone()).0, CACHE);
                model = Model { now: left.clone(), durable: left };
            } else {
                apply(&mut disk, &mut model, operation)?;
            }
        }
        prop_assert_eq!(settle(&mut disk, Settling::all()), Ok(()));
        device.cut_power();
        prop_assert!(device.contents() == model.now);
    }
}
