//! smoltcp's device: packets in and out for the time of one call.

use core::num::{NonZeroU16, NonZeroUsize};

use smoltcp::phy::{
    ChecksumCapabilities, Device, DeviceCapabilities, Medium, PacketMeta, RxToken, TxToken,
};
use smoltcp::time;

use super::record::Record;
use crate::outlet::Outlet;

/// smoltcp's view of the world for one call: at most one packet in, and an outlet.
pub(super) struct Port<'a> {
    pub(super) sizes: (usize, usize),
    pub(super) received: Option<&'a [u8]>,
    pub(super) outlet: &'a mut dyn Outlet,
    pub(super) record: Record,
    /// Where a packet is written that is lost: as large as the largest.
    pub(super) scratch: &'a mut [u8],
}

impl Device for Port<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Sending<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: time::Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let packet = self.received.take()?;
        Some((
            Received(packet),
            Sending {
                outlet: self.outlet,
                record: &mut self.record,
                scratch: self.scratch,
                segment_size: None,
            },
        ))
    }

    fn transmit(&mut self, _: time::Instant) -> Option<Sending<'_>> {
        self.outlet.has_room().then_some(Sending {
            outlet: self.outlet,
            record: &mut self.record,
            scratch: self.scratch,
            segment_size: None,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        let (mtu, largest_packet) = self.sizes;
        capabilities.max_transmission_unit = mtu;
        if largest_packet > mtu {
            capabilities.segmentation.tcpv4 = NonZeroUsize::new(largest_packet);
        }
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

pub(super) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub(super) struct Sending<'a> {
    outlet: &'a mut dyn Outlet,
    record: &'a mut Record,
    scratch: &'a mut [u8],
    segment_size: Option<u16>,
}

impl TxToken for Sending<'_> {
    fn set_meta(&mut self, meta: PacketMeta) {
        self.segment_size = meta.segmentation_offload_size.map(NonZeroU16::get);
    }

    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut write = Some(write);
        let mut result = None;
        let mut fill = |packet: &mut [u8]| {
            if let Some(write) = write.take() {
                result = Some(write(packet));
                self.record.correct(packet);
            }
        };
        if !self.outlet.send(length, self.segment_size, &mut fill) {
            // To smoltcp it is sent, and lost as any packet may be.
            fill(&mut self.scratch[..length]);
        }
        result.expect("a packet is written once")
    }
}
