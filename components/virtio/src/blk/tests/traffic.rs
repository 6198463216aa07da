//! A good device: the contract of block devices, and what it leaves to the driver.

use super::*;

struct Fixture {
    driver: Driver,
    disk: Disk,
}

impl BlockFixture for Fixture {
    type Device = Driver;

    fn device(&mut self) -> &mut Driver {
        &mut self.driver
    }

    /// The device works only here, and a driver that is not armed is not woken.
    fn wait(&mut self, limit: Duration) -> Duration {
        self.disk.serve();
        if self.disk.device.interrupted() {
            Duration::ZERO
        } else {
            limit
        }
    }
}

fn fixture(features: u64) -> Fixture {
    let (device, driver) = started(features);
    Fixture {
        driver,
        disk: Disk::new(device),
    }
}

#[test]
fn the_contract_is_kept() {
    let usual = FLUSH | SEG_MAX | EVENT_IDX;
    for features in [0, usual, usual | DISCARD, DISCARD | RO, SIZE_MAX | SEG_MAX] {
        let mut fixture = fixture(features);
        for case in contract::block_device::cases() {
            let verdict: Verdict = (case.check)(&mut fixture);
            let violated = matches!(verdict, Err(contract::Deviation::Violated(_)));
            assert!(!violated, "{} with {features:#x}: {verdict:?}", case.name);
        }
        assert_eq!(fixture.disk.device.lent_pages(), 0);
        assert_eq!(fixture.driver.violation(), None);
    }
}

#[test]
fn one_request_is_one_chain_of_three_descriptors() {
    let Fixture {
        mut driver,
        mut disk,
    } = fixture(SEG_MAX);
    submit(&mut driver, read(7, 32));
    disk.serve();
    assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    assert_eq!(disk.log, [(0, 7, 3)]);
}

#[test]
fn many_requests_are_with_the_device_at_once() {
    let (device, mut driver) = started(0);
    for first in 0..42 {
        submit(&mut driver, read(first, 1));
    }
    assert_eq!(core::iter::from_fn(|| device.next_chain(0)).count(), 42);
}

#[test]
fn requests_may_end_in_any_order() {
    let (device, mut driver) = started(0);
    let mut disk = Disk::new(device.clone());
    for first in 0..3 {
        submit(&mut driver, read(first, 1));
    }
    let mut chains: Vec<_> = core::iter::from_fn(|| device.next_chain(0)).collect();
    chains.reverse();
    chains.iter().for_each(|chain| disk.serve_one(chain));
    let tags: Vec<_> = core::iter::from_fn(|| driver.complete())
        .map(|completion| completion.request.tag)
        .collect();
    assert_eq!(tags, [2, 1, 0]);
}

#[test]
fn a_flush_reaches_a_device_with_a_cache_only() {
    for (features, expected) in [(FLUSH, &[(4, 0, 2)][..]), (0, &[])] {
        let Fixture {
            mut driver,
            mut disk,
        } = fixture(features);
        submit(&mut driver, flush());
        disk.serve();
        assert_eq!(status(&mut driver), Some(BlockStatus::Done));
        assert_eq!(disk.log, expected);
    }
}

#[test]
fn a_device_that_fails_a_request_fails_no_other() {
    for answer in [1, 2] {
        let (device, mut driver) = started(0);
        let mut disk = Disk::new(device.clone());
        submit(&mut driver, read(3, 1));
        let chain = device.next_chain(0).expect("a request");
        device.write(&chain, &[&[0; 512][..], &[answer]].concat());
        device.complete(0, chain.head.into(), 513);
        assert_eq!(status(&mut driver), Some(BlockStatus::Failed));
        submit(&mut driver, read(4, 1));
        disk.serve();
        assert_eq!(status(&mut driver), Some(BlockStatus::Done));
    }
}

#[test]
fn a_buffer_that_can_never_be_lent_fails() {
    let mut driver = fixture(0).driver;
    // More than the software device's megabyte.
    let (device, memory) = device(0);
    configure(&device, 0, &4096u64.to_le_bytes());
    let mut large = try_start(&device, memory).expect("a good device");
    submit(&mut large, read(0, 4096));
    assert_eq!(status(&mut large), Some(BlockStatus::Failed));
    // And one that can later has to wait for what is lent.
    submit(&mut driver, read(0, 64));
    for _ in 1..32 {
        submit(&mut driver, read(0, 64));
    }
    let refused = driver.submit(read(0, 64));
    assert_eq!(refused.map_err(|(error, _)| error), Err(SubmitError::Busy));
}

#[test]
fn a_driver_that_goes_lets_go_of_everything() {
    let (device, mut driver) = started(0);
    submit(&mut driver, read(0, 8));
    assert_eq!(device.lent_pages(), 1);
    drop(driver);
    assert_eq!(device.lent_pages(), 0);
    assert!(device.state().status.is_empty());
}
