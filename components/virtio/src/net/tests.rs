//! The driver against a software device: traffic, and what a misbehaving device cannot do.

use alloc::collections::VecDeque;
use alloc::vec;

use hypercall::ChecksumRequest;
use proptest::prelude::*;
use virtio_drivers::transport::DeviceStatus;

use crate::software::{Chain, Device, EVENT_IDX, SoftwareTransport, VERSION_1};

use super::*;

const CSUM: u64 = 1;
const GUEST_CSUM: u64 = 1 << 1;
const MTU: u64 = 1 << 3;
const MAC: u64 = 1 << 5;
const HOST_TSO4: u64 = 1 << 11;
const MRG_RXBUF: u64 = 1 << 15;
const STATUS: u64 = 1 << 16;

const RX: usize = 0;
const TX: usize = 1;
const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

type Driver = VirtioNet<SoftwareTransport>;

fn device(features: u64) -> (Device, DmaRegion) {
    device_for(features, &VirtioNetOptions::default())
}

fn device_for(features: u64, options: &VirtioNetOptions) -> (Device, DmaRegion) {
    let length = Driver::dma_length(options);
    let (device, memory) = Device::new(DeviceType::Network, features | MAC, length);
    device.state().configuration[..6].copy_from_slice(&ADDRESS);
    (device, memory)
}

fn try_start(device: &Device, memory: DmaRegion) -> Result<Driver, VirtioError> {
    let interrupt = device.state().interrupt.clone();
    VirtioNet::new(
        device.transport(),
        memory,
        interrupt,
        &VirtioNetOptions::default(),
    )
}

fn started(features: u64) -> (Device, Driver) {
    let (device, memory) = device(features);
    let driver = try_start(&device, memory).expect("a good device");
    (device, driver)
}

/// The error with which a device that `spoil` has changed is refused.
fn refused(features: u64, spoil: impl FnOnce(&Device)) -> VirtioError {
    let (device, memory) = device(features);
    spoil(&device);
    try_start(&device, memory).expect_err("a bad device")
}

/// Has the device deliver a frame behind `header_flags`.
fn deliver(device: &Device, header_flags: u8, frame: &[u8]) {
    let chain = device.next_chain(RX).expect("a receive buffer");
    let mut bytes = vec![0; HEADER_LENGTH];
    bytes[0] = header_flags;
    bytes.extend_from_slice(frame);
    device.write(&chain, &bytes);
    device.complete(RX, chain.head.into(), bytes.len() as u32);
}

fn receive(driver: &mut Driver) -> Option<Vec<u8>> {
    let frame = driver.received()?.bytes.to_vec();
    driver.release();
    Some(frame)
}

fn send(driver: &mut Driver, frame: &[u8]) -> bool {
    let Some(buffer) = driver.reserve(frame.len()) else {
        return false;
    };
    buffer.copy_from_slice(frame);
    driver.commit(frame.len(), FrameMeta::default());
    true
}

/// Takes one frame on its way out, without its header.
fn take_sent(device: &Device) -> Option<Vec<u8>> {
    let chain = device.next_chain(TX)?;
    let bytes = device.read(&chain);
    device.complete(TX, chain.head.into(), 0);
    Some(bytes[HEADER_LENGTH..].to_vec())
}

fn frame(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number * 31 + at) as u8).collect()
}

/// That the device was failed for `violation`, stays so, and can do no harm any more.
fn assert_failed(device: &Device, mut driver: Driver, violation: Violation) {
    assert!(driver.received().is_none());
    assert_eq!(driver.violation(), Some(violation));
    assert_eq!(driver.link(), LinkState::Failed);
    assert!(device.state().status.is_empty(), "the device was reset");
    driver.release();
    assert!(driver.reserve(60).is_none());
    driver.commit(60, FrameMeta::default());
    driver.flush();
    device.interrupt_for_configuration();
    assert_eq!(driver.link(), LinkState::Failed);
}

mod start {
    use super::*;

    #[test]
    fn a_driver_moves_between_threads() {
        fn assert_send<V: Send>() {}
        assert_send::<VirtioNet<crate::MmioDevice>>();
    }

    #[test]
    fn features_are_chosen_from_what_is_offered() {
        let (device, driver) = started(CSUM | GUEST_CSUM | HOST_TSO4 | MRG_RXBUF | STATUS);
        let accepted = device.state().accepted;
        assert_eq!(accepted, VERSION_1 | MAC | CSUM | GUEST_CSUM | STATUS);
        assert_eq!(driver.capabilities().offloads, Offloads::TRANSMIT_CHECKSUM);
        assert_eq!(driver.capabilities().mac, ADDRESS);
        assert_eq!(driver.capabilities().mtu, 1500);
        assert_eq!(driver.capabilities().max_frame, 1514);
        assert!(device.state().status.contains(DeviceStatus::DRIVER_OK));
    }

