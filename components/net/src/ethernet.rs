//! Ethernet II framing (IEEE 802.3, RFC 894).

use hypercall::MacAddress;

/// Bytes before the payload.
pub(crate) const HEADER_LENGTH: usize = 14;
/// Every station on the link.
pub(crate) const BROADCAST: MacAddress = [0xFF; 6];

const TYPE_IPV4: [u8; 2] = [0x08, 0x00];
const TYPE_ARP: [u8; 2] = [0x08, 0x06];

/// What a frame carries, as far as this stack knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EtherType {
    /// IPv4.
    Ipv4,
    /// ARP.
    Arp,
}

/// Says what `frame` carries if it is meant for `own` or for a group that includes it.
pub(crate) fn classify(frame: &[u8], own: MacAddress) -> Option<EtherType> {
    let header = frame.first_chunk::<HEADER_LENGTH>()?;
    let group = header[0] & 1 == 1;
    if !group && header[..6] != own {
        return None;
    }
    match [header[12], header[13]] {
        TYPE_IPV4 => Some(EtherType::Ipv4),
        TYPE_ARP => Some(EtherType::Arp),
        _ => None,
    }
}

/// Writes the header at the front of `frame`, which is at least [`HEADER_LENGTH`] long.
pub(crate) fn write_header(
    frame: &mut [u8],
    destination: MacAddress,
    source: MacAddress,
    ether_type: EtherType,
) {
    frame[..6].copy_from_slice(&destination);
    frame[6..12].copy_from_slice(&source);
    frame[12..HEADER_LENGTH].copy_from_slice(match ether_type {
        EtherType::Ipv4 => &TYPE_IPV4,
        EtherType::Arp => &TYPE_ARP,
    });
}

/// Whether `address` names one station.
pub(crate) const fn is_unicast(address: MacAddress) -> bool {
    address[0] & 1 == 0 && !matches!(address, [0, 0, 0, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = [2, 0, 0, 0, 0, 1];

    fn frame(destination: MacAddress, ether_type: EtherType) -> [u8; HEADER_LENGTH] {
        let mut frame = [0; HEADER_LENGTH];
        write_header(&mut frame, destination, [2, 0, 0, 0, 0, 9], ether_type);
        frame
    }

    #[test]
    fn frames_for_us_and_for_all_are_known() {
        assert_eq!(
            classify(&frame(OWN, EtherType::Ipv4), OWN),
            Some(EtherType::Ipv4)
        );
        assert_eq!(
            classify(&frame(BROADCAST, EtherType::Arp), OWN),
            Some(EtherType::Arp)
        );
    }

    #[test]
    fn others_are_not() {
        assert_eq!(
            classify(&frame([2, 0, 0, 0, 0, 7], EtherType::Ipv4), OWN),
            None
        );
        let mut unknown = frame(OWN, EtherType::Ipv4);
        unknown[12] = 0x86;
        assert_eq!(classify(&unknown, OWN), None);
        assert_eq!(
            classify(&frame(OWN, EtherType::Ipv4)[..13], OWN),
            None,
            "a runt"
        );
    }
}
