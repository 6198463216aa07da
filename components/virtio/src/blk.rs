//! A virtio block device (virtio 1.2, 5.2) as a [`BlockDevice`].
//!
//! A request becomes one chain of descriptors, or several where it is longer than the device takes
//! at a time. The caller's buffer is lent to the device as it is ([`BufferLender`]); a slot of the
//! queue holds what is around it.

mod chain;
mod configuration;
mod flight;
mod start;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{
    BlockCompletion, BlockDevice, BlockGeometry, BlockOperation, BlockRequest, BlockStatus,
    BufferLender, DmaRegion, Instant, Interrupt, SubmitError,
};
use virtio_drivers::transport::{DeviceType, Transport};

use crate::ring::{Part, Ring, Slot};
use crate::{Violation, VirtioError, device};

use chain::Chain;
use configuration::SECTOR;
use flight::Flight;
use start::Started;

pub use start::VirtioBlkOptions;

/// The driver of a virtio block device, whose callers' buffers `L` lends.
///
/// A device that breaks its protocol, asks for a reset or does not finish a request in time
/// ([`expire`](BlockDevice::expire)) is reset and stays so: requests fail from then on, and
/// [`violation`](VirtioBlk::violation) says why. Where a device does not even do its reset, the
/// buffers that it has stay with it, and others come back.
#[derive(Debug)]
pub struct VirtioBlk<T: Transport, L: BufferLender> {
    transport: T,
    interrupt: Interrupt,
    lender: L,
    geometry: BlockGeometry,
    limits: Limits,
    patience: Duration,
    violation: Option<Violation>,
    ring: Ring,
    /// Slots that the device has not.
    free: Vec<Slot>,
    /// For each slot that the device has, what it carries.
    carried: Box<[Option<Carried>]>,
    /// Requests under way. A place stays a request's until that has ended.
    flights: Box<[Option<Flight<L::Lent>>]>,
    /// Places without a request.
    vacant: Vec<usize>,
    /// Places of requests with chains still to be posted, oldest first.
    waiting: VecDeque<usize>,
    finished: VecDeque<BlockCompletion>,
    /// The parts of the chain being posted, kept for its memory.
    parts: Vec<Part>,
}

/// How much goes into one chain.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes of one segment of data.
    segment_length: u32,
    /// Sectors that a chain reads or writes, whole blocks.
    data_sectors: u32,
    /// Sectors that a chain discards, whole blocks.
    discard_sectors: u32,
    /// There is a cache to be flushed.
    flushes: bool,
}

/// A chain that the device has.
#[derive(Clone, Copy, Debug)]
struct Carried {
    /// The place of its request.
    flight: usize,
    chain: Chain,
}

impl<T: Transport, L: BufferLender> VirtioBlk<T, L> {
    /// How many bytes of memory [`new`](VirtioBlk::new) needs for `options`, in whole pages.
    pub fn dma_length(options: &VirtioBlkOptions) -> usize {
        options.layout().length()
    }

    /// Starts the device behind `transport` with `memory`, at least
    /// [`dma_length`](VirtioBlk::dma_length) bytes. The platform raises `interrupt` for each of
    /// the device's, and lends buffers by `lender`.
    ///
    /// On error the device is told that it has no driver, and the memory is given up: a device
    /// that does not do as it is told may still write to it.
    pub fn new(
        mut transport: T,
        memory: DmaRegion,
        interrupt: Interrupt,
        lender: L,
        options: &VirtioBlkOptions,
    ) -> Result<Self, VirtioError> {
        if transport.device_type() != DeviceType::Block {
            return Err(VirtioError::WrongClass);
        }
        let started = Started::new(&mut transport, memory, options).inspect_err(|_| {
            device::abandon(&mut transport);
        })?;
        let places = usize::from(started.ring.size());
        Ok(Self {
            transport,
            interrupt,
            lender,
            geometry: started.geometry,
            limits: started.limits,
            patience: options.patience,
            violation: None,
            ring: started.ring,
            free: started.free,
            carried: (0..places).map(|_| None).collect(),
            flights: (0..places).map(|_| None).collect(),
            vacant: (0..places).collect(),
            waiting: VecDeque::new(),
            finished: VecDeque::new(),
            parts: Vec::new(),
        })
    }

