//! How a software device can misbehave, and when.

/// A known way in which devices misbehave, found in other drivers' reports and in what virtio
/// leaves to a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Misbehaviour {
    /// `used.id` is the queue's size.
    UsedIdAtQueueSize,
    /// `used.id` is beyond 16 bits; cut to 16 it would be right.
    UsedIdBeyondQueueSize,
    /// `used.id` is a descriptor that heads no chain in flight.
    UsedIdNeverIssued,
    /// A chain comes back twice.
    UsedIdReplayed,
    /// `used.id` is the second descriptor of a chain.
    UsedIdInMidChain,
    /// `used.len` is one more than the chain has room for.
    UsedLengthLargerThanBuffer,
    /// `used.len` is less than the header that the device must write.
    UsedLengthSmallerThanHeader,
    /// All descriptors are overwritten after the driver has submitted them.
    DescriptorsRewritten,
    /// All descriptors come to name the descriptor table itself, for a driver that believes the
    /// address it reads back to free.
    ForgedAddress,
    /// `used.idx` goes ahead of all that was posted.
    UsedIndexJumping,
    /// `used.idx` goes back by one.
    UsedIndexGoingBack,
    /// The device gives 0 as its queues' size.
    QueueSizeZero,
    /// The device gives 100 as its queues' size.
    QueueSizeNotPowerOfTwo,
    /// The disk has no sector.
    CapacityZero,
    /// The disk has 2^64 - 1 sectors, more than can be counted in bytes.
    CapacityHuge,
    /// The configuration is another one at each read of a field.
    ConfigurationChanging,
    /// The device does not take FEATURES_OK.
    FeaturesOkRefused,
    /// The chain is not given back.
    RequestNeverCompleted,
    /// The device interrupts although nothing has happened.
    SpuriousInterrupts,
    /// The device asks for a reset (DEVICE_NEEDS_RESET).
    NeedsReset,
    /// The request is given back without its status.
    BlockStatusUnwritten,
    /// The status is 3: virtio knows 0 to 2.
    BlockStatusAboveTwo,
    /// The device does not come out of reset.
    ResetNeverFinished,
}

impl Misbehaviour {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::UsedIdAtQueueSize,
        Self::UsedIdBeyondQueueSize,
        Self::UsedIdNeverIssued,
        Self::UsedIdReplayed,
        Self::UsedIdInMidChain,
        Self::UsedLengthLargerThanBuffer,
        Self::UsedLengthSmallerThanHeader,
        Self::DescriptorsRewritten,
        Self::ForgedAddress,
        Self::UsedIndexJumping,
        Self::UsedIndexGoingBack,
        Self::QueueSizeZero,
        Self::QueueSizeNotPowerOfTwo,
        Self::CapacityZero,
        Self::CapacityHuge,
        Self::ConfigurationChanging,
        Self::FeaturesOkRefused,
        Self::RequestNeverCompleted,
        Self::SpuriousInterrupts,
        Self::NeedsReset,
        Self::BlockStatusUnwritten,
        Self::BlockStatusAboveTwo,
        Self::ResetNeverFinished,
    ];
}

/// When a device is to misbehave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// From now on.
    Now,
    /// In place of completion `number` of a queue, counted from 0 since its set-up.
    Completion {
        /// The queue.
        queue: u16,
        /// Which.
        number: u64,
    },
}