    #[test]
    fn segmentation_is_used_when_configured() {
        let options = VirtioNetOptions {
            segmentation: true,
            ..VirtioNetOptions::default()
        };
        let (device, memory) = device_for(CSUM | HOST_TSO4, &options);
        let interrupt = device.state().interrupt.clone();
        let mut driver =
            VirtioNet::new(device.transport(), memory, interrupt, &options).expect("good");
        assert!(
            driver
                .capabilities()
                .offloads
                .contains(Offloads::TRANSMIT_TCP4)
        );
        assert_eq!(driver.capabilities().max_frame, 65549);
        let meta = FrameMeta {
            checksum: Some(ChecksumRequest {
                start: 34,
                offset: 16,
            }),
            segment_size: Some(1460),
        };
        driver.reserve(60_000).expect("a buffer").fill(0x50);
        driver.commit(60_000, meta);
        driver.flush();
        let sent = device.read(&device.next_chain(TX).expect("a frame"));
        assert_eq!(sent.len(), HEADER_LENGTH + 60_000);
        assert_eq!(
            sent[..HEADER_LENGTH],
            [1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 0, 0]
        );
    }

    #[test]
    fn the_default_takes_little_memory() {
        assert_eq!(Driver::dma_length(&VirtioNetOptions::default()), 104 * 1024);
    }

    #[test]
    fn too_little_memory_is_refused() {
        let (device, memory) = device(0);
        let (front, _) = memory
            .split_at(25 * hypercall::PAGE_SIZE)
            .expect("so many pages");
        assert_eq!(
            try_start(&device, front).expect_err("short"),
            VirtioError::MemoryTooSmall
        );
        assert!(device.state().status.contains(DeviceStatus::FAILED));
    }

    #[test]
    fn a_smaller_queue_is_used() {
        let (device, memory) = device(0);
        device.state().queues[TX].maximum = 4;
        let mut driver = try_start(&device, memory).expect("a good device");
        let sent = (0..40)
            .take_while(|&number| send(&mut driver, &frame(number, 60)))
            .count();
        assert_eq!(sent, 4);
    }

    #[test]
    fn a_smaller_mtu_is_followed_and_a_larger_one_declined() {
        for (offered, followed) in [(1280u16, true), (1500, true), (9000, false)] {
            let (device, memory) = device(MTU);
            device.state().configuration[10..12].copy_from_slice(&offered.to_le_bytes());
            let driver = try_start(&device, memory).expect("a good device");
            assert_eq!(
                driver.capabilities().mtu,
                if followed { offered.into() } else { 1500 }
            );
            assert_eq!(device.state().accepted & MTU != 0, followed);
        }
    }

    #[test]
    fn another_class_is_refused() {
        let error = refused(0, |device| device.state().class = DeviceType::Block);
        assert_eq!(error, VirtioError::WrongClass);
    }

    #[test]
    fn a_device_of_before_version_1_is_refused() {
        let error = refused(0, |device| device.state().offered = MAC);
        assert_eq!(error, VirtioError::FeatureMissing);
    }

    #[test]
    fn a_device_without_an_address_is_refused() {
        let error = refused(0, |device| device.state().offered &= !MAC);
        assert_eq!(error, VirtioError::FeatureMissing);
    }

    #[test]
    fn features_ok_refused() {
        let error = refused(0, |device| device.state().refuses_features = true);
        assert_eq!(error, VirtioError::FeaturesRefused);
    }

    #[test]
    fn a_reset_that_never_ends() {
        let error = refused(0, |device| device.state().refuses_reset = true);
        assert_eq!(error, VirtioError::ResetTimeout);
    }

    #[test]
    fn queue_size_zero() {
        let error = refused(0, |device| device.state().queues[TX].maximum = 0);
        assert_eq!(error, VirtioError::QueueMissing);
    }

    #[test]
    fn queue_size_not_a_power_of_two() {
        let error = refused(0, |device| device.state().queues[RX].maximum = 100);
        assert_eq!(error, VirtioError::QueueSize(100));
    }

    #[test]
    fn queue_size_above_what_virtio_allows() {
        let error = refused(0, |device| device.state().queues[RX].maximum = 1 << 16);
        assert_eq!(error, VirtioError::QueueSize(1 << 16));
    }