    /// How the device broke its protocol, if it did.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    fn check(&self, operation: &BlockOperation) -> Result<(), SubmitError> {
        let BlockGeometry {
            read_only,
            discards,
            ..
        } = self.geometry;
        match operation {
            BlockOperation::Flush => Ok(()),
            BlockOperation::Read { first, buffer } => {
                self.check_range(*first, self.blocks_in(buffer)?)
            }
            BlockOperation::Write { first, buffer } => {
                let count = self.blocks_in(buffer)?;
                refuse_if(read_only, SubmitError::ReadOnly)?;
                self.check_range(*first, count)
            }
            BlockOperation::Discard { first, count } => {
                refuse_if(read_only, SubmitError::ReadOnly)?;
                refuse_if(!discards, SubmitError::Unsupported)?;
                self.check_range(*first, *count)
            }
        }
    }

    fn blocks_in(&self, buffer: &[u8]) -> Result<u64, SubmitError> {
        let block_size = self.geometry.block_size as usize;
        let is_whole = !buffer.is_empty() && buffer.len().is_multiple_of(block_size);
        refuse_if(!is_whole, SubmitError::Misaligned)?;
        Ok((buffer.len() / block_size) as u64)
    }

    fn check_range(&self, first: u64, count: u64) -> Result<(), SubmitError> {
        let end = first.checked_add(count);
        let fits = end.is_some_and(|end| end <= self.geometry.block_count);
        refuse_if(!fits, SubmitError::OutOfRange)
    }

    /// Whether `operation`, which was checked, is done without the device: a flush where there is
    /// no cache, and a discard of nothing.
    fn needs_no_device(&self, operation: &BlockOperation) -> bool {
        match operation {
            BlockOperation::Flush => !self.limits.flushes,
            BlockOperation::Discard { count, .. } => *count == 0,
            _ => false,
        }
    }

    /// How many requests are under way.
    fn under_way(&self) -> usize {
        self.flights.len() - self.vacant.len()
    }

    fn finish(&mut self, request: BlockRequest, status: BlockStatus) {
        self.finished.push_back(BlockCompletion { request, status });
    }

    /// Has `flight` posted behind those that wait already.
    fn start(&mut self, flight: Flight<L::Lent>) {
        let place = self.vacant.pop().expect("`submit` has looked for one");
        self.flights[place] = Some(flight);
        self.waiting.push_back(place);
        self.post_waiting();
    }

    /// Posts what waits, as far as there is room, and tells the device.
    fn post_waiting(&mut self) {
        while let Some(&place) = self.waiting.front() {
            if !self.post(place) {
                break;
            }
            self.waiting.pop_front();
        }
        self.ring.notify(&mut self.transport);
    }

    /// Posts the chains of the request at `place`. Returns whether all are posted.
    fn post(&mut self, place: usize) -> bool {
        let Some(flight) = &mut self.flights[place] else {
            return true;
        };
        while let Some(chain) = flight.next_chain(&self.limits) {
            let Some(slot) = self.free.pop() else {
                return false;
            };
            chain.write(self.ring.bytes(&slot));
            chain.parts(self.limits.segment_length, &mut self.parts);
            let index = slot.index();
            if let Err(slot) = self.ring.post(slot, &self.parts) {
                self.free.push(slot);
                return false;
            }
            flight.posted(&chain);
            let flight = place;
            self.carried[index] = Some(Carried { flight, chain });
        }
        true
    }

    /// Takes what the device has finished.
    fn collect(&mut self) {
        while self.violation.is_none() {
            let completion = self.ring.complete();
            let Some((slot, written)) = self.checked(completion) else {
                break;
            };
            self.chain_ended(slot, written);
        }
        if self.violation.is_none() {
            self.post_waiting();
        }
    }

    /// Makes of a chain that came back with `written` bytes what it says.
    fn chain_ended(&mut self, slot: Slot, written: u32) {
        let index = slot.index();
        let Some(Carried { flight, chain }) = self.carried[index].take() else {
            // The ring gives back what was posted, each once.
            return self.fail(Violation::UsedId);
        };
        let status = self.ring.bytes(&slot)[chain.status_offset()];
        self.free.push(slot);
        let ended = has_succeeded(&chain, status, written);
        let place = flight;
        let Some(flight) = &mut self.flights[place] else {
            return;
        };
        flight.chains -= 1;
        match ended {
            Ok(true) => {}
            Ok(false) => flight.fail(),
            Err(violation) => return self.fail(violation),
        }
        if flight.is_over() {
            self.end(place);
        }
    }

    /// Ends the request at `place`, which the device has done with.
    fn end(&mut self, place: usize) {
        if let Some(flight) = self.flights[place].take() {
            self.vacant.push(place);
            let lender = &mut self.lender;
            let completion = flight.end(|lent| lender.take_back(lent));
            self.finished.push_back(completion);
        }
    }

    /// Asks to be told of the next completion. Returns whether there is something already.
    fn arm(&mut self) -> bool {
        // The interrupt first: what happens after it is acknowledged raises it again.
        self.acknowledge();
        if self.violation.is_some() {
            return !self.finished.is_empty();
        }
        let armed = self.ring.arm();
        self.checked(armed) || !self.finished.is_empty()
    }

    /// Takes the interrupt, if there was one. What else of the configuration changes is the
    /// capacity, which stays what it was.
    fn acknowledge(&mut self) {
        let changed = device::acknowledge(&mut self.transport, &self.interrupt);
        self.checked(changed);
    }

    /// What a ring said; a violation fails the device.
    fn checked<V: Default>(&mut self, outcome: Result<V, Violation>) -> V {
        outcome.unwrap_or_else(|violation| {
            self.fail(violation);
            V::default()
        })
    }

    /// Resets the device for good and fails what is under way.
    fn fail(&mut self, violation: Violation) {
        if self.violation.is_none() {
            self.violation = Some(violation);
            self.ground();
        }
    }

    /// Resets the device and ends what is under way as failed.
    fn ground(&mut self) {
        let obeys = device::reset(&mut self.transport).is_ok();
        self.waiting.clear();
        for (place, flight) in self.flights.iter_mut().enumerate() {
            let Some(mut flight) = flight.take() else {
                continue;
            };
            flight.fail();
            self.vacant.push(place);
            let lender = &mut self.lender;
            let completion = flight.end(|lent| match obeys {
                true => lender.take_back(lent),
                false => lender.give_up(lent),
            });
            self.finished.push_back(completion);
        }
    }
}

