//! What this crate's tests need of a fake home beyond its contract.

pub mod machine;

use alloc::vec;
use alloc::vec::Vec;

pub use hypercall::fake::FakeProgramHost;
use hypercall::{PAGE_SIZE, ProgramHost, ProgramRange, Protection};

const PAGE: u64 = PAGE_SIZE as u64;

/// Short ways to a program's memory.
pub trait TestMemory {
    /// Maps `count` fresh pages, with nothing mapped before or after them.
    fn place(&mut self, count: u64, protection: Protection) -> u64;

    /// What is at `address`, which the program can read.
    fn bytes(&mut self, address: u64, length: usize) -> Vec<u8>;

    /// The extended state with which the program would go on.
    fn state(&mut self) -> [u8; 512];
}

impl TestMemory for FakeProgramHost {
    fn place(&mut self, count: u64, protection: Protection) -> u64 {
        let space = self.program_range().addresses();
        let is_free = |start: &u64| {
            let mut pages = (0..count + 2).map(|page| start + page * PAGE);
            pages.all(|page| self.protection(page).is_none())
        };
        let gap = space.step_by(PAGE_SIZE).find(is_free).expect("room");
        let range = ProgramRange::new(gap + PAGE, count * PAGE).expect("whole pages");
        self.map(range, protection).expect("free");
        range.start()
    }

    fn bytes(&mut self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.copy_in(address, &mut bytes).expect("mapped");
        bytes
    }

    fn state(&mut self) -> [u8; 512] {
        let mut state = [0; 512];
        self.extended_state(&mut state, false);
        state
    }
}
