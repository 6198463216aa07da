//! Why there is no device, why it cannot be driven, and how it can break its protocol.

use thiserror::Error;

/// Why [`probe`](crate::probe) could not make a device of a register window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ProbeError {
    /// The window is too small, or its magic value is not virtio's.
    #[error("no virtio registers are there")]
    NotVirtio,
    /// The device speaks the legacy interface (virtio 0.9), which this crate does not.
    #[error("the device offers only the legacy virtio interface")]
    Legacy,
    /// The device's interface has an unknown version.
    #[error("virtio-mmio version {0} is unknown")]
    UnknownVersion(u32),
    /// The device is of a class that has no name here.
    #[error("virtio device class {0} is unknown")]
    UnknownClass(u32),
}

/// Why a device cannot be driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum VirtioError {
    /// It is a device of another class.
    #[error("the device is of another class")]
    WrongClass,
    /// It did not come out of reset in time.
    #[error("the device does not finish its reset")]
    ResetTimeout,
    /// It lacks a feature that the driver cannot do without.
    #[error("the device lacks a feature that is needed")]
    FeatureMissing,
    /// It refused the features that were chosen from those it offered.
    #[error("the device refused the features it had offered")]
    FeaturesRefused,
    /// It has not the queue that its class needs.
    #[error("the device lacks a queue")]
    QueueMissing,
    /// The size it gives for a queue is not one that virtio allows.
    #[error("the device gives {0} as the size of a queue")]
    QueueSize(u32),
    /// Its configuration is too short, or never the same for the time of one read.
    #[error("the device's configuration cannot be read")]
    Configuration,
    /// Its configuration holds a value that virtio forbids.
    #[error("the device's configuration is invalid")]
    ConfigurationInvalid,
    /// The memory supplied is less than the driver said it needs.
    #[error("too little memory was supplied for the device")]
    MemoryTooSmall,
}

/// How a device broke its protocol while it ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Violation {
    /// `used.idx` counts more completions than there were requests, or has gone back.
    #[error("used.idx does not follow from what was posted")]
    UsedIndex,
    /// `used.id` names no chain that the device has: it is too large, was never issued, is in the
    /// middle of a chain, or has been given back before.
    #[error("used.id names no chain in flight")]
    UsedId,
    /// `used.len` is more than the chain had room for.
    #[error("used.len is larger than the buffer")]
    UsedLengthLarge,
    /// `used.len` is less than what the device must write: a header, a status, the data of a read.
    #[error("used.len is smaller than what must be written")]
    UsedLengthSmall,
    /// The status of a block request is none that virtio knows, or was not written.
    #[error("a request's status is unknown or was not written")]
    Status,
    /// A request was not finished in the time that its driver allows.
    #[error("a request was not finished in time")]
    Overdue,
    /// The device says itself that it must be reset (DEVICE_NEEDS_RESET).
    #[error("the device asked for a reset")]
    NeedsReset,
}
