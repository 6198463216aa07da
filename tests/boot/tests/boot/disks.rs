//! Programs on a disk: a loop device on Linux, a virtio disk booted. What they say is the same, and
//! so is what they leave on it. Needs root for the loop device.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use test_boot::program;
use test_support::{Feed, Home, Invocation, Outcome, Process, anykernel};

const SECTORS: usize = 2049;
const LIMIT: Duration = Duration::from_secs(60);

/// A file as a disk of Linux, until it is dropped.
struct LoopDevice(String);

impl LoopDevice {
    /// `None` where that needs more rights than there are.
    fn new(file: &Path, options: &[&str]) -> Option<Self> {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show"]).args(options).arg(file);
        let output = command.output().expect("losetup is there");
        if !output.status.success() {
            println!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let name = String::from_utf8(output.stdout).expect("a path in ASCII");
        Some(Self(name.trim().to_owned()))
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("-d").arg(&self.0).status();
        assert!(detached.is_ok_and(|status| status.success()));
    }
}

/// A file of as many sectors, each full of its number.
fn disk(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let bytes: Vec<u8> = (0..SECTORS * 512).map(|at| (at / 512) as u8).collect();
    fs::write(&path, bytes).expect("there is space");
    path
}

/// Runs a program on a disk of its own in each home. What it said, and what the two disks hold.
fn run_both(name: &str, linux: &[&str], booted: &str) -> Option<[(Outcome, Vec<u8>); 2]> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = program(name);
    let disks = ["linux", "booted"].map(|home| disk(folder.path(), home));

    let device = LoopDevice::new(&disks[0], linux)?;
    let on_linux = program.run(Home::Linux, &Invocation::new().variable("DISK", &device.0));
    drop(device);

    let invocation = Invocation::new().variable("DISK", "/dev/vda");
    let disk = format!("{}{booted}", disks[1].display());
    let in_image = program.run(Home::Booted, &invocation.disk(disk));

    let bytes = disks.map(|disk| fs::read(disk).expect("the disk is still there"));
    let [on_disk, in_file] = bytes;
    Some([(on_linux, on_disk), (in_image, in_file)])
}

#[test]
fn a_disk_is_what_it_is_on_linux() {
    let Some([linux, booted]) = run_both("disk", &[], "") else {
        return;
    };
    assert_eq!(booted.0.text(), linux.0.text());
    assert_eq!((booted.0.status, booted.0.error_text()), (0, ""));
    assert!(booted.1 == linux.1, "the disks differ");
    assert_eq!(&booted.1[50 * 512..50 * 512 + 10], b"last words");
}

#[test]
fn a_read_only_disk_is_what_it_is_on_linux() {
    let Some([linux, booted]) = run_both("disk_read_only", &["--read-only"], ",readonly") else {
        return;
    };
    assert_eq!(booted.0.text(), linux.0.text());
    assert!(booted.1 == linux.1, "the disks differ");
}

#[test]
fn an_image_without_disks_says_how_to_get_them() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let program = program("disk_read_only");
    let mut bake = Command::new(anykernel());
    bake.arg("bake").arg(program.path()).arg("-o").arg(&image);
    let baked = Process::start(bake, Feed::Bytes(Vec::new()), LIMIT).finish();
    assert_eq!(baked.status, 0, "{}", baked.error_text());

    let mut run = Command::new(anykernel());
    let disk = disk(folder.path(), "disk");
    run.arg("run").arg("--disk").arg(disk).arg(image);
    let outcome = Process::start(run, Feed::Bytes(Vec::new()), LIMIT).finish();
    assert_eq!(outcome.status, 2);
    assert!(outcome.error_text().contains("--with block"));
}
