//! What the device is asked: how often, in which order, in which pieces.

use block::{CachedDisk, Caching, Disk, DiskError, Progress, Settling, Stop};
use hypercall::Instant;
use hypercall::fake::FakeBlockDevice;

use crate::device::Controlled;
use crate::{finish, read, settle, write};

const CACHE: usize = 1 << 20;

#[test]
fn a_missing_block_is_read_once() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 64));
    let mut disk = CachedDisk::new(device, CACHE);
    for _ in 0..3 {
        assert_eq!(read(&mut disk, 9000, 5, Caching::Cached).unwrap(), [0; 5]);
    }
    assert_eq!(behaviour.lock().unwrap().log, [('r', 16, 8)]);
}

#[test]
fn reads_in_order_ask_for_more_each_time() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 8192));
    let mut disk = CachedDisk::new(device, CACHE);
    for page in 0..256 {
        read(&mut disk, page * 4096, 4096, Caching::Cached).unwrap();
    }
    let requests = behaviour.lock().unwrap().log.len();
    assert!(requests <= 8, "{requests} requests");
}

#[test]
fn neighbours_are_written_together_and_flushed_after() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    for page in [3u64, 1, 2, 9] {
        write(&mut disk, page * 4096, &[7; 4096], Caching::Cached).unwrap();
    }
    assert_eq!(behaviour.lock().unwrap().log, []);
    settle(&mut disk, Settling::all()).unwrap();
    let expected = [('w', 8, 24), ('w', 72, 8), ('f', 0, 0)];
    assert_eq!(behaviour.lock().unwrap().log, expected);
}

#[test]
fn a_durable_range_leaves_the_rest_where_it_is() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    for page in [1u64, 9] {
        write(&mut disk, page * 4096, &[7; 4096], Caching::Cached).unwrap();
    }
    settle(&mut disk, Settling::durable(4096..8192)).unwrap();
    assert_eq!(behaviour.lock().unwrap().log, [('w', 8, 8), ('f', 0, 0)]);
}

#[test]
fn an_old_change_is_written_without_being_asked_for() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    write(&mut disk, 0, &[7; 4096], Caching::Cached).unwrap();
    let due = disk.next_deadline().expect("something is to be written");
    disk.progress(Instant::from_nanos(due.as_nanos() - 1));
    assert_eq!(behaviour.lock().unwrap().log, []);
    disk.progress(due);
    assert_eq!(behaviour.lock().unwrap().log, [('w', 0, 8)]);
    assert_eq!(disk.next_deadline(), None);
}

#[test]
fn many_changes_are_written_without_being_asked_for() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 8192));
    let mut disk = CachedDisk::new(device, CACHE);
    let all = vec![3; 4 << 20];
    assert_eq!(write(&mut disk, 0, &all, Caching::Cached), Ok(all.len()));
    let written: u64 = behaviour
        .lock()
        .unwrap()
        .log
        .iter()
        .map(|entry| entry.2)
        .sum();
    // No more than the cache holds is left to write.
    assert!(written * 512 >= (3 << 20), "{written} blocks");
}

#[test]
fn a_direct_transfer_is_one_request() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 8192));
    let mut disk = CachedDisk::new(device, CACHE);
    write(&mut disk, 512, &vec![5; 1 << 19], Caching::Direct).unwrap();
    let bytes = read(&mut disk, 512, 1 << 19, Caching::Direct).unwrap();
    assert_eq!(bytes, vec![5; 1 << 19]);
    assert_eq!(
        behaviour.lock().unwrap().log,
        [('w', 1, 1024), ('r', 1, 1024)]
    );
}

#[test]
fn a_direct_transfer_is_whole_blocks() {
    let mut disk = CachedDisk::new(FakeBlockDevice::new(512, 64), CACHE);
    let error = Err(DiskError::Misaligned);
    assert_eq!(write(&mut disk, 100, &[0; 512], Caching::Direct), error);
    assert_eq!(write(&mut disk, 512, &[0; 100], Caching::Direct), error);
}

#[test]
fn an_operation_that_stops_leaves_nothing_behind() {
    let mut disk = CachedDisk::new(FakeBlockDevice::new(512, 64), CACHE);
    let failed = finish(&mut disk, |disk| {
        disk.run(|view| {
            view.replace(0)?.fill(9);
            view.modify(1)?.fill(9);
            Err::<(), _>(Stop::Failed(DiskError::OutOfMemory))
        })
    });
    assert_eq!(failed, Err(DiskError::OutOfMemory));
    let bytes = read(&mut disk, 0, 8192, Caching::Cached).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 0));
}

#[test]
fn a_missing_block_stops_an_operation_that_has_changed_others() {
    let device = FakeBlockDevice::new(512, 512);
    let mut disk = CachedDisk::new(device, CACHE);
    let mut runs = 0;
    let mut step = |disk: &mut CachedDisk<FakeBlockDevice>| {
        runs += 1;
        disk.run(|view| {
            let value = view.modify(0)?[0] + 1;
            view.modify(0)?[0] = value;
            view.modify(40)?[0] = value;
            Ok(value)
        })
    };
    assert_eq!(step(&mut disk), Ok(Progress::Wait));
    disk.progress(Instant::ZERO);
    assert_eq!(step(&mut disk), Ok(Progress::Wait));
    disk.progress(Instant::ZERO);
    // It was begun three times and has counted once.
    assert_eq!(step(&mut disk), Ok(Progress::Done(1)));
    assert_eq!(runs, 3);
}

#[test]
fn a_read_only_disk_refuses() {
    let mut disk = CachedDisk::new(FakeBlockDevice::new(512, 64).read_only(), CACHE);
    let error = Err(DiskError::ReadOnly);
    assert_eq!(write(&mut disk, 0, &[1], Caching::Cached), error);
    assert_eq!(disk.discard(0..512), Err(DiskError::ReadOnly));
    assert_eq!(settle(&mut disk, Settling::all()), Ok(()));
}
