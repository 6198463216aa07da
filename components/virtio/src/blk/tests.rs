//! The driver against a software device: the contract, and every known kind of misbehaviour.

use alloc::vec;

use hypercall::contract::block_device::BlockFixture;
use hypercall::contract::{self, Verdict};
use virtio_drivers::transport::DeviceStatus;

use crate::software::{Chain as DeviceChain, Device, EVENT_IDX, SoftwareLender, SoftwareTransport};

use super::*;

mod limits;
mod misbehaviour;
mod start;
mod traffic;

const SIZE_MAX: u64 = 1 << 1;
const SEG_MAX: u64 = 1 << 2;
const RO: u64 = 1 << 5;
const BLK_SIZE: u64 = 1 << 6;
const FLUSH: u64 = 1 << 9;
const DISCARD: u64 = 1 << 13;

const SECTORS: usize = 64;

type Driver = VirtioBlk<SoftwareTransport, SoftwareLender>;

/// A device of 64 sectors that offers `features`.
fn device(features: u64) -> (Device, DmaRegion) {
    let length = Driver::dma_length(&VirtioBlkOptions::default());
    let (device, memory) = Device::new(DeviceType::Block, features, length);
    configure(&device, 0, &(SECTORS as u64).to_le_bytes());
    configure(&device, 8, &4096u32.to_le_bytes());
    configure(&device, 12, &4u32.to_le_bytes());
    configure(&device, 20, &512u32.to_le_bytes());
    configure(&device, 36, &16u32.to_le_bytes());
    configure(&device, 40, &1u32.to_le_bytes());
    (device, memory)
}

fn configure(device: &Device, offset: usize, bytes: &[u8]) {
    device.state().configuration[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn try_start(device: &Device, memory: DmaRegion) -> Result<Driver, VirtioError> {
    let interrupt = device.state().interrupt.clone();
    VirtioBlk::new(
        device.transport(),
        memory,
        interrupt,
        device.lender(),
        &VirtioBlkOptions::default(),
    )
}

fn started(features: u64) -> (Device, Driver) {
    let (device, memory) = device(features);
    let driver = try_start(&device, memory).expect("a good device");
    (device, driver)
}

/// A good device's own side.
struct Disk {
    device: Device,
    content: Vec<u8>,
    /// What was asked for: `type`, `sector`, and how many parts the chain had.
    log: Vec<(u32, u64, usize)>,
}

impl Disk {
    fn new(device: Device) -> Self {
        Self {
            device,
            content: vec![0; SECTORS * 512],
            log: Vec::new(),
        }
    }

    /// Does all that the driver has asked for.
    fn serve(&mut self) {
        while let Some(chain) = self.device.next_chain(0) {
            self.serve_one(&chain);
        }
    }

    fn serve_one(&mut self, chain: &DeviceChain) {
        let front = self.device.read(chain);
        let kind = u32::from_le_bytes(front[..4].try_into().expect("four bytes"));
        let sector = u64::from_le_bytes(front[8..16].try_into().expect("eight bytes"));
        self.log.push((kind, sector, chain.parts.len()));
        let start = sector as usize * 512;
        let data = &front[16..];
        let room = chain.parts.iter().filter(|part| part.2 & 2 != 0);
        let room = room.map(|part| part.1 as usize).sum::<usize>();
        let mut answer = Vec::new();
        match kind {
            0 => answer.extend_from_slice(&self.content[start..start + room - 1]),
            1 => self.content[start..start + data.len()].copy_from_slice(data),
            4 => assert!(data.is_empty()),
            11 => self.discard(data),
            _ => panic!("type {kind}"),
        }
        answer.push(0);
        self.device.write(chain, &answer);
        self.device
            .complete(0, chain.head.into(), answer.len() as u32);
    }

    fn discard(&mut self, segment: &[u8]) {
        let sector = u64::from_le_bytes(segment[..8].try_into().expect("eight bytes")) as usize;
        let count = u32::from_le_bytes(segment[8..12].try_into().expect("four bytes")) as usize;
        assert_eq!(segment[12..], [0; 4]);
        self.content[sector * 512..(sector + count) * 512].fill(0);
    }
}

fn read(first: u64, blocks: usize) -> BlockRequest {
    BlockRequest {
        tag: first,
        operation: BlockOperation::Read {
            first,
            buffer: vec![0xee; blocks * 512].into(),
        },
    }
}

fn flush() -> BlockRequest {
    BlockRequest {
        tag: u64::MAX,
        operation: BlockOperation::Flush,
    }
}

/// Submits what must be taken.
fn submit(driver: &mut Driver, request: BlockRequest) {
    assert_eq!(driver.submit(request), Ok(()));
}

/// How the next request ended.
fn status(driver: &mut Driver) -> Option<BlockStatus> {
    driver.complete().map(|completion| completion.status)
}
