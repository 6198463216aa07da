//! The system calls of an image: those that its program can make.

use std::collections::BTreeSet;

use crate::guest;
use crate::workshop::{Workshop, text};

/// A program without a C library: what it calls is all there is.
const BARE: &str = r#"
static long call(long number, long argument)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "a"(number), "D"(argument) : "rcx", "r11", "memory");
	return result;
}

void _start(void)
{
	call(ONE, 0);
	call(60, 0);
}
"#;

const HELLO: &str = "#include <stdio.h>\nint main() { printf(\"hello %d\\n\", 3); }\n";

const FILES: &str = r#"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(const void *a, const void *b) { return *(const char *)a - *(const char *)b; }

int main(void)
{
	char line[] = "qsort", *copy = realpath(".", 0);
	FILE *file = fopen("scratch", "w+");
	DIR *folder = opendir(".");
	struct stat status;

	qsort(line, 5, 1, compare);
	fputs(line, file);
	rewind(file);
	fgets(line, sizeof line, file);
	fclose(file);
	while (readdir(folder))
		;
	closedir(folder);
	stat("scratch", &status);
	truncate("scratch", 0);
	rename("scratch", "other");
	unlink("other");
	free(copy);
	return 0;
}
"#;

const SOCKETS: &str = r#"
#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct addrinfo *found;
	struct epoll_event event = {EPOLLOUT};
	struct pollfd poll_one = {1, POLLOUT};
	int pair[2], set = epoll_create1(0), other = socket(AF_INET, SOCK_DGRAM, 0);
	char byte = 'x';

	getaddrinfo("127.0.0.1", "80", 0, &found);
	pipe(pair);
	epoll_ctl(set, EPOLL_CTL_ADD, pair[1], &event);
	epoll_wait(set, &event, 1, 0);
	poll(&poll_one, 1, 0);
	write(pair[1], &byte, 1);
	read(pair[0], &byte, 1);
	close(other);
	return 0;
}
"#;

const SIGNALS: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void handle(int number) { }
static void *run(void *argument) { return argument; }

int main(void)
{
	struct itimerval soon = {{0, 0}, {0, 1000}};
	pthread_t thread;

	signal(SIGALRM, handle);
	raise(SIGALRM);
	setitimer(ITIMER_REAL, &soon, 0);
	pause();
	usleep(1);
	syscall(SYS_gettid);
	setuid(getuid());
	if (!pthread_create(&thread, 0, run, 0))
		pthread_join(thread, 0);
	return system("true");
}
"#;

/// The calls that `inspect` shows of an image of `program`, and what `bake` said.
fn calls(workshop: &Workshop, program: &str, options: &[&str]) -> (BTreeSet<String>, String) {
    let bake = ["bake", "--library", "libguest.a", "-o", "image", program];
    let baked = workshop.anykernel(&[&bake[..], options].concat());
    let said = text(&baked.stderr);
    assert!(baked.status.success(), "{said}");
    let shown = text(&workshop.anykernel(&["inspect", "image"]).stdout);
    let line = shown.lines().find_map(|line| line.strip_prefix("calls"));
    let names = line.expect("inspect tells the calls").split_whitespace();
    (names.map(str::to_owned).collect(), said)
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn with_guest() -> Workshop {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop
}

#[test]
fn a_program_has_exactly_its_calls() {
    let workshop = with_guest();
    let bare = ["-nostdlib", "-DONE=39", "-O2"];
    for options in [&bare[..], &[&bare[..], &["-s"]].concat()] {
        workshop.compile(BARE, "bare", options);
        let (found, said) = calls(&workshop, "bare", &[]);
        assert_eq!((found, said), (set(&["getpid", "exit"]), String::new()));
    }
}

#[test]
fn a_call_that_the_kernel_has_not_is_left_to_it() {
    let workshop = with_guest();
    workshop.compile(BARE, "bare", &["-nostdlib", "-DONE=101", "-O2"]); // ptrace
    assert_eq!(calls(&workshop, "bare", &[]).0, set(&["exit"]));
}

#[test]
fn hello_opens_nothing() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &["-O2"]);
    let (found, said) = calls(&workshop, "hello", &[]);
    assert!(said.is_empty(), "{said}");
    assert!(set(&["writev", "ioctl", "exit_group"]).is_subset(&found));
    for absent in ["open", "read", "poll", "socket", "rt_sigaction"] {
        assert!(!found.contains(absent), "{absent} is in {found:?}");
    }
}

