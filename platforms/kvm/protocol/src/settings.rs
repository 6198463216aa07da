//! The reader of the two texts that an image is told: its own default words, and those of the
//! command line, which go before them.
//!
//! A word that is not known is passed over: a boot loader adds words of its own. Nothing here
//! allocates or formats, so an image pays for what it asks.

use core::net::Ipv4Addr;

use crate::{MmioDevice, Terminals, name, percent};

/// What an image was told. The values of arguments and environment are still percent-encoded:
/// [`decode`](crate::decode) gives their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    defaults: &'a str,
    given: &'a str,
}

/// An interface's address and its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4Network {
    /// The address of the interface itself.
    pub address: Ipv4Addr,
    /// How many leading bits of the address name the network; at most 32.
    pub prefix_length: u8,
}

impl<'a> Settings<'a> {
    /// Joins the image's words with those of the command line.
    pub fn new(defaults: &'a str, given: &'a str) -> Self {
        Self { defaults, given }
    }

    /// The program's arguments, its name first. Arguments of the command line replace all those
    /// of the image.
    pub fn arguments(self) -> impl Iterator<Item = &'a str> {
        let given = Values::new(["", self.given], name::ARGUMENT);
        match given.clone().next() {
            Some(_) => given,
            None => Values::new([self.defaults, ""], name::ARGUMENT),
        }
    }

    /// The environment, as `KEY=VALUE`. Of entries with one key the last holds.
    pub fn environment(self) -> impl Iterator<Item = &'a str> {
        let mut entries = self.all(name::ENVIRONMENT);
        core::iter::from_fn(move || {
            loop {
                let entry = entries.next()?;
                if !entries.clone().any(|later| same_key(entry, later)) {
                    return Some(entry);
                }
            }
        })
    }

    /// The virtio-mmio transports that have a device behind them. A malformed word is passed
    /// over.
    pub fn devices(self) -> impl Iterator<Item = MmioDevice> {
        self.all(name::DEVICE).filter_map(MmioDevice::parse)
    }

    /// Which standard streams are terminals: none unless said.
    pub fn terminals(self) -> Terminals {
        self.last(name::TERMINAL)
            .map_or(Terminals::default(), Terminals::from_letters)
    }

    /// When the image was started, in nanoseconds since 1970-01-01 00:00 UTC.
    pub fn epoch_ns(self) -> Option<u64> {
        self.last(name::EPOCH)?.parse().ok()
    }

    /// The address of the first network interface.
    pub fn address(self) -> Option<Ipv4Network> {
        Ipv4Network::parse(self.last(name::ADDRESS)?)
    }

    /// The router of the default route.
    pub fn gateway(self) -> Option<Ipv4Addr> {
        self.last(name::GATEWAY)?.parse().ok()
    }

    /// The names of the components that the image consists of.
    pub fn components(self) -> impl Iterator<Item = &'a str> {
        let names = self.last(name::COMPONENTS).unwrap_or_default();
        names.split(',').filter(|name| !name.is_empty())
    }

    /// The values of every word called `name`, the image's first.
    fn all(self, name: &'static str) -> Values<'a> {
        Values::new([self.defaults, self.given], name)
    }

    /// The value that holds of the words called `name`.
    fn last(self, name: &'static str) -> Option<&'a str> {
        self.all(name).last()
    }
}

impl Ipv4Network {
    /// Reads `address/length`; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let prefix_length = length.parse().ok().filter(|&length| length <= 32)?;
        Some(Self {
            address: address.parse().ok()?,
            prefix_length,
        })
    }
}

/// The values of the words called `name` in two texts, one after the other.
#[derive(Clone)]
struct Values<'a> {
    /// What has not been read yet.
    texts: [&'a str; 2],
    name: &'static str,
}

impl<'a> Values<'a> {
    fn new(texts: [&'a str; 2], name: &'static str) -> Self {
        Self { texts, name }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    // Every question about the settings comes through here: one copy of it is enough in an image.
    #[inline(never)]
    fn next(&mut self) -> Option<&'a str> {
        for text in &mut self.texts {
            while !text.is_empty() {
                let word = take_word(text);
                if let Some(value) = word.strip_prefix(self.name) {
                    return Some(value);
                }
            }
        }
        None
    }
}

/// Takes the first word off `text`, with the space behind it. It is empty where two spaces meet.
fn take_word<'a>(text: &mut &'a str) -> &'a str {
    let space = text.bytes().position(|byte| byte == b' ');
    let (word, rest) = match space.and_then(|end| text.split_at_checked(end)) {
        Some((word, rest)) => (word, rest.get(1..).unwrap_or_default()),
        None => (*text, ""),
    };
    *text = rest;
    word
}

