//! A block device (virtio 1.2, 5.2) whose content is in memory.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtio::{DeviceType, VirtioBlk, VirtioBlkOptions, VirtioError};

use super::queue::Chain;
use super::state::{Profile, State};
use super::{Features, Misbehaviour, SoftwareDevice, SoftwareLender, SoftwareTransport};

/// The queue `requestq1` (virtio 1.2, 5.2.2).
const REQUESTS: usize = 0;
/// Bytes of a sector.
const SECTOR: usize = 512;
/// Bytes of `type`, `reserved` and `sector` (virtio 1.2, 5.2.6).
const HEADER_LENGTH: usize = 16;
/// VIRTIO_BLK_T_IN, OUT and FLUSH.
const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
/// VIRTIO_BLK_S_OK, IOERR and UNSUPP.
const DONE: u8 = 0;
const FAILED: u8 = 1;
const UNSUPPORTED: u8 = 2;
/// VIRTIO_BLK_F_FLUSH (virtio 1.2, 5.2.3).
const FEATURE_FLUSH: u64 = 1 << 9;
/// Bytes of the configuration that matter to a disk without further features.
const CONFIGURATION_LENGTH: usize = 60;
/// The largest size of the queue.
const QUEUE_SIZE: u32 = 256;
/// How much a driver can lend at a time.
const ROOM: usize = 32 << 10;

/// The device's end of a disk.
#[derive(Clone, Debug)]
pub struct SoftwareDisk {
    device: SoftwareDevice,
    options: VirtioBlkOptions,
    content: Arc<Mutex<Vec<u8>>>,
}

impl SoftwareDisk {
    /// A disk of `sectors` zeroed sectors, with memory for a driver with `options`.
    pub fn new(sectors: usize, features: Features, options: VirtioBlkOptions) -> Self {
        let mut configuration = vec![0; CONFIGURATION_LENGTH];
        configuration[..8].copy_from_slice(&(sectors as u64).to_le_bytes());
        let device = SoftwareDevice::new(Profile {
            class: DeviceType::Block,
            features: FEATURE_FLUSH | features.bits(),
            configuration,
            queues: vec![QUEUE_SIZE],
            // The status is all that each request has written.
            header_length: 1,
            memory: VirtioBlk::<SoftwareTransport, SoftwareLender>::dma_length(&options),
            room: ROOM,
        });
        Self {
            device,
            options,
            content: Arc::new(Mutex::new(vec![0; sectors * SECTOR])),
        }
    }

    /// Starts the device's driver.
    ///
    /// # Panics
    ///
    /// If it has had one before.
    pub fn start(&self) -> Result<VirtioBlk<SoftwareTransport, SoftwareLender>, VirtioError> {
        let (transport, memory, interrupt) = self.device.for_driver();
        let lender = SoftwareLender(Arc::clone(&transport.0));
        VirtioBlk::new(transport, memory, interrupt, lender, &self.options)
    }

    /// Does all that the driver has asked for. Returns how many requests that was. The driver is
    /// interrupted once, if it wants to be.
    pub fn serve(&self) -> usize {
        let mut state = self.device.state();
        state.fetch(REQUESTS);
        let mut served = 0;
        while let Some(chain) = state.next_chain(REQUESTS) {
            self.serve_one(&mut state, &chain);
            served += 1;
        }
        if served != 0 {
            state.interrupt_for_queue(REQUESTS);
        }
        served
    }

    /// Does the oldest request that waits, and writes `status` and answers `length` in place of what
    /// is right. Returns whether there was one.
    pub fn answer_with(&self, status: u8, length: u32) -> bool {
        let mut state = self.device.state();
        state.fetch(REQUESTS);
        let Some(chain) = state.next_chain(REQUESTS) else {
            return false;
        };
        let mut request = Vec::new();
        state.memory.gather(&chain, &mut request);
        let (mut answer, _) = self.answer(&request, chain.room());
        answer.push(status);
        state.memory.fill(&chain, &answer);
        let State { queues, memory, .. } = &mut *state;
        queues[REQUESTS].complete_as(memory, chain.head.into(), length);
        true
    }

    fn serve_one(&self, state: &mut State, chain: &Chain) {
        let due = state.due(REQUESTS);
        let mut request = Vec::new();
        let whole = state.memory.gather(chain, &mut request);
        state.require(whole, "asked for what is not in memory");
        let (mut answer, status) = self.answer(&request, chain.room());
        match due {
            Some(Misbehaviour::BlockStatusUnwritten) => {}
            Some(Misbehaviour::BlockStatusAboveTwo) => answer.push(UNSUPPORTED + 1),
            _ => answer.push(status),
        }
        state.memory.fill(chain, &answer);
        state.finish(REQUESTS, chain, chain.room(), due);
    }

    /// What a request is answered in `room` bytes, of which the last is the status.
    fn answer(&self, request: &[u8], room: u32) -> (Vec<u8>, u8) {
        // A driver cannot have lent more, whatever a descriptor says.
        let mut data = vec![0; (room as usize).min(ROOM).saturating_sub(1)];
        let Some((header, written)) = request.split_first_chunk::<HEADER_LENGTH>() else {
            return (data, FAILED);
        };
        let sector = u64::from_le_bytes(word(header, 8));
        let mut content = self.content();
        let done = match u32::from_le_bytes(word(header, 0)) {
            READ => place(&mut content, sector, data.len()).map(|at| data.copy_from_slice(at)),
            WRITE => {
                place(&mut content, sector, written.len()).map(|at| at.copy_from_slice(written))
            }
            FLUSH => Some(()),
            _ => return (data, UNSUPPORTED),
        };
        (data, done.map_or(FAILED, |()| DONE))
    }

    /// What is on the disk.
    pub fn content(&self) -> MutexGuard<'_, Vec<u8>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for SoftwareDisk {
    type Target = SoftwareDevice;

    fn deref(&self) -> &SoftwareDevice {
        &self.device
    }
}

/// `length` bytes of the disk from `sector` on, if it has them.
fn place(content: &mut [u8], sector: u64, length: usize) -> Option<&mut [u8]> {
    let start = usize::try_from(sector).ok()?.checked_mul(SECTOR)?;
    content.get_mut(start..start.checked_add(length)?)
}

/// The bytes of a field of the header at `offset`.
fn word<const LENGTH: usize>(header: &[u8; HEADER_LENGTH], offset: usize) -> [u8; LENGTH] {
    *header[offset..]
        .first_chunk()
        .expect("fields lie in the header")
}
