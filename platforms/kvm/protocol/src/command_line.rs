//! The writer of a kernel command line: what `run`, and `bake` for the defaults, tell an image.

use core::fmt::{self, Write};
use core::net::Ipv4Addr;

use alloc::string::String;

use crate::settings::Ipv4Network;
use crate::{Component, MmioDevice, Terminals, name, percent};

/// A command line being written: words `name=value` with a space between, each value
/// percent-encoded where a byte of it could end the word.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CommandLine {
    text: String,
}

impl CommandLine {
    /// A command line without words.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names a virtio-mmio transport that has a device behind it.
    pub fn device(&mut self, device: MmioDevice) {
        let MmioDevice {
            size,
            address,
            interrupt,
        } = device;
        self.display(
            name::DEVICE,
            format_args!("{size}@{address:#x}:{interrupt}"),
        );
    }

    /// Appends an argument of the program; the first is its name.
    pub fn argument(&mut self, argument: &[u8]) {
        self.start(name::ARGUMENT);
        percent::encode(argument, &mut self.text);
    }

    /// Sets a variable of the program's environment. `key` holds no `=`.
    pub fn environment(&mut self, key: &[u8], value: &[u8]) {
        self.start(name::ENVIRONMENT);
        percent::encode(key, &mut self.text);
        self.text.push('=');
        percent::encode(value, &mut self.text);
    }

    /// Says which standard streams are terminals.
    pub fn terminals(&mut self, terminals: Terminals) {
        self.start(name::TERMINAL);
        self.text.extend(terminals.letters());
    }

    /// Says when the image was started, in nanoseconds since 1970-01-01 00:00 UTC.
    pub fn epoch_ns(&mut self, epoch_ns: u64) {
        self.display(name::EPOCH, epoch_ns);
    }

    /// Gives the first network interface its address.
    pub fn address(&mut self, network: Ipv4Network) {
        let Ipv4Network {
            address,
            prefix_length,
        } = network;
        self.display(name::ADDRESS, format_args!("{address}/{prefix_length}"));
    }

    /// Gives the router of the default route.
    pub fn gateway(&mut self, gateway: Ipv4Addr) {
        self.display(name::GATEWAY, gateway);
    }

    /// Says which components the image consists of, for whoever is about to run it.
    pub fn components(&mut self, components: &[&Component]) {
        self.start(name::COMPONENTS);
        for (index, component) in components.iter().enumerate() {
            self.text.push_str(if index == 0 { "" } else { "," });
            self.text.push_str(component.name);
        }
    }

    /// The text to hand to a hypervisor or to put into an image.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Starts a word whose value comes next.
    fn start(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(name);
    }

    /// Appends a word whose value needs no encoding.
    fn display(&mut self, name: &str, value: impl fmt::Display) {
        self.start(name);
        write!(self.text, "{value}").expect("writing to a string does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_line() {
        let mut line = CommandLine::new();
        line.device(MmioDevice {
            size: 512,
            address: 0xfeb0_0000,
            interrupt: 24,
        });
        line.argument(b"/bin/a b");
        line.argument(b"");
        line.environment(b"KEY", b"a=b c");
        line.terminals(Terminals {
            input: true,
            output: false,
            error: true,
        });
        line.epoch_ns(17);
        line.address(Ipv4Network {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix_length: 24,
        });
        line.gateway(Ipv4Addr::new(10, 0, 2, 2));
        assert_eq!(
            line.as_str(),
            "virtio_mmio.device=512@0xfeb00000:24 anykernel.arg=/bin/a%20b anykernel.arg= \
             anykernel.env=KEY=a=b%20c anykernel.terminal=ie anykernel.epoch=17 \
             anykernel.ip=10.0.2.15/24 anykernel.gateway=10.0.2.2"
        );
    }
}
