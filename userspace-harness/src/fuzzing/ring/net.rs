//! The network driver over queues of which anything may come true.

use hypercall::{FrameDevice, FrameMeta, LinkState};
use virtio::{QueueSize, Violation, VirtioError, VirtioNet, VirtioNetOptions};

use crate::software_device::{Buffer, Features, SoftwareNet, SoftwareTransport};

use super::model::{Model, Next};
use super::step::{Start, StartFault, Step};
use super::{refused_size, spoil};

/// The two queues (virtio 1.2, 5.1.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Bytes of the header in front of a frame.
const HEADER_LENGTH: u32 = 12;
/// Small, so that little has to be looked at.
const MTU: u16 = 86;
const FRAME_MAX: usize = 14 + MTU as usize;
const BUFFERS: QueueSize = QueueSize::new(8).expect("a power of two");
const OPTIONS: VirtioNetOptions = VirtioNetOptions {
    mtu: MTU,
    receive_buffers: BUFFERS,
    transmit_buffers: BUFFERS,
    segmentation: false,
};

/// A driver, its device, and what must be true of them.
pub struct NetRun {
    device: SoftwareNet,
    driver: VirtioNet<SoftwareTransport>,
    receive: Model,
    transmit: Model,
    /// The frame that the driver lends: where it is.
    held: Option<Buffer>,
    /// Transmit buffers that the driver has.
    free: u16,
    /// The device has asked for a reset and the driver has not looked since.
    needs_reset: bool,
    interrupted: bool,
    /// The device has done only what is right so far.
    honest: bool,
    /// The driver has said that there is nothing, and so is to be woken.
    asleep: bool,
    /// The device has looked at all that was sent, and so is to be told of more.
    device_asleep: bool,
    violation: Option<Violation>,
}

impl NetRun {
    /// Starts a driver, or sees that it refuses its device for the right reason.
    pub fn start(start: &Start) -> (SoftwareNet, Option<Self>) {
        let features = Features {
            event_index: start.event_index,
        };
        let device = SoftwareNet::new([0x52, 0x54, 0, 0, 0, 1], features, OPTIONS);
        spoil(&device, start, 2);
        let refusal = match start.fault {
            Some(StartFault::FeaturesOkRefused) => Some(VirtioError::FeaturesRefused),
            Some(StartFault::ConfigurationChanging) => Some(VirtioError::Configuration),
            // Its configuration begins with the address, of six bytes, and has no eight.
            _ => start.maxima.into_iter().find_map(refused_size),
        };
        let driver = match device.start() {
            Ok(driver) => driver,
            Err(error) => {
                assert_eq!(Some(error), refusal, "refused for another reason");
                return (device, None);
            }
        };
        assert_eq!(refusal, None, "not refused");
        let mut receive = Model::new(&device, RECEIVE);
        receive.expect_posted(receive.size());
        let transmit = Model::new(&device, TRANSMIT);
        let run = Self {
            free: transmit.size(),
            device: device.clone(),
            driver,
            receive,
            transmit,
            held: None,
            needs_reset: false,
            interrupted: false,
            honest: true,
            asleep: false,
            device_asleep: false,
            violation: None,
        };
        (device, Some(run))
    }

    /// Why the device has failed, if it has.
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Does one step.
    pub fn take(&mut self, step: &Step) {
        match *step {
            Step::Take { count } => (0..=count % 16).for_each(|_| self.receive_one()),
            Step::Release => self.release(),
            Step::Give { count, length } => self.send(count % 16, length as usize % FRAME_MAX),
            Step::Look { .. } => self.acknowledge(),
            Step::Serve {
                queue: 0,
                count,
                length,
            } => self.deliver(count % 16, length as usize),
            Step::Serve { .. } => self.take_sent(),
            Step::Answer { status, length } => self.answer(status, length),
            Step::Publish { queue, length, id } => {
                self.honest = false;
                self.device.publish(queue.into(), id, length.into());
            }
            Step::MoveIndex { queue, distance } => {
                self.honest = false;
                self.device.move_used_index(queue.into(), distance);
            }
            Step::Overwrite { offset, value } => {
                self.honest = false;
                self.device.overwrite(offset.into(), &value.to_le_bytes());
            }
            Step::Interrupt { needs_reset } => {
                self.device.interrupt(needs_reset);
                self.interrupted = true;
                self.needs_reset |= needs_reset;
            }
        }
        self.check();
    }

