//! What a network device offers, and what the driver makes of it (virtio 1.2, 5.1.3 and 5.1.4).

use bitflags::bitflags;
use hypercall::{MacAddress, Offloads};
use virtio_drivers::transport::Transport;

use crate::VirtioError;
use crate::device::{self, CommonFeatures};

use super::VirtioNetOptions;

/// Offset of `mac` in the configuration.
const MAC: usize = 0;
/// Offset of `status`.
const STATUS: usize = 6;
/// Offset of `mtu`.
const MTU: usize = 10;
/// VIRTIO_NET_S_LINK_UP.
const LINK_UP: u16 = 1;
/// The least MTU that a device may give (virtio 1.2, 5.1.4.1).
const MTU_MIN: u16 = 68;
/// The bit of an address's first byte that marks a group of receivers (IEEE 802).
const GROUP: u8 = 1;

bitflags! {
    /// Features of a network device (virtio 1.2, 5.1.3).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct NetFeatures: u64 {
        /// The device completes checksums.
        const CSUM = 1 << 0;
        /// The driver takes frames with partial or verified checksums.
        const GUEST_CSUM = 1 << 1;
        /// The configuration has an MTU.
        const MTU = 1 << 3;
        /// The configuration has an address.
        const MAC = 1 << 5;
        /// The device cuts TCP/IPv4 frames into segments.
        const HOST_TSO4 = 1 << 11;
        /// The configuration has the link's state.
        const STATUS = 1 << 16;
    }
}

/// What was agreed with the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreement {
    pub mac: MacAddress,
    pub mtu: u16,
    pub offloads: Offloads,
    pub receive_checksum: bool,
    pub link_status: bool,
    pub event_index: bool,
}

impl Agreement {
    /// Brings the device from wherever it is to having accepted its features.
    pub fn reach<T: Transport>(
        transport: &mut T,
        options: &VirtioNetOptions,
    ) -> Result<Self, VirtioError> {
        let offered = device::offered(transport)?;
        let common = CommonFeatures::from_bits_truncate(offered);
        let mut net = NetFeatures::from_bits_truncate(offered);
        if !net.contains(NetFeatures::MAC) {
            return Err(VirtioError::FeatureMissing);
        }
        // Segmentation needs checksums (virtio 1.2, 5.1.3.1).
        if !options.segmentation || !net.contains(NetFeatures::CSUM) {
            net.remove(NetFeatures::HOST_TSO4);
        }
        let mtu = agreed_mtu(transport, net, options.mtu)?;
        net.set(NetFeatures::MTU, mtu.is_some());
        device::accept(transport, common.bits() | net.bits())?;
        Ok(Self {
            mac: read_mac(transport)?,
            mtu: mtu.unwrap_or(options.mtu),
            offloads: offloads(net),
            receive_checksum: net.contains(NetFeatures::GUEST_CSUM),
            link_status: net.contains(NetFeatures::STATUS),
            event_index: common.contains(CommonFeatures::EVENT_IDX),
        })
    }
}

/// Whether the device says that the link is up.
pub(super) fn link_is_up<T: Transport>(transport: &T) -> Result<bool, VirtioError> {
    let status: u16 = device::read_configuration(transport, STATUS)?;
    Ok(u16::from_le(status) & LINK_UP != 0)
}

/// The device's MTU, if it gives one that the receive buffers can hold: a driver that accepts the
/// feature must have room for such frames (virtio 1.2, 5.1.4.2).
fn agreed_mtu<T: Transport>(
    transport: &T,
    offered: NetFeatures,
    largest: u16,
) -> Result<Option<u16>, VirtioError> {
    if !offered.contains(NetFeatures::MTU) {
        return Ok(None);
    }
    let mtu = u16::from_le(device::read_configuration(transport, MTU)?);
    if mtu < MTU_MIN {
        return Err(VirtioError::ConfigurationInvalid);
    }
    Ok((mtu <= largest).then_some(mtu))
}

fn read_mac<T: Transport>(transport: &T) -> Result<MacAddress, VirtioError> {
    let mac: MacAddress = device::read_configuration(transport, MAC)?;
    if mac[0] & GROUP != 0 || mac == [0; 6] {
        return Err(VirtioError::ConfigurationInvalid);
    }
    Ok(mac)
}

fn offloads(accepted: NetFeatures) -> Offloads {
    let mut offloads = Offloads::empty();
    offloads.set(
        Offloads::TRANSMIT_CHECKSUM,
        accepted.contains(NetFeatures::CSUM),
    );
    offloads.set(
        Offloads::TRANSMIT_TCP4,
        accepted.contains(NetFeatures::HOST_TSO4),
    );
    offloads
}