    #[test]
    fn configuration_changing_during_a_read() {
        let (device, memory) = device(0);
        device.state().unstable_reads = 3;
        try_start(&device, memory).expect("it settles");
        let error = refused(0, |device| device.state().unstable_reads = u32::MAX);
        assert_eq!(error, VirtioError::Configuration);
    }

    #[test]
    fn configuration_too_short() {
        let error = refused(0, |device| device.state().configuration.truncate(5));
        assert_eq!(error, VirtioError::Configuration);
    }

    #[test]
    fn configuration_with_forbidden_values() {
        let error = refused(0, |device| device.state().configuration[0] |= 1);
        assert_eq!(error, VirtioError::ConfigurationInvalid);
        let error = refused(MTU, |_| {});
        assert_eq!(error, VirtioError::ConfigurationInvalid);
    }
}

mod traffic {
    use super::*;

    #[test]
    fn a_frame_is_the_same_until_it_is_released() {
        let (device, mut driver) = started(0);
        deliver(&device, 0, &frame(1, 60));
        deliver(&device, 0, &frame(2, 1514));
        driver.received().expect("a frame").bytes[0] = 77;
        assert_eq!(driver.received().expect("a frame").bytes[0], 77);
        driver.release();
        assert_eq!(receive(&mut driver), Some(frame(2, 1514)));
        driver.release();
        assert_eq!(receive(&mut driver), None);
    }

    #[test]
    fn a_vouched_checksum_needs_the_feature() {
        for (feature, flags, good) in [
            (GUEST_CSUM, 1, true),
            (GUEST_CSUM, 2, true),
            (GUEST_CSUM, 0, false),
            (0, 1, false),
        ] {
            let (device, mut driver) = started(feature);
            deliver(&device, flags, &frame(1, 60));
            assert_eq!(driver.received().expect("a frame").checksum_good, good);
        }
    }

    #[test]
    fn a_runt_does_not_fail_the_device() {
        let (device, mut driver) = started(0);
        deliver(&device, 0, &[]);
        deliver(&device, 0, &frame(1, 13));
        assert_eq!(receive(&mut driver), Some(Vec::new()));
        assert_eq!(receive(&mut driver), Some(frame(1, 13)));
        assert_eq!(driver.link(), LinkState::Up);
    }

    #[test]
    fn a_reserved_buffer_stays_until_it_is_committed() {
        let (device, mut driver) = started(0);
        driver.reserve(100).expect("a buffer")[99] = 42;
        assert_eq!(driver.reserve(100).expect("a buffer")[99], 42);
        assert!(driver.reserve(1515).is_none());
        driver.commit(101, FrameMeta::default());
        let checksum = FrameMeta {
            checksum: Some(ChecksumRequest {
                start: 34,
                offset: 16,
            }),
            segment_size: None,
        };
        driver.commit(100, checksum);
        driver.flush();
        assert!(
            device.next_chain(TX).is_none(),
            "neither was a valid request"
        );
        driver.commit(100, FrameMeta::default());
        assert_eq!(take_sent(&device).expect("a frame")[99], 42);
        driver.commit(100, FrameMeta::default());
        assert!(take_sent(&device).is_none());
    }

    #[test]
    fn the_device_is_told_once_a_batch() {
        for features in [0, EVENT_IDX] {
            let (device, mut driver) = started(features);
            let before = device.state().queues[TX].notifications;
            for number in 0..5 {
                assert!(send(&mut driver, &frame(number, 60)));
            }
            assert_eq!(device.state().queues[TX].notifications, before);
            driver.flush();
            driver.flush();
            assert_eq!(device.state().queues[TX].notifications, before + 1);
        }
    }

    #[test]
    fn a_device_that_is_awake_is_not_told() {
        let (device, mut driver) = started(EVENT_IDX);
        assert!(send(&mut driver, &frame(0, 60)));
        driver.flush();
        let told = device.state().queues[TX].notifications;
        // The device has not looked since, so it has not asked to be told of more.
        assert!(send(&mut driver, &frame(1, 60)));
        driver.flush();
        assert_eq!(device.state().queues[TX].notifications, told);
    }

    #[test]
    fn none_arms_the_receive_interrupt() {
        for features in [0, EVENT_IDX] {
            let (device, mut driver) = started(features);
            deliver(&device, 0, &frame(1, 60));
            assert!(!device.interrupted(), "nobody has asked");
            assert!(receive(&mut driver).is_some());
            assert!(receive(&mut driver).is_none());
            deliver(&device, 0, &frame(2, 60));
            assert!(device.interrupted());
            assert!(receive(&mut driver).is_some());
            deliver(&device, 0, &frame(3, 60));
            assert!(!device.interrupted(), "the driver is awake");
        }
    }

