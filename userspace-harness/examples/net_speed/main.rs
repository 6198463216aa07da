//! How many frames a second the network driver and a software device exchange on one core.
//!
//! Prints one line for each run: frames a second each way, so that twice as many were exchanged. A
//! second is one of this thread's processor time: whoever else is on the core takes none of it.

use std::time::Duration;

use hypercall::{FrameDevice, FrameMeta};
use rustix::time::{ClockId, clock_gettime};
use userspace_harness::software_device::{Features, SoftwareNet, SoftwareTransport};
use virtio::{QueueSize, VirtioNet, VirtioNetOptions};

/// What packet rates are given for.
const FRAME: [u8; 64] = [0x42; 64];
/// So many frames go each way before the other side is looked at: as many as there are buffers.
const BATCH: usize = 64;
/// How long a run takes.
const RUN: Duration = Duration::from_millis(500);
/// How many runs there are.
const RUNS: usize = 9;

fn main() {
    let buffers = QueueSize::new(BATCH as u16).expect("a power of two");
    let options = VirtioNetOptions {
        receive_buffers: buffers,
        transmit_buffers: buffers,
        ..VirtioNetOptions::default()
    };
    let features = Features { event_index: true };
    let device = SoftwareNet::new([0x52, 0x54, 0, 0, 0, 1], features, options);
    let mut driver = device.start().expect("a good device");
    for _ in 0..RUNS {
        println!("{:.0}", run(&device, &mut driver));
    }
}

/// Exchanges frames for a while. Returns how many there were a second each way.
fn run(device: &SoftwareNet, driver: &mut VirtioNet<SoftwareTransport>) -> f64 {
    let start = processor_time();
    let mut frames = 0;
    loop {
        frames += turn(device, driver);
        let elapsed = processor_time() - start;
        if elapsed >= RUN {
            return frames as f64 / elapsed.as_secs_f64();
        }
    }
}

/// How long this thread has run.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("no thread has run for a negative time")
}

/// A batch each way, each frame written by its sender and read by its receiver. Returns how many
/// frames that was each way.
fn turn(device: &SoftwareNet, driver: &mut VirtioNet<SoftwareTransport>) -> usize {
    let delivered = device.deliver([&FRAME[..]; BATCH]);
    let mut received = 0;
    while let Some(frame) = driver.received() {
        assert!(is_whole(frame.bytes), "a frame was changed");
        driver.release();
        received += 1;
    }
    for _ in 0..BATCH {
        let buffer = driver.reserve(FRAME.len()).expect("a buffer");
        *buffer.first_chunk_mut().expect("as long as a frame") = FRAME;
        driver.commit(FRAME.len(), FrameMeta::default());
    }
    driver.flush();
    let taken = device.take_sent(|bytes| assert!(is_whole(&bytes[12..]), "a frame was changed"));
    assert_eq!(
        (delivered, received, taken),
        (BATCH, BATCH, BATCH),
        "no frame is lost"
    );
    BATCH
}

/// Whether this is the frame. Its length is known here, so that comparing takes no call.
fn is_whole(bytes: &[u8]) -> bool {
    bytes.first_chunk() == Some(&FRAME) && bytes.len() == FRAME.len()
}
