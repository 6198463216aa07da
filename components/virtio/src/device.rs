//! What all devices have in common: the way from reset to running, and reading configuration.
//!
//! The order is that of virtio 1.2, 3.1.1: [`reset`], [`offered`], a look at the configuration,
//! [`accept`], the queues, [`start`].

use bitflags::bitflags;
use hypercall::Interrupt;
use virtio_drivers::transport::{DeviceStatus, InterruptStatus, Transport};
use zerocopy::{FromBytes, IntoBytes};

use crate::{Violation, VirtioError};

/// How often a device is asked whether its reset is finished before it is given up. Each question
/// leaves a virtual machine, which takes a microsecond or so.
const RESET_POLLS: usize = 100_000;
/// How often a configuration is read anew because it changed meanwhile.
const CONFIGURATION_READS: usize = 16;

bitflags! {
    /// Features that do not depend on the device's class (virtio 1.2, chapter 6).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct CommonFeatures: u64 {
        /// Each side names the index at which it wants to be told.
        const EVENT_IDX = 1 << 29;
        /// The interface is that of virtio 1.0 or later.
        const VERSION_1 = 1 << 32;
        /// The device reaches memory as the platform's own devices do. The addresses are the
        /// platform's in either case, so accepting it costs nothing.
        const ACCESS_PLATFORM = 1 << 33;
    }
}

/// Resets the device. Once it says so, it does not touch memory any more (virtio 1.2, 2.4).
pub(crate) fn reset<T: Transport>(transport: &mut T) -> Result<(), VirtioError> {
    transport.set_status(DeviceStatus::empty());
    for _ in 0..RESET_POLLS {
        if transport.get_status().is_empty() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(VirtioError::ResetTimeout)
}

/// Resets the device, says that there is a driver, and returns the features it offers.
pub(crate) fn offered<T: Transport>(transport: &mut T) -> Result<u64, VirtioError> {
    reset(transport)?;
    transport.set_status(DeviceStatus::ACKNOWLEDGE);
    transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
    let offered = transport.read_device_features();
    if offered & CommonFeatures::VERSION_1.bits() == 0 {
        return Err(VirtioError::FeatureMissing);
    }
    Ok(offered)
}

/// Accepts `features`, which were offered.
pub(crate) fn accept<T: Transport>(transport: &mut T, features: u64) -> Result<(), VirtioError> {
    transport.write_driver_features(features);
    transport
        .set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
    if transport.get_status().contains(DeviceStatus::FEATURES_OK) {
        Ok(())
    } else {
        Err(VirtioError::FeaturesRefused)
    }
}

/// Lets the device run.
pub(crate) fn start<T: Transport>(transport: &mut T) {
    transport.set_status(
        DeviceStatus::ACKNOWLEDGE
            | DeviceStatus::DRIVER
            | DeviceStatus::FEATURES_OK
            | DeviceStatus::DRIVER_OK,
    );
}

/// Takes the interrupt, if there was one, so that the next can come. Says whether the device's
/// configuration has changed.
pub(crate) fn acknowledge<T: Transport>(
    transport: &mut T,
    interrupt: &Interrupt,
) -> Result<bool, Violation> {
    if !interrupt.take() {
        return Ok(false);
    }
    let reason = transport.ack_interrupt();
    if !reason.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT) {
        return Ok(false);
    }
    if transport
        .get_status()
        .contains(DeviceStatus::DEVICE_NEEDS_RESET)
    {
        return Err(Violation::NeedsReset);
    }
    Ok(true)
}

/// Gives a device up that could not be started.
pub(crate) fn abandon<T: Transport>(transport: &mut T) {
    transport.set_status(DeviceStatus::FAILED);
}

/// The value at `offset` of the device's configuration, all of it from the same moment.
pub(crate) fn read_configuration<V: FromBytes + IntoBytes, T: Transport>(
    transport: &T,
    offset: usize,
) -> Result<V, VirtioError> {
    consistently(transport, || transport.read_config_space(offset))
}

/// The little-endian number of 64 bits at `offset` of the device's configuration, all of it from
/// the same moment. It is read in two halves, as virtio wants it (virtio 1.2, 2.5.1).
pub(crate) fn read_configuration_u64<T: Transport>(
    transport: &T,
    offset: usize,
) -> Result<u64, VirtioError> {
    let half = |offset| transport.read_config_space(offset).map(u32::from_le);
    consistently(transport, || {
        Ok(u64::from(half(offset)?) | u64::from(half(offset + 4)?) << 32)
    })
}

/// Reads until the configuration has not changed meanwhile (virtio 1.2, 2.5.1).
fn consistently<V, T: Transport>(
    transport: &T,
    read: impl Fn() -> virtio_drivers::Result<V>,
) -> Result<V, VirtioError> {
    for _ in 0..CONFIGURATION_READS {
        let before = transport.read_config_generation();
        let value = read();
        if transport.read_config_generation() == before {
            return value.map_err(|_| VirtioError::Configuration);
        }
    }
    Err(VirtioError::Configuration)
}
