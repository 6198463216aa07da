//! What is agreed with a device, and what of it is refused.

use crate::software::VERSION_1;

use super::*;

/// The error with which a device that `spoil` has changed is refused.
fn refused(features: u64, spoil: impl FnOnce(&Device)) -> VirtioError {
    let (device, memory) = device(features);
    spoil(&device);
    let error = try_start(&device, memory).expect_err("a bad device");
    assert!(device.state().status.contains(DeviceStatus::FAILED));
    error
}

fn geometry(features: u64) -> BlockGeometry {
    started(features).1.geometry()
}

#[test]
fn a_driver_moves_between_threads() {
    fn assert_send<V: Send>() {}
    assert_send::<VirtioBlk<crate::MmioDevice, SoftwareLender>>();
}

#[test]
fn the_default_takes_little_memory() {
    let length = Driver::dma_length(&VirtioBlkOptions::default());
    assert_eq!(length, 12 * 1024);
}

#[test]
fn features_are_chosen_from_what_is_offered() {
    const TOPOLOGY: u64 = 1 << 10;
    let (device, driver) = started(FLUSH | DISCARD | RO | TOPOLOGY);
    assert_eq!(device.state().accepted, VERSION_1 | FLUSH | DISCARD | RO);
    assert!(device.state().status.contains(DeviceStatus::DRIVER_OK));
    let expected = BlockGeometry {
        block_size: 512,
        block_count: 64,
        read_only: true,
        discards: true,
    };
    assert_eq!(driver.geometry(), expected);
}

#[test]
fn larger_blocks_are_followed() {
    let (device, memory) = device(BLK_SIZE);
    configure(&device, 20, &4096u32.to_le_bytes());
    let driver = try_start(&device, memory).expect("a good device");
    assert_eq!(driver.geometry().block_size, 4096);
    assert_eq!(driver.geometry().block_count, 8);
}

#[test]
fn a_device_that_can_discard_nothing_cannot_discard() {
    assert!(geometry(DISCARD).discards);
    for offset in [36, 40] {
        let (device, memory) = device(DISCARD);
        configure(&device, offset, &[0; 4]);
        let driver = try_start(&device, memory).expect("a good device");
        assert!(!driver.geometry().discards);
        assert_eq!(device.state().accepted & DISCARD, 0);
    }
}

#[test]
fn an_impossible_capacity_is_refused() {
    for sectors in [0, u64::MAX, 1 << 54] {
        let error = refused(0, |device| configure(device, 0, &sectors.to_le_bytes()));
        assert_eq!(error, VirtioError::ConfigurationInvalid, "{sectors}");
    }
    // Seven sectors and a half of them are no whole blocks.
    let error = refused(BLK_SIZE, |device| {
        configure(device, 0, &65u64.to_le_bytes());
        configure(device, 20, &4096u32.to_le_bytes());
    });
    assert_eq!(error, VirtioError::ConfigurationInvalid);
}

#[test]
fn an_impossible_block_size_is_refused() {
    for size in [0u32, 1, 256, 513, 1 << 17, u32::MAX] {
        let error = refused(BLK_SIZE, |device| {
            configure(device, 20, &size.to_le_bytes())
        });
        assert_eq!(error, VirtioError::ConfigurationInvalid, "{size}");
    }
}

#[test]
fn limits_that_let_nothing_through_are_refused() {
    for (feature, offset) in [(SIZE_MAX, 8), (SEG_MAX, 12)] {
        let error = refused(feature, |device| configure(device, offset, &[0; 4]));
        assert_eq!(error, VirtioError::ConfigurationInvalid);
    }
    let error = refused(SIZE_MAX | SEG_MAX, |device| {
        configure(device, 8, &127u32.to_le_bytes());
    });
    assert_eq!(error, VirtioError::ConfigurationInvalid);
}

#[test]
fn an_impossible_queue_is_refused() {
    for (maximum, error) in [
        (0, VirtioError::QueueMissing),
        (100, VirtioError::QueueSize(100)),
        (65536, VirtioError::QueueSize(65536)),
        // Header, data and status have no room in it.
        (2, VirtioError::QueueSize(2)),
    ] {
        let found = refused(0, |device| device.state().queues[0].maximum = maximum);
        assert_eq!(found, error);
    }
}

#[test]
fn a_device_that_does_not_start_is_given_up() {
    let features = refused(0, |device| device.state().refuses_features = true);
    assert_eq!(features, VirtioError::FeaturesRefused);
    let legacy = refused(0, |device| device.state().offered = FLUSH);
    assert_eq!(legacy, VirtioError::FeatureMissing);
    let unstable = refused(0, |device| device.state().unstable_reads = u32::MAX);
    assert_eq!(unstable, VirtioError::Configuration);
    let short = refused(BLK_SIZE, |device| {
        device.state().configuration.truncate(20);
    });
    assert_eq!(short, VirtioError::Configuration);
    let class = refused_class();
    assert_eq!(class, VirtioError::WrongClass);
}

fn refused_class() -> VirtioError {
    let (device, memory) = device(0);
    device.state().class = DeviceType::Network;
    try_start(&device, memory).expect_err("another class")
}

#[test]
fn a_configuration_that_changes_while_it_is_read_is_read_again() {
    let (device, memory) = device(0);
    device.state().unstable_reads = 5;
    let driver = try_start(&device, memory).expect("a good device");
    assert_eq!(driver.geometry().block_count, 64);
}

#[test]
fn a_capacity_has_64_bits() {
    let (device, memory) = device(0);
    configure(&device, 0, &((1u64 << 54) - 1).to_le_bytes());
    let driver = try_start(&device, memory).expect("a good device");
    assert_eq!(driver.geometry().block_count, (1 << 54) - 1);
}

#[test]
fn a_small_queue_carries_everything_one_by_one() {
    let (device, memory) = device(0);
    device.state().queues[0].maximum = 4;
    let mut driver = try_start(&device, memory).expect("a good device");
    let mut disk = Disk::new(device);
    for first in 0..4 {
        submit(&mut driver, read(first, 1));
    }
    for _ in 0..4 {
        disk.serve();
        assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    }
}
