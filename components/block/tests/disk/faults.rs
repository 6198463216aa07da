//! A device that fails: who is told, how often, and what becomes of the data.

use block::{CachedDisk, Caching, Disk, DiskError, Settling};
use hypercall::fake::FakeBlockDevice;

use crate::device::Controlled;
use crate::{finish, read, settle, write};

const CACHE: usize = 1 << 20;

#[test]
fn a_bad_block_fails_alone() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    behaviour.lock().unwrap().bad.insert(17);
    let mut disk = CachedDisk::new(device, CACHE);
    // The bytes before it arrive, the read from it fails, and behind it all is well.
    let before = read(&mut disk, 0, 65_536, Caching::Cached).unwrap();
    assert_eq!(before.len(), 8192);
    let error = Err(DiskError::Failed);
    assert_eq!(read(&mut disk, 8192, 100, Caching::Cached), error);
    assert!(read(&mut disk, 12_288, 4096, Caching::Cached).is_ok());
    // Nobody is told of it for ever.
    behaviour.lock().unwrap().bad.clear();
    assert!(read(&mut disk, 8192, 100, Caching::Cached).is_ok());
}

#[test]
fn a_failed_write_back_is_reported_once_and_loses_nothing() {
    let fake = FakeBlockDevice::new(512, 256);
    let (device, behaviour) = Controlled::new(fake.clone());
    let mut disk = CachedDisk::new(device, CACHE);
    write(&mut disk, 0, &[1; 8192], Caching::Cached).unwrap();
    behaviour.lock().unwrap().bad.insert(3);
    // It fails in the background, long before somebody asks.
    let due = disk.next_deadline().unwrap();
    disk.progress(due);
    disk.progress(due);
    behaviour.lock().unwrap().bad.clear();
    let error = Err(DiskError::Failed);
    assert_eq!(settle(&mut disk, Settling::all()), error);
    assert_eq!(settle(&mut disk, Settling::all()), Ok(()));
    fake.cut_power();
    assert!(fake.contents()[..8192] == [1; 8192]);
}

#[test]
fn a_disk_that_stays_broken_reports_each_time_and_keeps_what_it_was_given() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    behaviour.lock().unwrap().bad.insert(3);
    write(&mut disk, 0, &[1; 8192], Caching::Cached).unwrap();
    for _ in 0..3 {
        let error = Err(DiskError::Failed);
        assert_eq!(settle(&mut disk, Settling::all()), error);
    }
    let bytes = read(&mut disk, 0, 8192, Caching::Cached).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 1));
}

#[test]
fn a_cache_full_of_what_cannot_be_written_refuses_more() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 1 << 14));
    behaviour.lock().unwrap().bad.extend(0..1 << 14);
    let mut disk = CachedDisk::new(device, CACHE);
    let result = write(&mut disk, 0, &vec![1; 4 << 20], Caching::Cached);
    assert_eq!(result, Err(DiskError::Failed));
}

#[test]
fn a_failed_flush_is_reported() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    behaviour.lock().unwrap().bad_flush = true;
    let error = Err(DiskError::Failed);
    assert_eq!(settle(&mut disk, Settling::all()), error);
}

#[test]
fn direct_transfers_report_to_those_who_made_them() {
    let (device, behaviour) = Controlled::new(FakeBlockDevice::new(512, 256));
    let mut disk = CachedDisk::new(device, CACHE);
    behaviour.lock().unwrap().bad.insert(3);
    let error = Err(DiskError::Failed);
    assert_eq!(write(&mut disk, 0, &[1; 4096], Caching::Direct), error);
    assert_eq!(
        read(&mut disk, 0, 4096, Caching::Direct),
        Err(DiskError::Failed)
    );
    assert_eq!(write(&mut disk, 4096, &[1; 512], Caching::Direct), Ok(512));
    assert_eq!(settle(&mut disk, Settling::all()), Ok(()));
}

#[test]
fn a_device_without_discards_says_so() {
    let mut disk = CachedDisk::new(FakeBlockDevice::new(512, 64).without_discards(), CACHE);
    let refused = finish(&mut disk, |disk| disk.discard(0..512));
    assert_eq!(refused, Err(DiskError::Unsupported));
}