    #[test]
    fn a_sent_frame_interrupts_only_when_somebody_waits() {
        for features in [0, EVENT_IDX] {
            let (device, mut driver) = started(features);
            let accepted = (0..).take_while(|&number| send(&mut driver, &frame(number, 60)));
            assert_eq!(accepted.count(), 32);
            driver.flush();
            assert!(take_sent(&device).is_some());
            assert!(device.interrupted(), "reserve has returned None");
            for number in 0..8 {
                assert!(send(&mut driver, &frame(number, 60)));
                assert!(take_sent(&device).is_some());
                assert!(!device.interrupted());
            }
        }
    }

    #[test]
    fn the_link_follows_the_configuration() {
        let (device, memory) = device(STATUS);
        device.state().configuration[6] = 1;
        let mut driver = try_start(&device, memory).expect("a good device");
        assert_eq!(driver.link(), LinkState::Up);
        device.state().configuration[6] = 0;
        device.interrupt_for_configuration();
        assert_eq!(driver.link(), LinkState::Down);
    }

    #[test]
    fn spurious_interrupts() {
        let (device, mut driver) = started(0);
        for _ in 0..3 {
            device.state().interrupt.raise();
            assert!(receive(&mut driver).is_none());
            assert_eq!(driver.link(), LinkState::Up);
        }
    }

    #[test]
    fn descriptors_rewritten_after_submission() {
        let (device, mut driver) = started(0);
        let chains: Vec<Chain> = core::iter::from_fn(|| device.next_chain(RX)).collect();
        assert!(send(&mut driver, &frame(9, 60)));
        let sent = device.next_chain(TX).expect("a frame");
        device.scribble_descriptors(RX);
        device.scribble_descriptors(TX);
        for (number, chain) in chains.iter().enumerate().rev() {
            let mut bytes = vec![0; HEADER_LENGTH];
            bytes.extend(frame(number, 1514));
            device.write(chain, &bytes);
            device.complete(RX, chain.head.into(), bytes.len() as u32);
        }
        device.complete(TX, sent.head.into(), 0);
        for number in (0..chains.len()).rev() {
            assert_eq!(receive(&mut driver), Some(frame(number, 1514)));
        }
        // What is posted anew is right again, and nothing was lost.
        deliver(&device, 0, &frame(3, 60));
        assert_eq!(receive(&mut driver), Some(frame(3, 60)));
        let accepted = (0..).take_while(|&number| send(&mut driver, &frame(number, 60)));
        assert_eq!(accepted.count(), 32);
    }

    proptest! {
        /// Frames in random batches both ways, with a device that returns buffers in any order and
        /// sleeps unless told, arrive whole, once and in order, and no wakeup is lost.
        #[test]
        fn random_batches(
            event_index in any::<bool>(),
            steps in proptest::collection::vec((0..5u8, 1..40usize, 14..1515usize), 1..120),
        ) {
            let (device, mut driver) = started(if event_index { EVENT_IDX } else { 0 });
            let (mut inbound, mut outbound) = (VecDeque::new(), VecDeque::new());
            let mut told = 0;
            let mut asleep = false;
            for (number, (step, count, length)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => for _ in 0..count {
                        let Some(chain) = device.next_chain(RX) else { break };
                        let mut bytes = vec![0; HEADER_LENGTH];
                        bytes.extend(frame(number, length));
                        device.write(&chain, &bytes);
                        device.complete(RX, chain.head.into(), bytes.len() as u32);
                        inbound.push_back(frame(number, length));
                        prop_assert!(!asleep || device.interrupted(), "a lost wakeup");
                        asleep = false;
                    },
                    2 => for _ in 0..count {
                        let received = receive(&mut driver);
                        prop_assert_eq!(&received, &inbound.pop_front());
                        asleep = received.is_none();
                    },
                    3 => {
                        for _ in 0..count {
                            if !send(&mut driver, &frame(number, length)) { break }
                            outbound.push_back(frame(number, length));
                        }
                        driver.flush();
                    }
                    _ => {
                        let notifications = device.state().queues[TX].notifications;
                        if notifications == told { continue }
                        told = notifications;
                        while let Some(sent) = take_sent(&device) {
                            prop_assert_eq!(Some(sent), outbound.pop_front());
                        }
                        prop_assert!(outbound.is_empty());
                    }
                }
            }
            prop_assert_eq!(driver.violation(), None);
            let notifications = device.state().queues[TX].notifications;
            prop_assert!(outbound.is_empty() || notifications != told, "the device sleeps on frames");
        }
    }
}

