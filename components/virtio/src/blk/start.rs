//! What a block device is set up with, and how it is started (virtio 1.2, 5.2.5).

use alloc::vec::Vec;
use core::time::Duration;

use hypercall::{BlockGeometry, DmaRegion};
use virtio_drivers::transport::Transport;

use crate::layout::Layout;
use crate::ring::{Ring, Slot};
use crate::{QueueSize, VirtioError, device};

use super::chain::SLOT_LENGTH;
use super::configuration::Agreement;
use super::{Limits, SECTOR};

/// The queue `requestq1` (virtio 1.2, 5.2.2).
const REQUESTS: u16 = 0;
/// Descriptors of a chain beside its data: header and status.
const FRAME: u16 = 2;
/// The most segments that are used. A buffer is lent in one piece, so that only a device with
/// short segments needs more than one.
const SEGMENTS_MAX: u32 = 16;
/// The most bytes that one chain carries: far below the 4 GiB that a chain can have.
const CHAIN_LENGTH_MAX: u64 = 16 << 20;

/// How a [`VirtioBlk`](crate::VirtioBlk) is to be set up. The default takes 12 KiB of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VirtioBlkOptions {
    /// Descriptors of the queue, 128 by default; fewer if the device's is smaller. A request takes
    /// three.
    pub queue: QueueSize,
    /// How long a request may take before the device counts as broken, 30 seconds by default.
    pub patience: Duration,
}

impl Default for VirtioBlkOptions {
    fn default() -> Self {
        Self {
            queue: const { QueueSize::new(128).expect("a power of two") },
            patience: Duration::from_secs(30),
        }
    }
}

impl VirtioBlkOptions {
    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.queue, SLOT_LENGTH)
    }
}

/// A device that has just been started.
pub(super) struct Started {
    pub geometry: BlockGeometry,
    pub limits: Limits,
    pub ring: Ring,
    pub free: Vec<Slot>,
}

impl Started {
    /// Takes the device from wherever it is to running.
    pub fn new<T: Transport>(
        transport: &mut T,
        memory: DmaRegion,
        options: &VirtioBlkOptions,
    ) -> Result<Self, VirtioError> {
        let agreement = Agreement::reach(transport)?;
        let (ring, free) = Ring::new(
            transport,
            REQUESTS,
            memory,
            options.layout(),
            agreement.event_index,
        )?;
        let limits = limits(&agreement, ring.size())?;
        device::start(transport);
        Ok(Self {
            geometry: agreement.geometry,
            limits,
            ring,
            free,
        })
    }
}

/// What the device and its queue of `size` descriptors allow.
fn limits(agreement: &Agreement, size: u16) -> Result<Limits, VirtioError> {
    let room = u32::from(size.saturating_sub(FRAME));
    if room == 0 {
        return Err(VirtioError::QueueSize(size.into()));
    }
    let segments = agreement.segments.min(room).min(SEGMENTS_MAX);
    let bytes = u64::from(agreement.segment_length) * u64::from(segments);
    let sectors = (bytes.min(CHAIN_LENGTH_MAX) / SECTOR) as u32;
    let per_block = agreement.geometry.block_size / SECTOR as u32;
    let data_sectors = sectors - sectors % per_block;
    if data_sectors == 0 {
        return Err(VirtioError::ConfigurationInvalid);
    }
    Ok(Limits {
        segment_length: agreement.segment_length,
        data_sectors,
        discard_sectors: agreement.discard_sectors,
        flushes: agreement.flushes,
    })
}