    /// What holds at all times.
    fn check(&mut self) {
        assert_eq!(self.driver.violation(), self.violation);
        if self.violation.is_some() {
            assert!(self.device.status().is_empty(), "a failed device is reset");
            assert!(self.driver.received().is_none() && self.driver.reserve(1).is_none());
        }
        if self.honest {
            assert_eq!(self.device.complaints(), [""; 0]);
        }
    }

    /// The driver lends the oldest frame, and the one before comes back.
    fn receive_one(&mut self) {
        self.release();
        self.expect_frame();
        let frame = self.driver.received().map(|frame| frame.bytes.to_vec());
        assert_eq!(self.driver.violation(), self.violation);
        assert_eq!(frame.is_some(), self.held.is_some(), "a frame, or none");
        if let (Some(frame), Some(place)) = (frame, self.held) {
            let mut bytes = vec![0; place.length as usize];
            self.device.look_into(place.address, &mut bytes);
            assert_eq!(frame, bytes, "the frame is where the device put it");
        }
    }

    fn expect_frame(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.asleep = false;
        match self.receive.next() {
            Next::Violation(violation) => self.fail(violation),
            Next::Chain(_, written) if written < HEADER_LENGTH => {
                self.fail(Violation::UsedLengthSmall);
            }
            Next::Chain(chain, written) => {
                let slot = chain.buffers[0];
                self.held = Some(Buffer {
                    address: slot.address + u64::from(HEADER_LENGTH),
                    length: written - HEADER_LENGTH,
                    ..slot
                });
            }
            Next::Nothing => {
                self.expect_acknowledged();
                self.asleep = self.violation.is_none();
            }
        }
    }

    fn release(&mut self) {
        self.driver.release();
        if self.held.take().is_some() {
            self.receive.expect_posted(1);
        }
    }

    fn send(&mut self, count: u16, length: usize) {
        let before = self.device.notifications(TRANSMIT);
        let mut sent = 0;
        for _ in 0..count {
            self.expect_buffer();
            let buffer = self.driver.reserve(length);
            let there = buffer.is_some();
            if let Some(buffer) = buffer {
                buffer.fill(0x77);
            }
            assert_eq!(self.driver.violation(), self.violation);
            assert_eq!(
                there,
                self.violation.is_none() && self.free > 0,
                "a buffer, or none"
            );
            if !there {
                break;
            }
            self.driver.commit(length, FrameMeta::default());
            self.transmit.expect_posted(1);
            self.free -= 1;
            sent += 1;
        }
        self.driver.flush();
        let must_tell = sent > 0 && self.violation.is_none() && self.honest;
        if must_tell && std::mem::take(&mut self.device_asleep) {
            assert!(
                self.device.notifications(TRANSMIT) > before,
                "the device sleeps on frames"
            );
        }
    }

    /// The driver looks at what was sent only when it has no buffer left.
    fn expect_buffer(&mut self) {
        if self.violation.is_some() || self.free > 0 {
            return;
        }
        loop {
            match self.transmit.next() {
                Next::Violation(violation) => return self.fail(violation),
                Next::Chain(..) => self.free += 1,
                Next::Nothing => break,
            }
        }
        if self.free == 0 {
            self.expect_acknowledged();
        }
    }

    fn acknowledge(&mut self) {
        self.expect_acknowledged();
        let failed = self.driver.link() == LinkState::Failed;
        assert_eq!(failed, self.violation.is_some());
    }

    /// The driver takes its interrupt, and sees whether that was for a reset.
    fn expect_acknowledged(&mut self) {
        if self.violation.is_none() && std::mem::take(&mut self.interrupted) && self.needs_reset {
            self.fail(Violation::NeedsReset);
        }
    }

    fn fail(&mut self, violation: Violation) {
        self.violation = Some(violation);
        self.held = None;
    }

    fn deliver(&mut self, count: u16, length: usize) {
        let frame = [0x99; FRAME_MAX];
        let frame = &frame[..length % (FRAME_MAX + 1)];
        let delivered = self.device.deliver((0..count).map(|_| frame));
        if delivered > 0 && self.honest && std::mem::take(&mut self.asleep) {
            assert!(self.device.has_interrupted(), "the driver sleeps on frames");
        }
    }

    fn take_sent(&mut self) {
        self.device.take_sent(|bytes| {
            if self.honest {
                let frame = &bytes[HEADER_LENGTH as usize..];
                assert_eq!(frame, &[0x77; FRAME_MAX][..frame.len()]);
            }
        });
        self.device_asleep = true;
    }

    /// A frame whose length is another than the device says.
    fn answer(&mut self, status: u16, length: u32) {
        self.honest = false;
        self.device.deliver_as(&[status as u8; 60], length);
    }
}
