//! Mappings through their calls: files, protections, what is refused.

use hypercall::PAGE_SIZE;
use posix::Errno;

use crate::bindings::{
    __NR_brk, __NR_madvise, __NR_mmap, __NR_mprotect, __NR_mremap, __NR_munmap, __NR_open,
    __NR_write, MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_SHARED,
    MREMAP_MAYMOVE, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE,
};
use crate::testing::machine::{Machine, error};
use hypercall::ProgramHost as _;

const PAGE: u64 = PAGE_SIZE as u64;
const ANONYMOUS: u32 = MAP_PRIVATE | MAP_ANONYMOUS;

fn map(machine: &mut Machine, length: u64, protection: u32, flags: u32) -> Result<u64, i32> {
    let arguments = [0, length, protection.into(), flags.into(), u64::MAX, 0];
    machine.call(__NR_mmap, &arguments)
}

fn map_file(machine: &mut Machine, protection: u32, flags: u32) -> Result<u64, i32> {
    let path = machine.string("/file");
    let fd = machine
        .call(__NR_open, &[path, 0o102, 0o644])
        .expect("a file");
    let text = machine.string("content");
    assert_eq!(machine.call(__NR_write, &[fd, text, 7]), Ok(7));
    let arguments = [0, 2 * PAGE, protection.into(), flags.into(), fd, 0];
    machine.call(__NR_mmap, &arguments)
}

fn set(machine: &mut Machine, address: u64, bytes: &[u8]) {
    let host = machine.program.program_host();
    host.copy_out(bytes, address).expect("mapped");
}

#[test]
fn a_file_s_bytes_are_there_and_zeros_behind_them() {
    let mut machine = Machine::new();
    let at = map_file(&mut machine, PROT_READ, MAP_PRIVATE).expect("mapped");
    assert_eq!(machine.get(at, 9), b"content\0\0");
    assert_eq!(machine.get(at + PAGE, 8), [0; 8]);
    let kind = machine.program.program_host().protection(at);
    assert_eq!(kind, Some(hypercall::Protection::READ));
}

#[test]
fn a_shared_mapping_of_a_file_can_be_read_only() {
    let mut machine = Machine::new();
    let at = map_file(&mut machine, PROT_READ, MAP_SHARED).expect("mapped");
    assert_eq!(machine.get(at, 7), b"content");
    let both = u64::from(PROT_READ | PROT_WRITE);
    let protect = machine.call(__NR_mprotect, &[at, PAGE, both]);
    assert_eq!(protect, error(Errno::EACCES));
    let mut machine = Machine::new();
    let writable = map_file(&mut machine, PROT_READ | PROT_WRITE, MAP_SHARED);
    assert_eq!(writable, error(Errno::ENODEV));
}

#[test]
fn a_pipe_is_not_mapped() {
    let mut machine = Machine::new();
    let standard_input = [0, PAGE, PROT_READ.into(), MAP_PRIVATE.into(), 0, 0];
    assert_eq!(
        machine.call(__NR_mmap, &standard_input),
        error(Errno::ENODEV)
    );
}

#[test]
fn writable_and_executable_at_once_is_refused() {
    let mut machine = Machine::new();
    let both = PROT_READ | PROT_WRITE | PROT_EXEC;
    assert_eq!(
        map(&mut machine, PAGE, both, ANONYMOUS),
        error(Errno::EACCES)
    );
    let at = map(&mut machine, PAGE, PROT_WRITE, ANONYMOUS).expect("mapped");
    let protect = machine.call(__NR_mprotect, &[at, PAGE, both.into()]);
    assert_eq!(protect, error(Errno::EACCES));
    // One after the other is fine.
    let protect = machine.call(__NR_mprotect, &[at, PAGE, PROT_EXEC.into()]);
    assert_eq!(protect, Ok(0));
}

#[test]
fn more_than_there_is_in_all_is_refused_unless_it_is_only_reserved() {
    let mut machine = Machine::new();
    let large = 16 << 20;
    let writable = PROT_READ | PROT_WRITE;
    let all = map(&mut machine, large, writable, ANONYMOUS);
    assert_eq!(all, error(Errno::ENOMEM));
    assert!(map(&mut machine, large, PROT_NONE, ANONYMOUS).is_ok());
}

#[test]
fn a_mapping_grows_and_keeps_its_content() {
    let mut machine = Machine::new();
    let at = map(&mut machine, PAGE, PROT_READ | PROT_WRITE, ANONYMOUS).expect("mapped");
    set(&mut machine, at, b"kept");
    let flags = MREMAP_MAYMOVE.into();
    let grown = machine.call(__NR_mremap, &[at, PAGE, 3 * PAGE, flags]);
    let grown = grown.expect("moved or grown");
    assert_eq!(machine.get(grown, 4), b"kept");
    assert_eq!(machine.get(grown + 2 * PAGE, 1), [0]);
    let forget = [grown, PAGE, MADV_DONTNEED.into()];
    assert_eq!(machine.call(__NR_madvise, &forget), Ok(0));
    assert_eq!(machine.get(grown, 4), [0; 4]);
    let shrunk = machine.call(__NR_mremap, &[grown, 3 * PAGE, PAGE, 0]);
    assert_eq!(shrunk, Ok(grown));
    let gone = machine.program.program_host().protection(grown + PAGE);
    assert_eq!(gone, None);
}

#[test]
fn what_is_there_is_not_replaced_unless_asked() {
    let mut machine = Machine::new();
    let at = map(&mut machine, PAGE, PROT_READ, ANONYMOUS).expect("mapped");
    let flags = u64::from(ANONYMOUS | MAP_FIXED_NOREPLACE);
    let again = [at, PAGE, PROT_READ.into(), flags, u64::MAX, 0];
    assert_eq!(machine.call(__NR_mmap, &again), error(Errno::EEXIST));
    assert_eq!(machine.call(__NR_munmap, &[at, PAGE]), Ok(0));
    assert_eq!(machine.call(__NR_mmap, &again), Ok(at));
}

#[test]
fn a_break_that_cannot_be_stays_where_it_is() {
    let mut machine = Machine::new();
    let start = machine.call(__NR_brk, &[0]).expect("the break");
    assert_eq!(machine.call(__NR_brk, &[start + (1 << 30)]), Ok(start));
    assert_eq!(machine.call(__NR_brk, &[start - 1]), Ok(start));
    assert_eq!(machine.call(__NR_brk, &[start + 1]), Ok(start + 1));
}
