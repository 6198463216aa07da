//! Bare metal as hypervisors give it: one x86-64 processor, entered by the PVH boot protocol.
//!
//! [`start`] brings the machine up and gives it as a [`hypercall::Host`] and a
//! [`hypercall::ProgramHost`]; [`run_program`] lets a program run on it. The kernel library that
//! images are linked from adds the components.
//!
//! The linker script supplies the symbols `kernel_text_start`, `kernel_text_end`,
//! `kernel_rodata_start`, `kernel_rodata_end` and `kernel_bss_end`; the final product supplies
//! `kernel_main(start_info: u64) -> !`, the memory functions of C, and a panic handler.
#![no_std]

extern crate alloc;

mod address_space;
mod block;
mod clock;
mod console;
mod cpu;
mod devices;
mod entropy;
mod entry;
mod failure;
mod frames;
mod heap;
mod host;
mod image_tables;
mod interrupts;
mod kernel_cell;
mod machine;
mod memory;
mod page_table;
mod paging;
mod paravirtual_clock;
mod pit;
mod program;
mod requests;
mod start_info;
mod tables;
mod trap;
mod wait;

pub use block::{HeapLender, LentBuffer};
pub use console::{emergency_exit, emergency_write, has_come as request_has_come};
pub use devices::open as open_device;
pub use failure::record_kernel_here;
pub use heap::KernelHeap;
pub use host::{KvmHost, MachineWaker};
pub use image_tables::protection;
pub use interrupts::interrupt_by;
pub use machine::{Machine, StartError, start};
pub use memory::dma_region;
pub use program::KvmProgramHost;
pub use trap::{ProgramKernel, run_program};