/// Whether two encoded entries `KEY=VALUE` have one key.
#[inline(never)]
fn same_key(entry: &str, other: &str) -> bool {
    let key = |entry| percent::decode(entry).take_while(|&byte| byte != b'=');
    key(entry).eq(key(other))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{COMPONENTS, CommandLine};

    #[test]
    fn what_is_written_is_read() {
        let device = MmioDevice {
            size: 512,
            address: 0xfeb0_0200,
            interrupt: 25,
        };
        let terminals = Terminals {
            input: false,
            output: true,
            error: true,
        };
        let network = Ipv4Network {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix_length: 24,
        };
        let mut line = CommandLine::new();
        line.device(device);
        line.argument(b"name");
        line.argument(b"a \xff%");
        line.environment(b"KEY", b"a b");
        line.terminals(terminals);
        line.epoch_ns(u64::MAX);
        line.address(network);
        line.gateway(Ipv4Addr::new(10, 0, 2, 2));
        line.components(&[&COMPONENTS[0], &COMPONENTS[1]]);

        let settings = Settings::new("", line.as_str());
        assert!(settings.devices().eq([device]));
        let arguments: Vec<Vec<u8>> = settings
            .arguments()
            .map(|argument| crate::decode(argument).collect())
            .collect();
        assert_eq!(arguments, [&b"name"[..], b"a \xff%"]);
        let environment = settings.environment().next().unwrap();
        assert!(crate::decode(environment).eq(*b"KEY=a b"));
        assert_eq!(settings.terminals(), terminals);
        assert_eq!(settings.epoch_ns(), Some(u64::MAX));
        assert_eq!(settings.address(), Some(network));
        assert_eq!(settings.gateway(), Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert!(
            settings
                .components()
                .eq([COMPONENTS[0].name, COMPONENTS[1].name])
        );
    }

    #[test]
    fn arguments_of_the_command_line_replace_all_of_the_image() {
        let image = "anykernel.arg=lua anykernel.arg=-v anykernel.arg=x";
        let default = Settings::new(image, "quiet");
        assert!(default.arguments().eq(["lua", "-v", "x"]));
        let given = Settings::new(image, "anykernel.arg=lua anykernel.arg=-");
        assert!(given.arguments().eq(["lua", "-"]));
    }

    #[test]
    fn the_environment_is_overridden_by_key() {
        let image = "anykernel.env=A=1 anykernel.env=B=2 anykernel.env=AB=3";
        let settings = Settings::new(image, "anykernel.env=%41=4 anykernel.env=C=");
        assert!(settings.environment().eq(["B=2", "AB=3", "%41=4", "C="]));
    }

    #[test]
    fn the_last_of_single_words_holds() {
        let settings = Settings::new("anykernel.epoch=1", "x anykernel.epoch=2 anykernel.epoch=3");
        assert_eq!(settings.epoch_ns(), Some(3));
        assert_eq!(Settings::new("anykernel.epoch=1", "").epoch_ns(), Some(1));
    }

    #[test]
    fn nothing_said_means_nothing() {
        let settings = Settings::new("", "console=ttyS0 anykernel.argument=x anykernel.epoch=x");
        assert_eq!(settings.arguments().next(), None);
        assert_eq!(settings.environment().next(), None);
        assert_eq!(settings.devices().next(), None);
        assert_eq!(settings.components().next(), None);
        assert_eq!(settings.terminals(), Terminals::default());
        assert_eq!(settings.epoch_ns(), None);
        assert_eq!(settings.address(), None);
    }

    #[test]
    fn a_network_is_an_address_and_at_most_32_bits() {
        assert!(Ipv4Network::parse("10.0.2.15/32").is_some());
        for text in [
            "10.0.2.15",
            "10.0.2.15/33",
            "10.0.2/24",
            "10.0.2.15/",
            "10.0.2.256/8",
        ] {
            assert_eq!(Ipv4Network::parse(text), None, "{text}");
        }
    }
}
