//! The same calls made of Linux and of a [`Machine`]: results, errors and what is written to
//! memory must be the same.
//!
//! A script is a list of calls. A C program makes them of the Linux that the tests run on and
//! prints what came of each; the machine's answers are printed in the same form.

extern crate std;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::fs;
use std::process::Command;

use crate::bindings::*;
use crate::testing::machine::Machine;

/// An argument of a call.
#[derive(Clone, Copy)]
enum Argument {
    /// A number.
    Number(i64),
    /// What the earlier call of this index returned.
    Result(usize),
    /// The low or high half of the first word that the earlier call wrote.
    First(usize),
    Second(usize),
    /// A string, or other bytes to be read.
    Bytes(&'static [u8]),
    /// So many words of these values, to be read and written; what is there afterwards is
    /// compared.
    Words(&'static [u64]),
}

use Argument::{Bytes, First, Number, Result, Second, Words};

type Script = &'static [(u32, &'static [Argument])];

const ZERO: Argument = Number(0);
const NULL: Argument = Number(0);
const CREATE: Argument = Number(0o102);
const MODE: Argument = Number(0o644);
const PRIVATE: Argument = Number((MAP_PRIVATE | MAP_ANONYMOUS) as i64);
const NO_FD: Argument = Number(-1);
const SET: Argument = Number(8);
const BLANK: Argument = Words(&[0]);

#[rustfmt::skip]
const FILES: Script = &[
    (__NR_open, &[Bytes(b"file\0"), CREATE, MODE]),
    (__NR_write, &[Result(0), Bytes(b"0123456789"), Number(10)]),
    (__NR_lseek, &[Result(0), Number(-3), Number(SEEK_END as i64)]),
    (__NR_lseek, &[Result(0), Number(-30), Number(SEEK_END as i64)]),
    (__NR_lseek, &[Result(0), ZERO, Number(9)]),
    (__NR_lseek, &[Result(0), Number(4), Number(SEEK_SET as i64)]),
    (__NR_read, &[Result(0), BLANK, Number(8)]),
    (__NR_read, &[Result(0), BLANK, Number(8)]),
    (__NR_pread64, &[Result(0), BLANK, Number(8), Number(8)]),
    (__NR_pread64, &[Result(0), BLANK, Number(8), Number(-8)]),
    (__NR_pwrite64, &[Result(0), Bytes(b"ab"), Number(2), Number(12)]),
    (__NR_pread64, &[Result(0), BLANK, Number(8), Number(8)]),
    (__NR_ftruncate, &[Result(0), Number(3)]),
    (__NR_ftruncate, &[Result(0), Number(-3)]),
    (__NR_lseek, &[Result(0), ZERO, Number(SEEK_END as i64)]),
    (__NR_fcntl, &[Result(0), Number(F_GETFD as i64)]),
    (__NR_fcntl, &[Result(0), Number(F_SETFD as i64), Number(1)]),
    (__NR_fcntl, &[Result(0), Number(F_GETFD as i64)]),
    (__NR_fcntl, &[Result(0), Number(F_SETFL as i64), Number(O_APPEND as i64 | O_NONBLOCK as i64)]),
    (__NR_fcntl, &[Result(0), Number(99)]),
    (__NR_write, &[Result(0), Bytes(b"end"), Number(3)]),
    (__NR_fsync, &[Result(0)]),
    (__NR_getdents64, &[Result(0), Words(&[0, 0, 0, 0]), Number(32)]),
    (__NR_close, &[Result(0)]),
    (__NR_close, &[Result(0)]),
    (__NR_read, &[Result(0), BLANK, Number(8)]),
    (__NR_open, &[Bytes(b"file\0"), Number(0o302), MODE]),
    (__NR_open, &[Bytes(b"missing\0"), ZERO]),
    (__NR_open, &[Bytes(b"\0"), ZERO]),
    (__NR_open, &[Bytes(b"file/x\0"), ZERO]),
    (__NR_truncate, &[Bytes(b"file\0"), Number(1)]),
    (__NR_access, &[Bytes(b"file\0"), Number(9)]),
    (__NR_access, &[Bytes(b"file\0"), Number(6)]),
    (__NR_access, &[Bytes(b"missing\0"), Number(6)]),
];

