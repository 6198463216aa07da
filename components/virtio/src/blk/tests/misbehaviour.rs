//! A device that breaks its protocol is reset, its requests fail, and all buffers come back.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Has a device do `bad` to a read of two sectors, beside which another waits, and expects that it
/// is failed for `violation`.
fn failed_for(violation: Violation, bad: impl FnOnce(&Device, &DeviceChain)) {
    let (device, mut driver) = started(0);
    submit(&mut driver, read(0, 2));
    submit(&mut driver, read(2, 2));
    let chain = device.next_chain(0).expect("a request");
    bad(&device, &chain);
    assert_all_fail(&device, &mut driver, 2);
    assert_eq!(driver.violation(), Some(violation));
}

/// That `count` requests come back failed, the device is reset and has nothing, and that requests
/// fail from now on.
fn assert_all_fail(device: &Device, driver: &mut Driver, count: usize) {
    for _ in 0..count {
        let completion = driver.complete().expect("each comes back");
        assert_eq!(completion.status, BlockStatus::Failed);
        let BlockOperation::Read { first, buffer } = completion.request.operation else {
            panic!("another operation");
        };
        assert_eq!((buffer.len(), completion.request.tag), (1024, first));
    }
    assert!(driver.complete().is_none());
    assert!(device.state().status.is_empty(), "the device was reset");
    assert_eq!(device.lent_pages(), 0);
    let notifications = device.state().queues[0].notifications;
    submit(driver, read(0, 2));
    submit(driver, flush());
    assert_eq!(status(driver), Some(BlockStatus::Failed));
    assert_eq!(status(driver), Some(BlockStatus::Failed));
    assert!(driver.complete().is_none());
    assert_eq!(device.state().queues[0].notifications, notifications);
    assert_eq!(driver.expire(Instant::from_nanos(u64::MAX)), None);
}

#[test]
fn status_unwritten() {
    failed_for(Violation::Status, |device, chain| {
        device.complete(0, chain.head.into(), 1025);
    });
}

#[test]
fn status_above_two() {
    failed_for(Violation::Status, |device, chain| {
        device.write(chain, &[&[0; 1024][..], &[3]].concat());
        device.complete(0, chain.head.into(), 1025);
    });
}

#[test]
fn used_length_beyond_the_buffer() {
    failed_for(Violation::UsedLengthLarge, |device, chain| {
        device.write(chain, &[0; 1025]);
        device.complete(0, chain.head.into(), 1026);
    });
}

#[test]
fn used_length_without_a_status() {
    failed_for(Violation::UsedLengthSmall, |device, chain| {
        device.write(chain, &[0; 1025]);
        device.complete(0, chain.head.into(), 0);
    });
}

#[test]
fn used_length_below_what_was_asked_for() {
    failed_for(Violation::UsedLengthSmall, |device, chain| {
        device.write(chain, &[0; 1025]);
        device.complete(0, chain.head.into(), 513);
    });
}

#[test]
fn used_id_never_issued() {
    for id in [1, 127, 128, 0x1_0000, u32::MAX] {
        failed_for(Violation::UsedId, |device, chain| {
            device.write(chain, &[0; 1025]);
            device.complete(0, id, 1025);
        });
    }
}

#[test]
fn used_id_replayed() {
    let (device, mut driver) = started(0);
    let mut disk = Disk::new(device.clone());
    submit(&mut driver, read(0, 2));
    submit(&mut driver, read(2, 2));
    let chain = device.next_chain(0).expect("a request");
    disk.serve_one(&chain);
    device.complete(0, chain.head.into(), 1025);
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    assert_all_fail(&device, &mut driver, 1);
    assert_eq!(driver.violation(), Some(Violation::UsedId));
}

#[test]
fn used_index_jumps() {
    for count in [3, 0x8000, 0xffff] {
        failed_for(Violation::UsedIndex, |device, _| {
            device.advance_used_index(0, count);
        });
    }
}

#[test]
fn descriptors_rewritten_after_submission() {
    let (device, mut driver) = started(0);
    submit(&mut driver, read(0, 2));
    let chain = device.next_chain(0).expect("a request");
    device.scribble_descriptors(0);
    device.write(&chain, &[&[7; 1024][..], &[0]].concat());
    device.complete(0, chain.head.into(), 1025);
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    submit(&mut driver, read(0, 2));
    let chain = device.next_chain(0).expect("a request");
    assert_eq!(chain.parts.len(), 3);
    assert_eq!(device.lent_pages(), 1);
}

#[test]
fn needs_reset() {
    failed_for(Violation::NeedsReset, |device, _| {
        device
            .state()
            .status
            .insert(DeviceStatus::DEVICE_NEEDS_RESET);
        device.interrupt_for_configuration();
    });
}

#[test]
fn interrupts_for_nothing_do_nothing() {
    let (device, mut driver) = started(0);
    let mut disk = Disk::new(device.clone());
    submit(&mut driver, read(0, 1));
    for _ in 0..100 {
        device.state().interrupt.raise();
        assert!(driver.complete().is_none());
        device.interrupt_for_configuration();
        assert!(driver.complete().is_none());
    }
    disk.serve();
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
}

#[test]
fn a_request_that_is_never_finished() {
    let (device, mut driver) = started(0);
    let start = Instant::from_nanos(7);
    assert_eq!(driver.expire(start), None);
    submit(&mut driver, read(0, 2));
    let deadline = start + 30 * SECOND;
    assert_eq!(driver.expire(start), Some(deadline));
    submit(&mut driver, read(2, 2));
    assert_eq!(driver.expire(start + 20 * SECOND), Some(deadline));
    assert_eq!(driver.violation(), None);
    assert_eq!(driver.expire(deadline), None);
    assert_all_fail(&device, &mut driver, 2);
    assert_eq!(driver.violation(), Some(Violation::Overdue));
}

#[test]
fn one_request_is_starved_beside_others() {
    let (device, mut driver) = started(0);
    let mut disk = Disk::new(device.clone());
    let mut now = Instant::from_nanos(0);
    submit(&mut driver, read(0, 2));
    device.next_chain(0).expect("the one that is left lying");
    for _ in 0..29 {
        submit(&mut driver, read(2, 2));
        disk.serve();
        assert_eq!(
            driver.expire(now),
            Some(Instant::from_nanos(0) + 30 * SECOND)
        );
        assert_eq!(status(&mut driver), Some(BlockStatus::Done));
        now = now + SECOND;
    }
    driver.expire(now + SECOND);
    assert_all_fail(&device, &mut driver, 1);
}

#[test]
fn what_is_finished_is_not_late() {
    let (device, mut driver) = started(0);
    let mut disk = Disk::new(device);
    submit(&mut driver, read(0, 2));
    driver.expire(Instant::from_nanos(0));
    disk.serve();
    assert_eq!(driver.expire(Instant::from_nanos(0) + 60 * SECOND), None);
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
}

#[test]
fn a_device_that_refuses_its_reset_keeps_the_buffers() {
    let (device, mut driver) = started(0);
    submit(&mut driver, read(0, 2));
    device.state().refuses_reset = true;
    device.advance_used_index(0, 9);
    let completion = driver.complete().expect("it comes back");
    assert_eq!(completion.status, BlockStatus::Failed);
    assert_eq!(device.lent_pages(), 1);
}
