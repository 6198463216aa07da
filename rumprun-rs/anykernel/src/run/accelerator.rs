//! What executes the machine's code: the processor itself, or QEMU's translator.

use std::fs::OpenOptions;
use std::io;

use clap::ValueEnum;
use serde::Deserialize;
use thiserror::Error;

/// What `--accel` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// KVM where it works
    #[default]
    Auto,
    /// The processor's own virtualisation
    Kvm,
    /// QEMU's translator, which works everywhere
    Tcg,
}

/// What a machine runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    /// KVM, with the host's processor as it is.
    Kvm,
    /// KVM without one feature whose register some hosts that are guests themselves refuse to
    /// set (MSR 0x10a, IA32_ARCH_CAPABILITIES); plain `host` does not start there.
    KvmWithoutCapabilities,
    /// QEMU's translator.
    Tcg,
}

/// KVM was asked for and cannot be had.
#[derive(Debug, Error)]
pub enum NoKvm {
    /// The processor lacks it, or whoever runs this machine keeps it back.
    #[error("--accel kvm: /proc/cpuinfo shows neither vmx nor svm; use --accel tcg")]
    NotInProcessor,
    /// The kernel's interface cannot be opened.
    #[error("--accel kvm: /dev/kvm: {0}; use --accel tcg")]
    Device(io::Error),
}

impl Accelerator {
    /// Chooses as the user wishes.
    pub fn choose(wish: Wish) -> Result<Self, NoKvm> {
        match wish {
            Wish::Tcg => Ok(Self::Tcg),
            Wish::Kvm => find_kvm().map(|()| Self::Kvm),
            Wish::Auto => Ok(find_kvm().map_or(Self::Tcg, |()| Self::Kvm)),
        }
    }

    /// What to try next when the machine did not start and QEMU said `messages`.
    pub fn after_failure(self, messages: &str) -> Option<Self> {
        let is_refused_register = messages.contains("MSR 0x10a");
        (self == Self::Kvm && is_refused_register).then_some(Self::KvmWithoutCapabilities)
    }
}

/// Whether KVM works. The device alone says nothing: it is there on machines whose processor
/// does not show the extension, and then every start fails.
fn find_kvm() -> Result<(), NoKvm> {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !shows_virtualisation(&processors) {
        return Err(NoKvm::NotInProcessor);
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map(drop)
        .map_err(NoKvm::Device)
}

/// Whether the flags in `/proc/cpuinfo` name the extension of Intel or that of AMD.
fn shows_virtualisation(processors: &str) -> bool {
    processors
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| {
            line.split_ascii_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_flags_count() {
        assert!(shows_virtualisation(
            "processor\t: 0\nflags\t\t: fpu vmx sse\n"
        ));
        assert!(shows_virtualisation("flags\t\t: fpu svm\n"));
        assert!(!shows_virtualisation(
            "vmx flags\t: ept\nflags\t\t: fpu vmx_no\n"
        ));
        assert!(!shows_virtualisation("model name\t: svm\n"));
    }

    #[test]
    fn one_failure_has_a_way_out() {
        let refused = "qemu: error: failed to set MSR 0x10a to 0x0";
        let next = Accelerator::Kvm.after_failure(refused);
        assert_eq!(next, Some(Accelerator::KvmWithoutCapabilities));
        assert_eq!(
            Accelerator::KvmWithoutCapabilities.after_failure(refused),
            None
        );
        assert_eq!(Accelerator::Tcg.after_failure(refused), None);
        assert_eq!(Accelerator::Kvm.after_failure("no memory"), None);
    }
}
