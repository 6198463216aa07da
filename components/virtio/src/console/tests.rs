//! The driver against a software device: ports that come and go, bytes, and misbehaviour.

use alloc::vec;
use virtio_drivers::transport::DeviceStatus;

use crate::software::{Device, SoftwareTransport};

use super::*;

const MULTIPORT: u64 = 1 << 1;
const PORTS: ConsolePorts = ConsolePorts {
    input: 1,
    output: 2,
    error: 3,
};
const INPUT: usize = 4;
const OUTPUT: usize = 7;
const ERROR: usize = 9;

type Driver = VirtioConsole<SoftwareTransport>;

fn try_start(features: u64, most_ports: u32) -> (Device, Result<Driver, VirtioError>) {
    let (device, memory) = Device::new(DeviceType::Console, features, Driver::dma_length());
    device.state().configuration[4..8].copy_from_slice(&most_ports.to_le_bytes());
    let interrupt = device.state().interrupt.clone();
    let driver = VirtioConsole::new(device.transport(), memory, interrupt, PORTS);
    (device, driver)
}

fn started() -> (Device, Driver) {
    let (device, driver) = try_start(MULTIPORT, 4);
    (device, driver.expect("a good device"))
}

/// With somebody at each port's other end.
fn opened() -> (Device, Driver) {
    let (device, mut driver) = started();
    for port in 1..=3 {
        tell(&device, port, 1, 1);
        tell(&device, port, 6, 1);
    }
    assert_eq!(driver.read(&mut [0; 8]), Ok(Input::Pending));
    while take(&device, CONTROL_TRANSMIT.into()).is_some() {}
    (device, driver)
}

/// Has the device send a control message.
fn tell(device: &Device, port: u8, event: u8, value: u8) {
    deliver(
        device,
        CONTROL_RECEIVE.into(),
        &[port, 0, 0, 0, event, 0, value, 0],
    );
}

fn deliver(device: &Device, queue: usize, bytes: &[u8]) {
    let chain = device.next_chain(queue).expect("a receive buffer");
    device.write(&chain, bytes);
    device.complete(queue, chain.head.into(), bytes.len() as u32);
}

/// Takes what the driver sent next on `queue`.
fn take(device: &Device, queue: usize) -> Option<Vec<u8>> {
    let chain = device.next_chain(queue)?;
    let bytes = device.read(&chain);
    device.complete(queue, chain.head.into(), 0);
    Some(bytes)
}

fn assert_failed(device: &Device, driver: &mut Driver, violation: Violation) {
    assert_eq!(driver.read(&mut [0; 8]), Err(ConsoleError::Failed));
    assert_eq!(driver.violation(), Some(violation));
    assert!(device.state().status.is_empty(), "the device was reset");
    let written = driver.write(Stream::Output, b"x");
    assert_eq!(written, Err(ConsoleError::Failed));
    assert!(driver.is_drained(), "what is lost is not waited for");
}

#[test]
fn the_driver_says_that_it_is_there_and_answers_for_its_ports() {
    let (device, mut driver) = started();
    assert_eq!(
        take(&device, CONTROL_TRANSMIT.into()).expect("a message"),
        control::device_ready()
    );
    // A port of somebody else, and one of ours.
    tell(&device, 9, 1, 1);
    tell(&device, 2, 1, 1);
    assert_eq!(
        driver.write(Stream::Output, b"x"),
        Err(ConsoleError::Closed)
    );
    let [ready, open] = control::port_answers(2);
    assert_eq!(take(&device, CONTROL_TRANSMIT.into()).expect("one"), ready);
    assert_eq!(take(&device, CONTROL_TRANSMIT.into()).expect("two"), open);
    assert_eq!(take(&device, CONTROL_TRANSMIT.into()), None);
}

#[test]
fn each_stream_has_its_port() {
    let (device, mut driver) = opened();
    assert_eq!(driver.write(Stream::Output, b"out"), Ok(3));
    assert_eq!(driver.write(Stream::Error, b"error"), Ok(5));
    assert_eq!(driver.write(Stream::Input, b"x"), Err(ConsoleError::Closed));
    assert_eq!(take(&device, OUTPUT).expect("sent"), b"out");
    assert_eq!(take(&device, ERROR).expect("sent"), b"error");
}