#[rustfmt::skip]
const NAMES: Script = &[
    (__NR_mkdir, &[Bytes(b"dir\0"), Number(0o755)]),
    (__NR_mkdir, &[Bytes(b"dir\0"), Number(0o755)]),
    (__NR_open, &[Bytes(b"dir/a\0"), CREATE, MODE]),
    (__NR_rmdir, &[Bytes(b"dir\0")]),
    (__NR_unlink, &[Bytes(b"dir\0")]),
    (__NR_rename, &[Bytes(b"dir/a\0"), Bytes(b"dir/b\0")]),
    (__NR_rename, &[Bytes(b"dir/a\0"), Bytes(b"dir/b\0")]),
    (__NR_link, &[Bytes(b"dir/b\0"), Bytes(b"c\0")]),
    (__NR_symlink, &[Bytes(b"dir/b\0"), Bytes(b"link\0")]),
    (__NR_readlink, &[Bytes(b"link\0"), BLANK, Number(8)]),
    (__NR_readlink, &[Bytes(b"link\0"), BLANK, Number(3)]),
    (__NR_readlink, &[Bytes(b"link\0"), BLANK, Number(0)]),
    (__NR_readlink, &[Bytes(b"c\0"), BLANK, Number(8)]),
    (__NR_open, &[Bytes(b"link\0"), ZERO]),
    (__NR_open, &[Bytes(b"link\0"), Number(O_NOFOLLOW as i64)]),
    (__NR_open, &[Bytes(b"c\0"), Number(O_DIRECTORY as i64)]),
    (__NR_open, &[Bytes(b"dir\0"), Number(1)]),
    (__NR_open, &[Bytes(b"dir\0"), ZERO]),
    (__NR_read, &[Result(17), BLANK, Number(8)]),
    (__NR_openat, &[Result(17), Bytes(b"b\0"), ZERO]),
    (__NR_openat, &[Result(13), Bytes(b"b\0"), ZERO]),
    (__NR_openat, &[Number(77), Bytes(b"b\0"), ZERO]),
    (__NR_chmod, &[Bytes(b"c\0"), Number(0o600)]),
    (__NR_unlinkat, &[Number(AT_FDCWD as i64), Bytes(b"c\0"), Number(AT_REMOVEDIR as i64)]),
    (__NR_unlinkat, &[Number(AT_FDCWD as i64), Bytes(b"c\0"), Number(1)]),
    (__NR_unlink, &[Bytes(b"c\0")]),
    (__NR_unlink, &[Bytes(b"dir/b\0")]),
    (__NR_rmdir, &[Bytes(b"dir\0")]),
    (__NR_chdir, &[Bytes(b"dir\0")]),
    (__NR_getcwd, &[BLANK, Number(1)]),
    (__NR_umask, &[Number(0o777)]),
    (__NR_umask, &[Number(0o22)]),
    (__NR_utimensat, &[Number(AT_FDCWD as i64), Bytes(b".\0"), Words(&[0, 2_000_000_000, 0, 0]), ZERO]),
    (__NR_unlink, &[Bytes(b"link\0")]),
];

