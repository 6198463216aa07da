//! What a static musl program calls that prints a line and ends, in the order in which it does
//! (taken with strace).

use hypercall::{PAGE_SIZE, Stream};
use posix::Errno;

use crate::bindings::{
    __NR_arch_prctl, __NR_brk, __NR_exit_group, __NR_ioctl, __NR_mmap, __NR_munmap, __NR_rseq,
    __NR_set_tid_address, __NR_write, __NR_writev, ARCH_SET_FS, MAP_ANONYMOUS, MAP_FIXED,
    MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE, TIOCGWINSZ,
};
use crate::testing::machine::{Machine, error};

const PAGE: u64 = PAGE_SIZE as u64;

#[test]
fn hello_runs_from_its_start_to_its_end() {
    let mut machine = Machine::new();
    let thread = machine.room(64);
    assert_eq!(
        machine.call(__NR_arch_prctl, &[ARCH_SET_FS.into(), thread]),
        Ok(0)
    );
    assert_eq!(machine.program.program_host().thread_pointer(), thread);
    assert_eq!(machine.call(__NR_set_tid_address, &[thread]), Ok(1));

    // The allocator's first steps: two pages of heap, one of them made a guard.
    let heap = machine.call(__NR_brk, &[0]).expect("the break");
    let end = heap + 2 * PAGE;
    assert_eq!(machine.call(__NR_brk, &[end]), Ok(end));
    let anonymous = u64::from(MAP_PRIVATE | MAP_ANONYMOUS);
    let guard = [
        heap,
        PAGE,
        PROT_NONE.into(),
        anonymous | u64::from(MAP_FIXED),
        u64::MAX,
        0,
    ];
    assert_eq!(machine.call(__NR_mmap, &guard), Ok(heap));
    let writable = u64::from(PROT_READ | PROT_WRITE);
    let area = [0, PAGE, writable, anonymous, u64::MAX, 0];
    let area = machine.call(__NR_mmap, &area).expect("a mapping");
    assert_eq!(machine.call(__NR_munmap, &[area, PAGE]), Ok(0));

    // stdio asks whether it writes to a terminal, then writes its buffer and the newline.
    let size = machine.room(8);
    let asked = machine.call(__NR_ioctl, &[1, TIOCGWINSZ.into(), size]);
    assert_eq!(asked, error(Errno::ENOTTY));
    let text = machine.put(b"hello, world");
    let newline = machine.put(b"\n");
    let mut vector = alloc::vec::Vec::new();
    for word in [text, 12, newline, 1] {
        vector.extend(word.to_le_bytes());
    }
    let vector = machine.put(&vector);
    assert_eq!(machine.call(__NR_writev, &[1, vector, 2]), Ok(13));
    assert_eq!(machine.call(__NR_write, &[2, text, 5]), Ok(5));
    assert_eq!(machine.written(Stream::Output), b"hello, world\n");
    assert_eq!(machine.written(Stream::Error), b"hello");
    assert_eq!(machine.ends_with(__NR_exit_group, &[0x107]), 7);
}

#[test]
fn a_missing_call_is_named_once() {
    let mut machine = Machine::new();
    machine.registers.rip = 0xabcd;
    assert_eq!(machine.call(101, &[]), error(Errno::ENOSYS));
    assert_eq!(machine.call(101, &[]), error(Errno::ENOSYS));
    assert_eq!(machine.call(57, &[]), error(Errno::ENOSYS));
    // Of numbers that are no call's the first is named, so that a program cannot fill memory.
    assert_eq!(machine.call(9999, &[]), error(Errno::ENOSYS));
    assert_eq!(machine.call(9998, &[]), error(Errno::ENOSYS));
    assert_eq!(machine.call(__NR_rseq, &[]), error(Errno::ENOSYS));
    let expected: &[u8] = b"\
        anykernel: system call 101 (ptrace) at 0xabcd is not implemented\n\
        anykernel: system call 57 (fork) at 0xabcd is refused: a program here is one process \
        with one thread\n\
        anykernel: system call 9999 (no call of Linux) at 0xabcd is not implemented\n";
    assert_eq!(machine.written(Stream::Error), expected);
}
