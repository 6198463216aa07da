//! The address of the machine's network card.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::network::SyntaxError;

/// The Ethernet address of one station.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// The address for a machine that has `address` in its network: nobody else there has it, and
    /// it is the same at each start, so that neighbours need not learn a new one.
    ///
    /// It is locally administered (IEEE 802, 8.4.2): the second bit of its first byte is set.
    pub const fn derived_from(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0, a, b, c, d])
    }
}

impl FromStr for MacAddress {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let error = SyntaxError("02:00:00:00:00:01, whose first byte is even");
        let mut address = [0; 6];
        let mut words = text.split(':');
        for place in &mut address {
            let is_byte = |word: &&str| {
                word.len() == 2 && word.bytes().all(|digit| digit.is_ascii_hexdigit())
            };
            let word = words.next().filter(is_byte);
            let byte = word.and_then(|word| u8::from_str_radix(word, 16).ok());
            let Some(byte) = byte else {
                return Err(error);
            };
            *place = byte;
        }
        // The first bit on the wire says that a group is meant.
        let is_group = address[0] & 1 == 1;
        if words.next().is_some() || is_group || address == [0; 6] {
            return Err(error);
        }
        Ok(Self(address))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "52:54:00:12:ab:ff";
        assert_eq!(text.parse::<MacAddress>().unwrap().to_string(), text);
    }

    #[test]
    fn what_no_station_can_have_is_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "02:00:00:00:00:1",
            "02-00-00-00-00-01",
            "+2:00:00:00:00:01",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }
}
