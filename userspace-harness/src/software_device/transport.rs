//! The registers of a software device: what its driver sees of it beside the shared memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use virtio::{DeviceStatus, DeviceType, InterruptStatus, Transport, TransportError};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Misbehaviour;
use super::state::{EVENT_INDEX, State};

/// The driver's end of a software device. It keeps the shared memory mapped.
#[derive(Clone, Debug)]
pub struct SoftwareTransport(pub(super) Arc<Mutex<State>>);

impl SoftwareTransport {
    /// The device's state, for one access to a register.
    fn access(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.accesses += 1;
        assert!(
            state.accesses <= state.accesses_allowed,
            "the driver does not answer in time"
        );
        state
    }
}

impl Transport for SoftwareTransport {
    fn device_type(&self) -> DeviceType {
        self.access().class
    }

    fn read_device_features(&mut self) -> u64 {
        self.access().offered
    }

    fn write_driver_features(&mut self, features: u64) {
        let mut state = self.access();
        let offered = state.offered;
        state.require(features & !offered == 0, "accepted what was not offered");
        state.accepted = features;
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        let state = self.access();
        state
            .queues
            .get(usize::from(queue))
            .map_or(0, |queue| queue.maximum)
    }

    fn notify(&mut self, queue: u16) {
        let mut state = self.access();
        let running = state.status.contains(DeviceStatus::DRIVER_OK);
        state.require(running, "notified a device that does not run");
        if let Some(queue) = state.queues.get_mut(usize::from(queue)) {
            queue.notifications += 1;
        }
    }

    fn get_status(&self) -> DeviceStatus {
        self.access().status
    }

    fn set_status(&mut self, status: DeviceStatus) {
        let mut state = self.access();
        if !status.is_empty() {
            state.status = status;
            if state.is(Misbehaviour::FeaturesOkRefused) {
                state.status.remove(DeviceStatus::FEATURES_OK);
            }
        } else if !state.is(Misbehaviour::ResetNeverFinished) {
            state.reset();
        }
    }

    fn set_guest_page_size(&mut self, _: u32) {
        self.access().require(false, "used the legacy interface");
    }

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, descriptors: u64, driver: u64, device: u64) {
        let mut state = self.access();
        let event_index = state.accepted & EVENT_INDEX != 0;
        let State { queues, memory, .. } = &mut *state;
        let addresses = [descriptors, driver, device];
        let taken = queues.get_mut(usize::from(queue)).is_some_and(|queue| {
            size <= queue.maximum && queue.set_up(memory, size, addresses, event_index)
        });
        state.require(taken, "gave a queue that cannot be one");
    }

    fn queue_unset(&mut self, queue: u16) {
        if let Some(queue) = self.access().queues.get_mut(usize::from(queue)) {
            queue.reset();
        }
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        let state = self.access();
        state
            .queues
            .get(usize::from(queue))
            .is_some_and(|queue| queue.is_ready())
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::from_bits_truncate(std::mem::take(&mut self.access().reasons))
    }

    fn read_config_generation(&self) -> u32 {
        self.access().generation
    }

    fn read_config_space<V: FromBytes + IntoBytes>(
        &self,
        offset: usize,
    ) -> Result<V, TransportError> {
        let mut state = self.access();
        if state.is(Misbehaviour::ConfigurationChanging) {
            state.generation = state.generation.wrapping_add(1);
        }
        let rest = state.configuration.get(offset..);
        let value = rest.and_then(|rest| V::read_from_prefix(rest).ok());
        let (value, _) = value.ok_or(TransportError::ConfigSpaceTooSmall)?;
        Ok(value)
    }

    fn write_config_space<V: IntoBytes + Immutable>(
        &mut self,
        _: usize,
        _: V,
    ) -> Result<(), TransportError> {
        Err(TransportError::Unsupported)
    }
}
