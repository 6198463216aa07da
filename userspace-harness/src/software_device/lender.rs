//! Lends a driver's buffers to its device, as copies in the memory that the two share. Each copy
//! lies between canaries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hypercall::{BufferLender, DeviceAccess};

use super::state::State;

/// Bytes of each canary.
const CANARY_LENGTH: usize = 64;
/// What it is made of.
const CANARY: [u8; CANARY_LENGTH] = [0x5c; CANARY_LENGTH];

/// The lender of a software device's driver.
#[derive(Clone, Debug)]
pub struct SoftwareLender(pub(super) Arc<Mutex<State>>);

/// A buffer, and where its copy is.
#[derive(Debug)]
pub struct LentBuffer {
    buffer: Box<[u8]>,
    address: u64,
    access: DeviceAccess,
}

impl LentBuffer {
    fn canaries(&self) -> [u64; 2] {
        let behind = self.address + self.buffer.len() as u64;
        [self.address - CANARY_LENGTH as u64, behind]
    }
}

impl SoftwareLender {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BufferLender for SoftwareLender {
    type Lent = LentBuffer;

    fn lend(
        &mut self,
        buffer: Box<[u8]>,
        access: DeviceAccess,
    ) -> Result<(LentBuffer, u64), Box<[u8]>> {
        let mut state = self.state();
        let Some(address) = free_place(&state, buffer.len()) else {
            return Err(buffer);
        };
        state.lent.insert(address, buffer.len());
        let lent = LentBuffer {
            buffer,
            address,
            access,
        };
        for canary in lent.canaries() {
            state.memory.write(canary, &CANARY);
        }
        if access == DeviceAccess::Read {
            state.memory.write(address, &lent.buffer);
        }
        Ok((lent, address))
    }

    fn take_back(&mut self, mut lent: LentBuffer) -> Box<[u8]> {
        let mut state = self.state();
        let whole = lent.canaries().into_iter().all(|canary| {
            let mut bytes = [0; CANARY_LENGTH];
            state.memory.read(canary, &mut bytes) && bytes == CANARY
        });
        state.require(whole, "a canary beside a lent buffer was written to");
        if lent.access == DeviceAccess::Write {
            state.memory.read(lent.address, &mut lent.buffer);
        }
        let known = state.lent.remove(&lent.address).is_some();
        state.require(known, "took back what was not lent");
        lent.buffer
    }

    /// The device keeps the copy.
    fn give_up(&mut self, lent: LentBuffer) -> Box<[u8]> {
        lent.buffer
    }
}

/// Where a buffer of `length` bytes can lie between canaries of its own.
fn free_place(state: &State, length: usize) -> Option<u64> {
    let canary = CANARY_LENGTH as u64;
    let room = state.memory.room();
    let mut start = room.start + canary;
    for (&other, &other_length) in &state.lent {
        if start + length as u64 + canary <= other - canary {
            return Some(start);
        }
        start = other + other_length as u64 + 2 * canary;
    }
    (start + length as u64 + canary <= room.end).then_some(start)
}