#[rustfmt::skip]
const DESCRIPTORS: Script = &[
    (__NR_pipe2, &[BLANK, Number(O_NONBLOCK as i64)]),
    (__NR_read, &[First(0), BLANK, Number(8)]),
    (__NR_write, &[Second(0), Bytes(b"hello"), Number(5)]),
    (__NR_ioctl, &[First(0), Number(FIONREAD as i64), BLANK]),
    (__NR_ioctl, &[First(0), Number(TIOCGWINSZ as i64), BLANK]),
    (__NR_ioctl, &[Number(77), Number(TIOCGWINSZ as i64), BLANK]),
    (__NR_read, &[First(0), BLANK, Number(3)]),
    (__NR_lseek, &[First(0), ZERO, ZERO]),
    (__NR_write, &[First(0), Bytes(b"x"), Number(1)]),
    (__NR_pipe2, &[BLANK, Number(1)]),
    (__NR_dup2, &[First(0), Number(50)]),
    (__NR_dup3, &[First(0), First(0), ZERO]),
    (__NR_dup3, &[First(0), Number(51), Number(1)]),
    (__NR_dup2, &[Number(77), Number(50)]),
    (__NR_dup2, &[First(0), Number(-1)]),
    (__NR_read, &[Number(50), BLANK, Number(8)]),
    (__NR_fcntl, &[First(0), Number(F_DUPFD as i64), Number(60)]),
    (__NR_fcntl, &[First(0), Number(F_DUPFD as i64), Number(-1)]),
    (__NR_close_range, &[Number(50), Number(60), ZERO]),
    (__NR_close_range, &[Number(60), Number(50), ZERO]),
    (__NR_close, &[Number(50)]),
    (__NR_eventfd2, &[Number(3), Number(O_NONBLOCK as i64)]),
    (__NR_read, &[Result(21), BLANK, Number(8)]),
    (__NR_read, &[Result(21), BLANK, Number(8)]),
    (__NR_read, &[Result(21), BLANK, Number(4)]),
    (__NR_write, &[Result(21), Words(&[u64::MAX]), Number(8)]),
    (__NR_eventfd2, &[Number(3), Number(4)]),
    (__NR_readv, &[First(0), BLANK, Number(-1)]),
    (__NR_writev, &[Second(0), BLANK, Number(1025)]),
    (__NR_writev, &[Second(0), Words(&[0, u64::MAX]), Number(1)]),
    (__NR_writev, &[Second(0), BLANK, Number(0)]),
    (__NR_socketpair, &[Number(AF_UNIX as i64), Number(SOCK_STREAM as i64), ZERO, BLANK]),
    (__NR_sendto, &[First(31), Bytes(b"over"), Number(4), ZERO, NULL, ZERO]),
    (__NR_recvfrom, &[Second(31), BLANK, Number(8), Number(MSG_PEEK as i64), NULL, NULL]),
    (__NR_recvfrom, &[Second(31), BLANK, Number(8), ZERO, NULL, NULL]),
    (__NR_recvfrom, &[Second(31), BLANK, Number(8), Number(MSG_DONTWAIT as i64), NULL, NULL]),
    (__NR_shutdown, &[First(31), Number(SHUT_WR as i64)]),
    (__NR_shutdown, &[First(31), Number(3)]),
    (__NR_recvfrom, &[Second(31), BLANK, Number(8), ZERO, NULL, NULL]),
    (__NR_listen, &[First(0), Number(5)]),
    (__NR_getsockopt, &[First(31), Number(SOL_SOCKET as i64), Number(SO_TYPE as i64), BLANK, Words(&[4])]),
];

#[rustfmt::skip]
const READINESS: Script = &[
    (__NR_pipe2, &[BLANK, ZERO]),
    (__NR_poll, &[Words(&[0x0001_0000_0000 | 77]), Number(1), ZERO]),
    (__NR_poll, &[Words(&[0x0001_ffff_ffff]), Number(1), ZERO]),
    (__NR_epoll_create1, &[ZERO]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_ADD as i64), First(0), Bytes(b"\x01\0\0\0abcdefgh")]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_ADD as i64), First(0), Bytes(b"\x01\0\0\0abcdefgh")]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_MOD as i64), Second(0), Bytes(b"\x01\0\0\0abcdefgh")]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_ADD as i64), Result(3), Bytes(b"\x01\0\0\0abcdefgh")]),
    (__NR_epoll_ctl, &[Result(3), Number(9), First(0), Bytes(b"\x01\0\0\0abcdefgh")]),
    (__NR_epoll_wait, &[Result(3), Words(&[0, 0, 0]), Number(2), ZERO]),
    (__NR_write, &[Second(0), Bytes(b"x"), Number(1)]),
    (__NR_epoll_wait, &[Result(3), Words(&[0, 0, 0]), Number(2), ZERO]),
    (__NR_epoll_wait, &[Result(3), Words(&[0, 0, 0]), Number(0), ZERO]),
    (__NR_epoll_wait, &[First(0), Words(&[0, 0, 0]), Number(2), ZERO]),
    (__NR_select, &[Number(-1), NULL, NULL, NULL, Words(&[0, 0])]),
    (__NR_select, &[Number(70), NULL, NULL, NULL, Words(&[0, 0])]),
    (__NR_select, &[Number(1), NULL, NULL, NULL, Words(&[0, u64::MAX])]),
    (__NR_select, &[Number(64), Words(&[1 << 60]), NULL, NULL, Words(&[0, 0])]),
    (__NR_close, &[Second(0)]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_DEL as i64), First(0), NULL]),
    (__NR_epoll_ctl, &[Result(3), Number(EPOLL_CTL_DEL as i64), First(0), NULL]),
];