mod contract {
    use std::string::String;
    use std::time::Duration;

    use hypercall::contract::frame_device::{FrameFixture, cases};
    use hypercall::contract::run_and_write;

    use super::*;

    /// The driver, and a device that returns every frame.
    struct Echo {
        device: Device,
        driver: Driver,
        under_way: VecDeque<Vec<u8>>,
        told: usize,
    }

    impl Echo {
        /// Takes what was sent if the driver has told the device of it, and returns what there are
        /// buffers for.
        fn turn(&mut self) {
            let notifications = self.device.state().queues[TX].notifications;
            if notifications != self.told {
                self.told = notifications;
                self.under_way
                    .extend(core::iter::from_fn(|| take_sent(&self.device)));
            }
            while !self.under_way.is_empty() {
                let Some(chain) = self.device.next_chain(RX) else {
                    return;
                };
                let frame = self.under_way.pop_front().expect("one is there");
                let (addresses, rest) = frame.split_at(12);
                let (destination, source) = addresses.split_at(6);
                let bytes = [&[0; HEADER_LENGTH], source, destination, rest].concat();
                self.device.write(&chain, &bytes);
                self.device
                    .complete(RX, chain.head.into(), bytes.len() as u32);
            }
        }
    }

    impl FrameFixture for Echo {
        type Device = Driver;

        fn device(&mut self) -> &mut Driver {
            &mut self.driver
        }

        /// Only an interrupt ends it early.
        fn wait(&mut self, limit: Duration) -> Duration {
            self.turn();
            if self.device.interrupted() {
                Duration::ZERO
            } else {
                limit
            }
        }
    }

    #[test]
    fn the_contract_of_frame_devices_holds() {
        for features in [0, EVENT_IDX] {
            let (device, driver) = started(features);
            let mut fixture = Echo {
                device,
                driver,
                under_way: VecDeque::new(),
                told: 0,
            };
            let mut report = String::new();
            let summary = run_and_write("virtio-net", &cases(), &mut fixture, &mut report);
            let summary = summary.expect("strings grow");
            assert_eq!((summary.violated, summary.not_tried), (0, 0), "{report}");
        }
    }
}

mod misbehaviour {
    use super::*;

    #[test]
    fn used_id_of_a_frame_that_the_caller_reads() {
        let (device, mut driver) = started(0);
        let chain = device.next_chain(RX).expect("a buffer");
        let other = device.next_chain(RX).expect("a buffer");
        device.write(&chain, &[7; 72]);
        device.complete(RX, chain.head.into(), 72);
        assert_eq!(driver.received().expect("a frame").bytes, [7; 60]);
        // The lent buffer is not given out a second time, whatever the device says.
        device.complete(RX, chain.head.into(), 1000);
        assert_eq!(driver.received().expect("a frame").bytes, [7; 60]);
        device.complete(RX, other.head.into(), 72);
        assert_eq!(driver.received().expect("a frame").bytes, [7; 60]);
        assert_eq!(driver.violation(), None);
    }

    #[test]
    fn used_index_ahead_of_its_elements() {
        let (device, driver) = started(0);
        // Within what is in flight, so plausible; but the same empty element again and again.
        device.advance_used_index(RX, 2);
        assert_failed(&device, driver, Violation::UsedLengthSmall);
    }

    proptest! {
        /// Whatever a device writes into the used ring, the driver neither panics nor leaves its
        /// memory, and a failure is for good.
        #[test]
        fn random_completions(
            event_index in any::<bool>(),
            steps in proptest::collection::vec(
                (0..9u8, 0..2usize, prop_oneof![0..40u32, any::<u32>()], prop_oneof![0..2000u32, any::<u32>()]),
                1..60,
            ),
        ) {
            let (device, mut driver) = started(if event_index { EVENT_IDX } else { 0 });
            for (step, queue, id, length) in steps {
                let failed = driver.violation();
                match step {
                    0 if failed.is_none() => device.complete(queue, id, length),
                    1 if failed.is_none() => device.advance_used_index(queue, id as u16),
                    2 if id == 7 => {
                        device.state().status |= DeviceStatus::DEVICE_NEEDS_RESET;
                        device.interrupt_for_configuration();
                    }
                    2..4 => drop(receive(&mut driver)),
                    _ => drop(send(&mut driver, &frame(0, 60))),
                }
                driver.flush();
                let link = driver.link();
                prop_assert!(failed.is_none() || driver.violation() == failed);
                prop_assert_eq!(driver.violation().is_some(), link == LinkState::Failed);
            }
        }
    }
}