impl<T: Transport, L: BufferLender> BlockDevice for VirtioBlk<T, L> {
    fn geometry(&self) -> BlockGeometry {
        self.geometry
    }

    fn submit(&mut self, request: BlockRequest) -> Result<(), (SubmitError, BlockRequest)> {
        if let Err(error) = self.check(&request.operation) {
            return Err((error, request));
        }
        // Completions hold their places until they are taken, so that they are no more than these.
        if self.under_way() + self.finished.len() >= self.flights.len() {
            return Err((SubmitError::Busy, request));
        }
        if self.violation.is_some() {
            self.finish(request, BlockStatus::Failed);
            return Ok(());
        }
        if self.needs_no_device(&request.operation) {
            self.finish(request, BlockStatus::Done);
            return Ok(());
        }
        match Flight::begin(request, &mut self.lender, self.geometry.block_size) {
            Ok(flight) => self.start(flight),
            Err(request) if self.under_way() > 0 => return Err((SubmitError::Busy, request)),
            // Nothing is lent, so that there will never be room for it.
            Err(request) => self.finish(request, BlockStatus::Failed),
        }
        Ok(())
    }

    fn complete(&mut self) -> Option<BlockCompletion> {
        loop {
            if self.finished.is_empty() {
                self.collect();
            }
            if let Some(completion) = self.finished.pop_front() {
                return Some(completion);
            }
            if !self.arm() {
                return None;
            }
        }
    }

    /// A request has the driver's patience from the first call that finds it under way.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        // What the device has finished is not late, however late the caller asks.
        self.collect();
        let mut first = None;
        for flight in self.flights.iter_mut().flatten() {
            let deadline = *flight.seen.get_or_insert(now) + self.patience;
            first = Some(first.map_or(deadline, |first: Instant| first.min(deadline)));
        }
        if first.is_some_and(|first| first <= now) {
            self.fail(Violation::Overdue);
            return None;
        }
        first
    }
}

impl<T: Transport, L: BufferLender> Drop for VirtioBlk<T, L> {
    /// Resets the device, so that it lets go of the buffers that it has.
    fn drop(&mut self) {
        self.ground();
    }
}

fn refuse_if(condition: bool, error: SubmitError) -> Result<(), SubmitError> {
    if condition { Err(error) } else { Ok(()) }
}

/// Whether `chain` has done what it was to do, if the device ended it as virtio says.
fn has_succeeded(chain: &Chain, status: u8, written: u32) -> Result<bool, Violation> {
    if written < chain::STATUS_LENGTH {
        return Err(Violation::UsedLengthSmall);
    }
    match status {
        // Less than all of the data would leave some of the buffer as it was.
        chain::STATUS_OK if written < chain.room() => Err(Violation::UsedLengthSmall),
        chain::STATUS_OK => Ok(true),
        chain::STATUS_FAILED | chain::STATUS_UNSUPPORTED => Ok(false),
        _ => Err(Violation::Status),
    }
}

#[cfg(test)]
mod tests;