#[rustfmt::skip]
const SIGNALS_AND_TIME: Script = &[
    (__NR_rt_sigprocmask, &[Number(SIG_BLOCK as i64), Words(&[0x4200]), Words(&[0]), SET]),
    (__NR_rt_sigprocmask, &[Number(7), Words(&[0x4200]), NULL, SET]),
    (__NR_rt_sigprocmask, &[Number(7), NULL, BLANK, SET]),
    (__NR_rt_sigprocmask, &[ZERO, NULL, NULL, Number(16)]),
    (__NR_rt_sigprocmask, &[Number(SIG_UNBLOCK as i64), Words(&[0x4000]), Words(&[0]), SET]),
    (__NR_rt_sigprocmask, &[ZERO, NULL, Words(&[0]), SET]),
    (__NR_rt_sigaction, &[Number(9), Words(&[1, 0, 0, 0]), NULL, SET]),
    (__NR_rt_sigaction, &[Number(65), NULL, NULL, SET]),
    (__NR_rt_sigaction, &[ZERO, NULL, NULL, SET]),
    (__NR_rt_sigaction, &[Number(12), Words(&[1, 0x1000_0004, 0, 0x30]), Words(&[9, 9, 9, 9]), SET]),
    (__NR_rt_sigaction, &[Number(12), NULL, Words(&[9, 9, 9, 9]), SET]),
    (__NR_rt_sigpending, &[BLANK, SET]),
    (__NR_rt_sigtimedwait, &[Words(&[0x4000]), NULL, Words(&[0, 0]), SET]),
    (__NR_rt_sigtimedwait, &[Words(&[0x4000]), NULL, Words(&[0, 1_000_000_000]), SET]),
    (__NR_sigaltstack, &[NULL, Words(&[7, 7, 7])]),
    (__NR_sigaltstack, &[Words(&[0, 7, 7]), NULL]),
    (__NR_sigaltstack, &[Words(&[0, 0, 7]), NULL]),
    (__NR_nanosleep, &[Words(&[0, 1_000_000_000]), NULL]),
    (__NR_nanosleep, &[Words(&[u64::MAX, 0]), NULL]),
    (__NR_nanosleep, &[Words(&[0, 0]), NULL]),
    (__NR_clock_nanosleep, &[Number(1), Number(1), Words(&[0, 1]), NULL]),
    (__NR_clock_nanosleep, &[Number(99), Number(1), Words(&[0, 1]), NULL]),
    (__NR_clock_gettime, &[Number(99), BLANK]),
    (__NR_clock_getres, &[Number(1), Words(&[0, 0])]),
    (__NR_alarm, &[Number(100)]),
    (__NR_alarm, &[ZERO]),
    (__NR_setitimer, &[Number(9), Words(&[0, 0, 0, 0]), NULL]),
    (__NR_setitimer, &[ZERO, Words(&[0, 0, 0, 1_000_000]), NULL]),
    (__NR_getitimer, &[ZERO, Words(&[7, 7, 7, 7])]),
    (__NR_futex, &[Words(&[5]), ZERO, Number(4), NULL]),
    (__NR_futex, &[Words(&[5]), ZERO, Number(5), Words(&[0, 1])]),
    (__NR_futex, &[Words(&[5]), Number(1), Number(5), NULL]),
    (__NR_futex, &[Number(3), ZERO, Number(5), NULL]),
    (__NR_futex, &[Words(&[5]), Number(9), Number(5), NULL, NULL, ZERO]),
    (__NR_getrandom, &[BLANK, Number(8), Number(64)]),
    (__NR_prctl, &[Number(PR_SET_NAME as i64), Bytes(b"a longer name than fits\0")]),
    (__NR_prctl, &[Number(PR_GET_NAME as i64), Words(&[0, 0])]),
    (__NR_prctl, &[Number(PR_SET_NO_NEW_PRIVS as i64), Number(2)]),
    (__NR_wait4, &[NO_FD, NULL, ZERO, NULL]),
    (__NR_kill, &[ZERO, Number(99)]),
    (__NR_tgkill, &[ZERO, Number(1), Number(1)]),
    (__NR_arch_prctl, &[Number(0x9999), ZERO]),
    (__NR_capget, &[Words(&[1]), NULL]),
];

