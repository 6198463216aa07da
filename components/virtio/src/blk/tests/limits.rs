//! Requests that are longer than a chain can be.

use super::*;

#[test]
fn a_long_request_is_several_chains_of_several_segments() {
    // Four segments of 1000 bytes: 7 sectors in 3584 bytes.
    let (device, memory) = device(SIZE_MAX | SEG_MAX);
    configure(&device, 8, &1000u32.to_le_bytes());
    let mut driver = try_start(&device, memory).expect("a good device");
    let mut disk = Disk::new(device);
    for (number, byte) in disk.content.iter_mut().enumerate() {
        *byte = (number / 512) as u8;
    }
    submit(&mut driver, read(1, 16));
    disk.serve();
    let completion = driver.complete().expect("done");
    let BlockOperation::Read { buffer, .. } = completion.request.operation else {
        panic!("another operation");
    };
    assert_eq!(*buffer, disk.content[512..17 * 512]);
    assert_eq!(disk.log, [(0, 1, 6), (0, 8, 6), (0, 15, 4)]);
}

#[test]
fn a_request_longer_than_the_queue_is_posted_as_it_empties() {
    let (device, memory) = device(SIZE_MAX | SEG_MAX);
    configure(&device, 8, &512u32.to_le_bytes());
    configure(&device, 12, &1u32.to_le_bytes());
    let mut driver = try_start(&device, memory).expect("a good device");
    let mut disk = Disk::new(device.clone());
    submit(&mut driver, read(0, 64));
    // The next one waits behind it.
    submit(&mut driver, read(0, 1));
    assert_eq!(disk.log.len(), 0);
    disk.serve();
    assert_eq!(disk.log.len(), 42);
    assert!(driver.complete().is_none());
    disk.serve();
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    assert_eq!(disk.log.len(), 65);
}

#[test]
fn a_long_discard_is_several_chains() {
    let (device, mut driver) = started(DISCARD);
    let mut disk = Disk::new(device);
    disk.content.fill(1);
    let operation = BlockOperation::Discard {
        first: 10,
        count: 40,
    };
    submit(&mut driver, BlockRequest { tag: 0, operation });
    disk.serve();
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    let kept = disk.content.iter().filter(|byte| **byte == 1).count();
    assert_eq!((disk.log.len(), kept), (3, 24 * 512));
    let nothing = BlockOperation::Discard { first: 0, count: 0 };
    submit(
        &mut driver,
        BlockRequest {
            tag: 0,
            operation: nothing,
        },
    );
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    assert_eq!(disk.log.len(), 3);
}

#[test]
fn one_failed_chain_fails_the_request_once_all_are_back() {
    let (device, memory) = device(SIZE_MAX | SEG_MAX);
    configure(&device, 12, &1u32.to_le_bytes());
    let mut driver = try_start(&device, memory).expect("a good device");
    let mut disk = Disk::new(device.clone());
    submit(&mut driver, read(0, 16));
    let chain = device.next_chain(0).expect("the first half");
    device.write(&chain, &[&[0; 4096][..], &[1]].concat());
    device.complete(0, chain.head.into(), 4097);
    assert!(driver.complete().is_none());
    disk.serve();
    assert_eq!(status(&mut driver), Some(BlockStatus::Failed));
    assert!(driver.complete().is_none());
}
