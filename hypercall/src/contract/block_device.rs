//! The cases of [`BlockDevice`].

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Case, Deviation, Verdict, ensure, fill_pattern, needs};
use crate::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
};

mod completing;
mod data;
mod refusing;

/// A disk of eight blocks at least, whose content the cases overwrite.
pub trait BlockFixture {
    /// The device under test.
    type Device: BlockDevice + ?Sized;

    /// The device under test.
    fn device(&mut self) -> &mut Self::Device;

    /// Waits as [`Host::wait`](crate::Host::wait) of the device's home does, `limit` at most,
    /// while the device works; returns how long it took on the home's clock.
    fn wait(&mut self, limit: Duration) -> Duration;

    /// Takes the device's power away and gives it back; `false` where that cannot be done.
    fn cut_power(&mut self) -> bool {
        false
    }
}

/// The cases of [`BlockDevice`]. Those that write are not tried on a read-only device, those on
/// refused writes on no other: run the table on one of each.
pub fn cases<F: BlockFixture>() -> Vec<Case<F>> {
    let mut cases = data::cases();
    cases.extend(refusing::cases());
    cases.extend(completing::cases());
    cases
}

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// One wait between two looks at the device.
const STEP: Duration = Duration::from_millis(1);
/// How often a wait may return for no reason before it counts as no wait.
const SPURIOUS_RETURNS: u32 = 20_000;

fn geometry<F: BlockFixture>(fixture: &mut F) -> BlockGeometry {
    fixture.device().geometry()
}

/// The case writes.
fn needs_writable<F: BlockFixture>(fixture: &mut F) -> Verdict {
    needs(!geometry(fixture).read_only)
}

/// A buffer of `blocks` blocks, its content told by `seed`.
fn buffer_of<F: BlockFixture>(fixture: &mut F, blocks: usize, seed: u64) -> Box<[u8]> {
    let mut buffer = vec![0; blocks * geometry(fixture).block_size as usize];
    fill_pattern(&mut buffer, seed);
    buffer.into()
}

fn submit<F: BlockFixture>(fixture: &mut F, tag: u64, operation: BlockOperation) -> Verdict {
    let submitted = fixture.device().submit(BlockRequest { tag, operation });
    submitted.map_err(|_| Deviation::Violated("a good request was refused"))
}

/// The next completion, waited for.
fn completion<F: BlockFixture>(fixture: &mut F) -> Result<BlockCompletion, Deviation> {
    let mut waited = Duration::ZERO;
    for _ in 0..SPURIOUS_RETURNS {
        if let Some(completion) = fixture.device().complete() {
            return Ok(completion);
        }
        if waited >= PATIENCE {
            break;
        }
        waited += fixture.wait(STEP);
    }
    Err(Deviation::Violated("a request was never completed"))
}

/// Has `operation` done on an idle device and returns it as it came back.
fn perform<F: BlockFixture>(
    fixture: &mut F,
    operation: BlockOperation,
) -> Result<BlockOperation, Deviation> {
    submit(fixture, 0, operation)?;
    let completion = completion(fixture)?;
    ensure(
        completion.status == BlockStatus::Done,
        "the device failed a good request",
    )?;
    Ok(completion.request.operation)
}

fn write<F: BlockFixture>(fixture: &mut F, first: u64, buffer: Box<[u8]>) -> Verdict {
    perform(fixture, BlockOperation::Write { first, buffer })?;
    Ok(())
}

fn read<F: BlockFixture>(
    fixture: &mut F,
    first: u64,
    blocks: usize,
) -> Result<Box<[u8]>, Deviation> {
    let buffer = buffer_of(fixture, blocks, u64::MAX);
    match perform(fixture, BlockOperation::Read { first, buffer })? {
        BlockOperation::Read { buffer, .. } => Ok(buffer),
        _ => Err(Deviation::Violated("a read came back as something else")),
    }
}