#[rustfmt::skip]
const MEMORY: Script = &[
    (__NR_mmap, &[NULL, ZERO, Number(3), PRIVATE, NO_FD, ZERO]),
    (__NR_mmap, &[NULL, Number(4096), Number(3), Number(MAP_ANONYMOUS as i64), NO_FD, ZERO]),
    (__NR_mmap, &[NULL, Number(4096), Number(1), Number(MAP_PRIVATE as i64), Number(77), ZERO]),
    (__NR_mmap, &[NULL, Number(4096), Number(1), Number(MAP_PRIVATE as i64), ZERO, Number(5)]),
    (__NR_mmap, &[Number(5), Number(4096), Number(3), Number((MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) as i64), NO_FD, ZERO]),
    (__NR_mmap, &[NULL, Number(i64::MAX), Number(3), PRIVATE, NO_FD, ZERO]),
    (__NR_munmap, &[Number(5), Number(4096)]),
    (__NR_munmap, &[Number(4096), ZERO]),
    (__NR_mprotect, &[Number(5), Number(4096), ZERO]),
    (__NR_mprotect, &[Number(4096), Number(4096), ZERO]),
    (__NR_mprotect, &[Number(4096), ZERO, ZERO]),
    (__NR_mremap, &[Number(4096), Number(4096), Number(8192), Number(1)]),
    (__NR_mremap, &[Number(4096), Number(4096), Number(8192), Number(9)]),
    (__NR_mremap, &[Number(4096), Number(4096), Number(8192), Number(2), ZERO]),
    (__NR_madvise, &[Number(4096), Number(4096), Number(4)]),
    (__NR_madvise, &[Number(5), Number(4096), Number(4)]),
    (__NR_madvise, &[Number(4096), Number(4096), Number(99)]),
    (__NR_open, &[Bytes(b"mapped\0"), CREATE, MODE]),
    (__NR_mmap, &[NULL, Number(4096), Number(3), Number(MAP_PRIVATE as i64), Result(17), Number(i64::MAX - 4095)]),
    (__NR_unlink, &[Bytes(b"mapped\0")]),
];

#[test]
fn files_are_as_on_linux() {
    compare(FILES);
}

#[test]
fn names_are_as_on_linux() {
    compare(NAMES);
}

#[test]
fn descriptors_are_as_on_linux() {
    compare(DESCRIPTORS);
}

#[test]
fn readiness_is_as_on_linux() {
    compare(READINESS);
}

#[test]
fn signals_and_time_are_as_on_linux() {
    compare(SIGNALS_AND_TIME);
}

#[test]
fn memory_is_as_on_linux() {
    compare(MEMORY);
}

fn compare(script: Script) {
    let ours = ours(script);
    let linux = linux(script);
    for (index, (number, _)) in script.iter().enumerate() {
        let name = crate::call_name((*number).into());
        assert_eq!(ours.get(index), linux.get(index), "call {index}, {name:?}");
    }
}