#[test]
fn numbers_are_followed_through_the_library() {
    let workshop = with_guest();
    let source = "#define _GNU_SOURCE\n#include <unistd.h>\n#include <sys/syscall.h>\n\
                  int main() { char c; return read(0, &c, 1) + syscall(SYS_gettid); }\n";
    for options in [&["-O0"][..], &["-Os"], &["-no-pie", "-fno-pie"], &["-s"]] {
        workshop.compile(source, "program", options);
        let (found, said) = calls(&workshop, "program", &[]);
        assert!(said.is_empty(), "{options:?}: {said}");
        assert!(set(&["read", "gettid"]).is_subset(&found), "{options:?}");
        assert!(!found.contains("write"), "{options:?}: {found:?}");
    }
}

#[test]
fn a_number_from_outside_takes_all_calls_and_says_why() {
    let workshop = with_guest();
    workshop.compile(HELLO, "hello", &[]);
    let all = calls(&workshop, "hello", &["--calls", "all"]);
    assert!(all.0.contains("socket") && all.1.is_empty());
    let by_argument = "#include <unistd.h>\nint main(int c, char **v) { return syscall(c); }\n";
    let by_pointer = "#include <unistd.h>\nlong (*volatile f)(long, ...) = syscall;\n\
                      int main() { return f(39); }\n";
    for (source, options, reason) in [
        (
            by_argument,
            &[][..],
            "in syscall is not known before it runs",
        ),
        (by_argument, &["-s"], "the program is stripped"),
        (by_pointer, &[], "a pointer may lead to"),
        (
            by_pointer,
            &["-no-pie", "-fno-pie"],
            "a pointer may lead to",
        ),
        (by_pointer, &["-s"], "the program is stripped"),
    ] {
        workshop.compile(source, "program", options);
        let (found, said) = calls(&workshop, "program", &[]);
        assert_eq!(found, all.0, "{options:?}");
        assert!(said.contains(reason) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn what_is_no_code_takes_all_calls() {
    let workshop = with_guest();
    let source = "asm(\".text\\n.byte 6\\n\");\nint main() { return 0; }\n";
    workshop.compile(source, "program", &[]);
    let (found, said) = calls(&workshop, "program", &[]);
    assert!(said.contains("is no instruction"), "{said}");
    assert!(found.contains("socket"));
}

/// Linux sees no call of a program that is not in its image, if there is such a call at all.
#[test]
fn every_call_that_linux_sees_was_foreseen() {
    let workshop = with_guest();
    if workshop.command("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed (Debian: apt install strace)");
        return;
    }
    for (name, source) in [
        ("hello", HELLO),
        ("files", FILES),
        ("sockets", SOCKETS),
        ("signals", SIGNALS),
    ] {
        workshop.compile(source, name, &["-O2", "-w"]);
        let (all, _) = calls(&workshop, name, &["--calls", "all"]);
        let (found, said) = calls(&workshop, name, &[]);
        assert!(said.is_empty(), "{name}: {said}");
        assert!(found.len() < all.len(), "{name}");
        let seen: BTreeSet<_> = linux_sees(&workshop, name);
        assert!(seen.contains("exit_group"), "{name}: {seen:?}");
        let missing: Vec<_> = seen
            .intersection(&all)
            .filter(|call| !found.contains(*call))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

/// The calls that strace shows of `program`, but not those of programs that it starts.
fn linux_sees(workshop: &Workshop, program: &str) -> BTreeSet<String> {
    let output = workshop
        .command("strace")
        .args(["-f", "-o", "trace"])
        .arg(workshop.path(program))
        .output()
        .expect("strace is there");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let trace = std::fs::read_to_string(workshop.path("trace")).expect("strace wrote it");
    let mut ended = BTreeSet::new();
    let mut first = true;
    let mut seen = BTreeSet::new();
    for line in trace.lines() {
        let (process, rest) = line.split_once(' ').expect("a process and what it does");
        let Some((name, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if ended.contains(process) || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        // The first program is ours; another one that a process becomes is not.
        match name {
            "execve" if first => first = false,
            "execve" => drop(ended.insert(process.to_owned())),
            _ => drop(seen.insert(name.to_owned())),
        }
    }
    seen
}
