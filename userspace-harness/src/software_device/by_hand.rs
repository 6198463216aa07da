//! Whatever a device could do to its driver, value by value: for tests that make up misbehaviour
//! which has no name.

use vm_memory::{Bytes, GuestAddress};

use virtio::{DeviceStatus, InterruptStatus};

use super::SoftwareDevice;
use super::queue::Places;
use super::state::State;

impl SoftwareDevice {
    /// Has the device give `maximum` as the largest size of a queue.
    pub fn set_queue_maximum(&self, queue: u16, maximum: u32) {
        self.state().queues[usize::from(queue)].maximum = maximum;
    }

    /// Publishes a completion of any `id` and `length`.
    pub fn publish(&self, queue: u16, id: u32, length: u32) {
        let State { queues, memory, .. } = &mut *self.state();
        queues[usize::from(queue)].complete_as(memory, id, length);
    }

    /// Moves `used.idx` by `distance` from what is right, modulo 2^16.
    pub fn move_used_index(&self, queue: u16, distance: u16) {
        let State { queues, memory, .. } = &mut *self.state();
        queues[usize::from(queue)].jump(memory, distance);
    }

    /// Writes `bytes` at `offset` from where the driver's queues begin, if all of them are between
    /// the guards.
    pub fn overwrite(&self, offset: usize, bytes: &[u8]) {
        let state = self.state();
        if offset
            .checked_add(bytes.len())
            .is_some_and(|end| end <= state.memory.length())
        {
            state.memory.write(state.memory.address(offset), bytes);
        }
    }

    /// Interrupts without a completion: for a change of the configuration that there was not, or
    /// to ask for a reset, as a device can that runs.
    pub fn interrupt(&self, needs_reset: bool) {
        let mut state = self.state();
        if needs_reset && state.status.contains(DeviceStatus::DRIVER_OK) {
            state.status |= DeviceStatus::DEVICE_NEEDS_RESET;
        }
        state.raise(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT);
    }

    /// Where the parts of a queue are that the driver has set up.
    pub fn places(&self, queue: u16) -> Option<Places> {
        self.state().queues[usize::from(queue)].places()
    }

    /// What the device finds at `address`; zeros where no memory is.
    pub fn look<const LENGTH: usize>(&self, address: u64) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        self.look_into(address, &mut bytes);
        bytes
    }

    /// Fills `bytes` with what the device finds at `address`, as far as there is memory.
    pub fn look_into(&self, address: u64, bytes: &mut [u8]) {
        // A shorter answer than asked for leaves the rest, as this function says.
        let _ = self
            .state()
            .memory
            .guest()
            .read(bytes, GuestAddress(address));
    }
}
