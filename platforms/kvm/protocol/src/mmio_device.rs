//! A virtio-mmio transport as Linux' command line names it.

/// One `virtio_mmio.device=` word: `<size>@<address>:<interrupt>[:<id>]` (Linux,
/// Documentation/admin-guide/kernel-parameters.txt).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MmioDevice {
    /// Length of the register window in bytes.
    pub size: u64,
    /// Physical address of the register window.
    pub address: u64,
    /// The interrupt's number (on x86 the global system interrupt: the input of the I/O APIC).
    pub interrupt: u32,
}

impl MmioDevice {
    /// Reads a word's value; `None` when it does not follow the syntax.
    pub fn parse(value: &str) -> Option<Self> {
        let (size, place) = value.split_once('@')?;
        let (address, interrupt) = place.split_once(':')?;
        let interrupt = interrupt
            .split_once(':')
            .map_or(interrupt, |(interrupt, _id)| interrupt);
        Some(Self {
            size: parse_size(size)?,
            address: parse_number(address)?,
            interrupt: u32::try_from(parse_number(interrupt)?).ok()?,
        })
    }
}

/// A number with one of the suffixes that Linux' `memparse` knows.
fn parse_size(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'K' | b'k' => 1 << 10,
        b'M' | b'm' => 1 << 20,
        b'G' | b'g' => 1 << 30,
        _ => return parse_number(text),
    };
    parse_number(&text[..text.len() - 1])?.checked_mul(unit)
}

/// A decimal number, or a hexadecimal one after `0x`.
fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_hypervisors_write() {
        let qemu = MmioDevice {
            size: 512,
            address: 0xfeb0_0e00,
            interrupt: 12,
        };
        assert_eq!(MmioDevice::parse("512@0xfeb00e00:12"), Some(qemu));
        let firecracker = MmioDevice {
            size: 4096,
            address: 0xd000_0000,
            interrupt: 5,
        };
        assert_eq!(MmioDevice::parse("4K@0xd0000000:5"), Some(firecracker));
        assert_eq!(MmioDevice::parse("4K@0xd0000000:5:2"), Some(firecracker));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in [
            "",
            "@",
            "512@",
            "512@0x:1",
            "512@1",
            "é@1:1",
            "512@1:4294967296",
            "18446744073709551615G@1:1",
        ] {
            assert_eq!(MmioDevice::parse(text), None, "{text}");
        }
    }
}
