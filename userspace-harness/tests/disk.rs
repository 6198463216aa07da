//! A kernel in this process that has a file as its disk.

use std::fs;
use std::os::unix::net::UnixStream;

use hypercall::{SliceSink, SliceSource};
use posix::{Fd, OpenFlags, Permissions};
use userspace_harness::{Link, ProcessKernel, Setup, StartError};

/// A kernel with the file at `disk`, and a wire that ends nowhere.
fn kernel(disk: &std::path::Path) -> Result<ProcessKernel, StartError> {
    let (end, _) = UnixStream::pair().expect("there are descriptors");
    let setup = Setup {
        root: None,
        disks: vec![disk.to_owned()],
        link: Link::Stream(end),
        address: "10.0.0.2/24".parse().expect("an address"),
        gateway: None,
        take_signals: false,
    };
    setup.start()
}

fn open(kernel: &mut ProcessKernel, flags: OpenFlags) -> Fd {
    let fd = kernel.open(b"/dev/vda", flags, Permissions::empty());
    fd.expect("the disk is there")
}

#[test]
fn what_a_program_writes_is_in_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("disk");
    let before: Vec<u8> = (0..1 << 20).map(|at| (at / 512) as u8).collect();
    fs::write(&file, &before).expect("there is space");
    let mut kernel = kernel(&file).expect("the kernel starts");

    let fd = open(&mut kernel, OpenFlags::READ_WRITE);
    let mut bytes = vec![0; 1 << 20];
    let read = posix::read(&mut kernel, fd, &mut SliceSink::new(&mut bytes));
    assert_eq!(read, Ok(1 << 20));
    assert!(bytes == before);

    let written = posix::pwrite(&mut kernel, fd, &mut SliceSource::new(b"hello"), 1000);
    assert_eq!(written, Ok(5));
    assert_eq!(posix::fsync(&mut kernel, fd), Ok(()));
    assert_eq!(&fs::read(&file).expect("it is there")[1000..1005], b"hello");

    let direct = open(&mut kernel, OpenFlags::WRITE_ONLY | OpenFlags::DIRECT);
    let blocks = [7; 1024];
    let written = posix::pwrite(&mut kernel, direct, &mut SliceSource::new(&blocks), 4096);
    assert_eq!(written, Ok(1024));
    assert_eq!(fs::read(&file).expect("it is there")[4096..5120], blocks);
}

#[test]
fn a_file_that_is_no_disk_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("odd");
    fs::write(&file, b"odd").expect("there is space");
    let error = kernel(&file).map(|_| ()).expect_err("it is no disk");
    assert!(
        error
            .to_string()
            .contains("odd: the file is not whole blocks")
    );
}
