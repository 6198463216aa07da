//! The names of the contract's cases, from the tables themselves.

use std::time::Duration;

use hypercall::contract::block_device::BlockFixture;
use hypercall::contract::frame_device::FrameFixture;
use hypercall::contract::host::HostFixture;
use hypercall::contract::program_host::ProgramFixture;
use hypercall::contract::{self, Case};
use hypercall::fake::{FakeHost, FakeProgramHost};
use hypercall::{BlockDevice, FrameDevice};
use test_homes::{Contract, Verdict};

/// The names in the table about hosts.
pub fn host_cases() -> Vec<&'static str> {
    names(contract::host::cases::<Host>())
}

/// The names in the table about hosts of programs.
pub fn program_host_cases() -> Vec<&'static str> {
    names(contract::program_host::cases::<ProgramHost>())
}

/// The names in the table about network devices.
pub fn frame_device_cases() -> Vec<&'static str> {
    names(contract::frame_device::cases::<Frames>())
}

/// The names in the table about disks.
pub fn block_device_cases() -> Vec<&'static str> {
    names(contract::block_device::cases::<Blocks>())
}

fn names<F>(cases: Vec<Case<F>>) -> Vec<&'static str> {
    cases.into_iter().map(|case| case.name).collect()
}

/// Fails unless `found` is about `title` and `cases`, one by one, with none violated and
/// `not_tried` not tried.
pub fn assert_contract(found: &Contract, title: &str, cases: &[&str], not_tried: &[&str]) {
    assert_eq!(found.title, title);
    let names: Vec<_> = found.cases.iter().map(|(name, _)| name).collect();
    assert_eq!(names, cases, "{title}");
    assert_eq!(found.names(Verdict::Violated), [""; 0], "{title}");
    assert_eq!(found.names(Verdict::NotTried), not_tried, "{title}");
}

/// Fixtures whose tables have names; nobody runs them.
struct Host(FakeHost);

impl HostFixture for Host {
    type Host = FakeHost;

    fn host(&mut self) -> &mut FakeHost {
        &mut self.0
    }
}

struct ProgramHost(FakeProgramHost);

impl ProgramFixture for ProgramHost {
    type Host = FakeProgramHost;

    fn host(&mut self) -> &mut FakeProgramHost {
        &mut self.0
    }
}

struct Frames(Box<dyn FrameDevice>);

impl FrameFixture for Frames {
    type Device = dyn FrameDevice;

    fn device(&mut self) -> &mut (dyn FrameDevice + 'static) {
        &mut *self.0
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        limit
    }
}

struct Blocks(Box<dyn BlockDevice>);

impl BlockFixture for Blocks {
    type Device = dyn BlockDevice;

    fn device(&mut self) -> &mut (dyn BlockDevice + 'static) {
        &mut *self.0
    }

    fn wait(&mut self, limit: Duration) -> Duration {
        limit
    }
}