#[test]
fn a_full_queue_takes_nothing_until_the_device_has_read() {
    let (device, mut driver) = opened();
    let bytes = vec![7; 5000];
    for _ in 0..4 {
        assert_eq!(driver.write(Stream::Output, &bytes), Ok(4096));
    }
    assert_eq!(driver.write(Stream::Output, &bytes), Ok(0));
    assert!(!driver.is_drained());
    assert_eq!(take(&device, OUTPUT).expect("sent").len(), 4096);
    assert!(device.interrupted(), "a wait ends");
    assert_eq!(driver.write(Stream::Output, &bytes), Ok(4096));
    while take(&device, OUTPUT).is_some() {}
    assert!(driver.is_drained());
}

#[test]
fn input_is_read_in_pieces_and_its_buffers_go_back() {
    let (device, mut driver) = opened();
    let mut buffer = [0; 4];
    for round in 0..10u8 {
        deliver(&device, INPUT, &[round; 6]);
        assert_eq!(driver.read(&mut buffer), Ok(Input::Bytes(4)));
        assert_eq!(driver.read(&mut buffer), Ok(Input::Bytes(2)));
        assert_eq!(buffer, [round; 4]);
    }
    assert_eq!(driver.read(&mut buffer), Ok(Input::Pending));
}

#[test]
fn the_end_comes_after_all_that_was_typed() {
    let (device, mut driver) = opened();
    deliver(&device, INPUT, b"last");
    tell(&device, 1, 6, 0);
    let mut buffer = [0; 8];
    assert_eq!(driver.read(&mut buffer), Ok(Input::Bytes(4)));
    assert_eq!(driver.read(&mut buffer), Ok(Input::End));
}

#[test]
fn nobody_yet_is_no_end() {
    let (device, mut driver) = started();
    tell(&device, 1, 1, 1);
    tell(&device, 1, 6, 0);
    assert_eq!(driver.read(&mut [0; 8]), Ok(Input::Pending));
}

#[test]
fn a_message_that_is_too_short() {
    let (device, mut driver) = started();
    deliver(&device, CONTROL_RECEIVE.into(), &[1, 0, 0, 0, 6, 0]);
    assert_failed(&device, &mut driver, Violation::UsedLengthSmall);
}

#[test]
fn used_len_beyond_the_buffer() {
    let (device, mut driver) = opened();
    let chain = device.next_chain(INPUT).expect("a receive buffer");
    device.complete(INPUT, chain.head.into(), 4097);
    assert_failed(&device, &mut driver, Violation::UsedLengthLarge);
}

#[test]
fn used_id_never_issued() {
    let (device, mut driver) = opened();
    device.complete(OUTPUT, 3, 0);
    assert_eq!(driver.read(&mut [0; 8]), Ok(Input::Pending));
    assert_eq!(
        driver.write(Stream::Output, b"x"),
        Err(ConsoleError::Failed)
    );
    assert_failed(&device, &mut driver, Violation::UsedIndex);
}

#[test]
fn a_device_that_needs_a_reset() {
    let (device, mut driver) = opened();
    device.state().status |= DeviceStatus::DEVICE_NEEDS_RESET;
    device.interrupt_for_configuration();
    assert_failed(&device, &mut driver, Violation::NeedsReset);
}

#[test]
fn ports_without_end_are_not_all_answered() {
    let (device, mut driver) = opened();
    for _ in 0..100 {
        tell(&device, 1, 1, 1);
        assert_eq!(driver.read(&mut [0; 8]), Ok(Input::Pending));
    }
    assert_eq!(driver.write(Stream::Output, b"x"), Ok(1));
}

#[test]
fn a_device_without_these_ports_is_refused() {
    let error = |features, ports| try_start(features, ports).1.err();
    assert_eq!(error(0, 4), Some(VirtioError::FeatureMissing));
    assert_eq!(error(MULTIPORT, 3), Some(VirtioError::ConfigurationInvalid));
}