/// What a machine answers.
fn ours(script: Script) -> Vec<String> {
    let mut machine = Machine::new();
    let mut results = Vec::new();
    let mut pairs: Vec<u64> = Vec::new();
    let mut lines = Vec::new();
    for (number, arguments) in script {
        let mut compared = Vec::new();
        let values: Vec<u64> = arguments
            .iter()
            .map(|argument| match *argument {
                Number(value) => value.cast_unsigned(),
                Result(index) => results[index],
                First(index) => pairs[index] & 0xffff_ffff,
                Second(index) => pairs[index] >> 32,
                Bytes(bytes) => machine.put(bytes),
                Words(words) => {
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    let address = machine.put(&bytes);
                    compared.push((address, words.len()));
                    address
                }
            })
            .collect();
        let result = machine.call(*number, &values);
        let shown = match result {
            Ok(value) => value.cast_signed(),
            Err(errno) => -i64::from(errno),
        };
        let mut line = format!("{shown}");
        let mut first = None;
        for (address, count) in compared {
            for index in 0..count as u64 {
                let word = machine.get_u64(address + 8 * index);
                first.get_or_insert(word);
                line.push_str(&format!(" {word:x}"));
            }
        }
        results.push(shown.cast_unsigned());
        pairs.push(first.unwrap_or(0));
        lines.push(line);
    }
    lines
}

/// What Linux answers, in an empty folder.
fn linux(script: Script) -> Vec<String> {
    let mut source = String::from(
        "#define _GNU_SOURCE\n#include <errno.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         #include <sys/syscall.h>\nlong r[99]; unsigned long p[99];\nint main(void) {\n",
    );
    for (index, (number, arguments)) in script.iter().enumerate() {
        source.push_str(&statement(index, *number, arguments));
    }
    source.push_str("return 0; }\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, program) = (folder.path().join("s.c"), folder.path().join("s"));
    fs::write(&file, source).expect("a file");
    let compiled = Command::new("cc")
        .arg("-w")
        .arg(&file)
        .arg("-o")
        .arg(&program)
        .status();
    assert!(compiled.expect("a C compiler").success());
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).expect("a folder");
    let output = Command::new(&program)
        .current_dir(&inside)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{:?}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(String::from).collect()
}

/// A C statement that makes a call and writes a line.
fn statement(index: usize, number: u32, arguments: &[Argument]) -> String {
    let mut prepare = String::new();
    let mut show = String::new();
    let mut first = None;
    let mut values = String::new();
    for (at, argument) in arguments.iter().enumerate() {
        values.push_str(", (long)");
        match *argument {
            Number(value) => values.push_str(&format!("{value}L")),
            Result(index) => values.push_str(&format!("r[{index}]")),
            First(index) => values.push_str(&format!("(p[{index}] & 0xffffffff)")),
            Second(index) => values.push_str(&format!("(p[{index}] >> 32)")),
            Bytes(bytes) => {
                let list: Vec<String> = bytes.iter().map(|byte| format!("{byte}")).collect();
                let list = list.join(",");
                prepare.push_str(&format!("static char a{at}[] = {{{list}}};"));
                values.push_str(&format!("a{at}"));
            }
            Words(words) => {
                let list: Vec<String> = words.iter().map(|word| format!("{word}UL")).collect();
                let list = list.join(",");
                prepare.push_str(&format!("static unsigned long a{at}[] = {{{list}}};"));
                values.push_str(&format!("a{at}"));
                first.get_or_insert(at);
                for word in 0..words.len() {
                    show.push_str(&format!("printf(\" %lx\", a{at}[{word}]);"));
                }
            }
        }
    }
    let keep = match first {
        Some(at) => format!("p[{index}] = a{at}[0];"),
        None => String::new(),
    };
    format!(
        "{{ {prepare} long v = syscall({number}{values}); if (v == -1) v = -errno; \
         r[{index}] = v; {keep} printf(\"%ld\", v); {show} puts(\"\"); }}\n"
    )
}
