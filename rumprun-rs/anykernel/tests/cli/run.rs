//! Running: a machine looks like the program in it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use crate::guest;
use crate::workshop::{ANYKERNEL, Workshop, text, user_error};

/// No run here takes longer, whatever else the machine does.
const DEADLINE: Duration = Duration::from_secs(60);

/// A workshop with the image of a program called `hello` that takes the stand-in kernel's wishes.
fn with_image(options: &[&str]) -> Workshop {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop.compile("int main() { return 0; }\n", "hello", &["-s"]);
    let bake = ["bake", "--library", "libguest.a", "-o", "image", "hello"];
    let output = workshop.anykernel(&[&bake, options].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    workshop
}

/// Starts `run` on the translator, which is there everywhere.
pub fn start(workshop: &Workshop, arguments: &[&str]) -> Child {
    workshop
        .command(ANYKERNEL)
        .args(["run", "--accel", "tcg"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end of `child`, whose pipes are read to theirs.
pub fn finish(mut child: Child) -> Output {
    let deadline = Instant::now() + DEADLINE;
    drop(child.stdin.take());
    let mut waiter = child.stdout.take().map(collect);
    let mut errors = child.stderr.take().map(collect);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it did not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
    let joined = |thread: &mut Option<thread::JoinHandle<Vec<u8>>>| {
        thread
            .take()
            .map(|thread| thread.join().unwrap())
            .unwrap_or_default()
    };
    let (stdout, stderr) = (joined(&mut waiter), joined(&mut errors));
    Output {
        status: child.wait().unwrap(),
        stdout,
        stderr,
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn run(workshop: &Workshop, arguments: &[&str]) -> Output {
    finish(start(workshop, arguments))
}

pub fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The process that `child` has started, once it is QEMU.
fn qemu_of(child: &Child) -> String {
    let id = child.id();
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        for pid in children.split_whitespace() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("qemu") {
                return pid.to_owned();
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("it has started no QEMU");
}

/// Waits until there is no such process, or only its remains.
fn wait_for_end(pid: &str) {
    let deadline = Instant::now() + DEADLINE;
    let is_there = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    while is_there() {
        assert!(Instant::now() < deadline, "QEMU goes on");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Reads the guest's next line.
pub fn line(child: &mut Child) -> String {
    let mut line = String::new();
    // One byte of buffer, so that nothing of what follows is lost.
    let mut reader = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
    reader.read_line(&mut line).unwrap();
    line
}

#[test]
fn the_guest_finds_what_the_table_promises() {
    let workshop = with_image(&["--root", "bin", "--", "default"]);
    let output = run(&workshop, &["image", "--", "report"]);
    let report = text(&output.stdout);
    assert!(
        report.starts_with(
            "component tarfs\ncomponent ramfs\ncomponent devfs\ncomponent procfs\n\
         program ELF\nwords anykernel.arg=hello anykernel.arg=default"
        ),
        "{report}"
    );
    assert!(report.contains("root x86_64-anykernel-ar\0"), "{report}");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn streams_stay_apart() {
    let output = run(&with_image(&[]), &["image", "--", "streams"]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("output\n".into(), "error\n".into())
    );
}

#[test]
fn all_bits_of_the_status_arrive() {
    let workshop = with_image(&[]);
    for status in [0, 1, 127, 128, 255] {
        let output = run(&workshop, &["image", "--", &format!("status:{status}")]);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_program_is_baked_on_the_fly() {
    let output = run(
        &with_image(&[]),
        &["--library", "libguest.a", "hello", "--", "status:9"],
    );
    assert_eq!(output.status.code(), Some(9), "{}", text(&output.stderr));
}

#[test]
fn input_arrives_whole_with_its_end() {
    let workshop = with_image(&[]);
    let input: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8).collect();
    let mut child = start(&workshop, &["image", "--", "cat"]);
    let mut stdin = child.stdin.take().unwrap();
    let writer = {
        let input = input.clone();
        thread::spawn(move || stdin.write_all(&input).unwrap())
    };
    let output = finish(child);
    writer.join().unwrap();
    assert!(
        output.stdout == input,
        "{} bytes came back",
        output.stdout.len()
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn arguments_may_follow_the_file_and_options_after_it() {
    let workshop = with_image(&[]);
    let output = run(&workshop, &["image", "words", "-", "-m", "32M", "--", "-m"]);
    let words = text(&output.stdout);
    let settings = protocol::Settings::new("", &words);
    assert!(
        settings.arguments().eq(["hello", "words", "-", "-m"]),
        "{words}"
    );
}

#[test]
fn empty_input_ends_at_once() {
    let output = run(&with_image(&[]), &["image", "--", "cat"]);
    assert_eq!((output.stdout, output.status.code()), (Vec::new(), Some(0)));
}

#[test]
fn the_command_line_tells_arguments_environment_and_time() {
    let workshop = with_image(&["--env", "A=1", "--", "default"]);
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    let output = run(
        &workshop,
        &["image", "--env", "B=x y", "--", "words", "a b", ""],
    );
    let words = text(&output.stdout);
    let settings = protocol::Settings::new("anykernel.env=A=1", &words);
    let arguments: Vec<String> = settings
        .arguments()
        .map(|word| text(&protocol::decode(word).collect::<Vec<_>>()))
        .collect();
    assert_eq!(arguments, ["hello", "words", "a b", ""]);
    assert!(settings.environment().eq(["A=1", "B=x%20y"]));
    assert_eq!(settings.terminals(), protocol::Terminals::default());
    let epoch = u128::from(settings.epoch_ns().unwrap());
    assert!(epoch >= before && epoch - before < DEADLINE.as_nanos());
}

#[test]
fn a_long_command_line_arrives_whole() {
    let long = "x".repeat(20_000);
    let output = run(&with_image(&[]), &["image", "--", "words", &long]);
    assert!(
        text(&output.stdout).contains(&long),
        "{} bytes",
        output.stdout.len()
    );
}

#[test]
fn terminals_are_told_of() {
    let workshop = with_image(&[]);
    let command = format!("{ANYKERNEL} run --accel tcg image -- words");
    let output = workshop
        .command("script")
        .args(["-qec", &command, "/dev/null"])
        .output()
        .unwrap();
    let words = text(&output.stdout);
    let terminals = protocol::Settings::new("", &words).terminals();
    assert_eq!(
        terminals,
        protocol::Terminals {
            input: true,
            output: true,
            error: true
        },
        "{words}"
    );
}

#[test]
fn signals_reach_the_program_and_its_last_words_reach_us() {
    let workshop = with_image(&[]);
    let mut child = start(&workshop, &["image", "--", "requests"]);
    assert_eq!(line(&mut child), "ready\n");
    send(&child, Signal::INT);
    assert_eq!(line(&mut child), "interrupt\n");
    send(&child, Signal::TERM);
    let output = finish(child);
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("terminate\n", Some(3))
    );
}

#[test]
fn a_second_interrupt_ends_the_machine() {
    let workshop = with_image(&[]);
    let mut child = start(&workshop, &["image", "--", "requests"]);
    assert_eq!(line(&mut child), "ready\n");
    let qemu = qemu_of(&child);
    send(&child, Signal::INT);
    assert_eq!(line(&mut child), "interrupt\n");
    send(&child, Signal::INT);
    assert_eq!(finish(child).status.code(), Some(130));
    wait_for_end(&qemu);
}

#[test]
fn the_machine_does_not_outlive_run() {
    let workshop = with_image(&[]);
    let mut child = start(&workshop, &["image", "--", "requests"]);
    assert_eq!(line(&mut child), "ready\n");
    let qemu = qemu_of(&child);
    send(&child, Signal::KILL);
    assert_eq!(finish(child).status.signal(), Some(9));
    wait_for_end(&qemu);
}

#[test]
fn a_reader_that_goes_ends_the_machine() {
    let workshop = with_image(&[]);
    let mut child = start(&workshop, &["image", "--", "flood"]);
    assert_eq!(line(&mut child), "flood\n");
    drop(child.stdout.take());
    assert_eq!(finish(child).status.code(), Some(141));
}

#[test]
fn a_kernel_that_fails_is_told_of() {
    let output = run(&with_image(&[]), &["image", "--", "fault"]);
    assert!(user_error(&output).contains("without an exit status"));
}

#[test]
fn the_network_device_is_where_the_words_say() {
    let workshop = with_image(&["--with", "net"]);
    let words = text(&run(&workshop, &["image", "--", "words"]).stdout);
    let settings = protocol::Settings::new("", &words);
    let device = settings.devices().next().expect("the words name a device");
    assert_eq!(
        (device.size, device.address, device.interrupt),
        (512, 0xfeb0_2e00, 47)
    );
    assert_eq!(settings.address().unwrap().address.to_string(), "10.0.2.15");
    assert_eq!(settings.gateway().unwrap().to_string(), "10.0.2.2");
    // Version 2 is virtio 1; device 1 is a network card (virtio 1.2, 5).
    assert_eq!(
        run(&workshop, &["image", "--", "device"]).stdout,
        b"virtio 2 1\n"
    );
}

#[test]
fn without_network_there_is_no_device() {
    for (workshop, options) in [
        (with_image(&[]), &[][..]),
        (with_image(&["--with", "net"]), &["--net", "none"]),
    ] {
        let words = run(&workshop, &[options, &["image", "--", "words"]].concat()).stdout;
        assert!(!text(&words).contains("virtio_mmio"), "{}", text(&words));
        let device = run(&workshop, &[options, &["image", "--", "device"]].concat()).stdout;
        assert_eq!(text(&device), "virtio 2 0\n");
    }
}

#[test]
fn ports_and_interfaces_are_checked_before_anything_starts() {
    let workshop = with_image(&["--with", "net"]);
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let message = user_error(&run(&workshop, &["image", "-p", &format!("{port}:80")]));
    assert!(
        message.contains(&port) && message.contains("in use"),
        "{message}"
    );
    let tap = ["image", "--net", "tap=no-such", "--ip", "10.1.1.2/24"];
    assert!(user_error(&run(&workshop, &tap)).contains("ip tuntap add no-such"));
}

#[test]
fn disks_are_checked_before_anything_starts() {
    let workshop = with_image(&["--with", "contract"]);
    workshop.write("odd", [0; 513]);
    let fails = |disk: &str| user_error(&run(&workshop, &["image", "--disk", disk]));
    assert!(fails("missing").contains("truncate -s 64M missing"));
    assert!(fails("odd").contains("odd: 513 bytes; "));
    assert!(fails("odd,readonly").contains("odd: 513 bytes; "));
    assert!(fails("bin").contains("bin: "));
    let many = ["--disk", "image"].repeat(21);
    let many = [&["image"], &many[..]].concat();
    assert!(user_error(&run(&workshop, &many)).contains("21 disks are too many"));
    let unused = run(&with_image(&[]), &["image", "--disk", "image"]);
    assert!(user_error(&unused).contains("--with block"));
}

#[test]
fn the_way_out_is_named() {
    let workshop = with_image(&[]);
    let fails = |arguments: &[&str]| user_error(&run(&workshop, arguments));
    assert!(fails(&["missing"]).contains("missing: No such file"));
    assert!(fails(&["bin"]).contains("bin: "));
    assert!(fails(&["hello.c"]).contains("not an ELF program"));
    assert!(fails(&["image", "-m", "1M"]).contains("-m 3M"));
    assert!(fails(&["image", "-p", "8080:80"]).contains("--with net"));
    assert!(fails(&["image", "--with", "net"]).contains("anykernel bake"));
    assert!(fails(&["image", "--qemu", "missing"]).contains("--qemu"));
    assert!(fails(&["image", "--qemu", "/bin/false"]).contains("without an exit status"));
    let mut without_path = Command::new(ANYKERNEL);
    without_path
        .current_dir(workshop.path(""))
        .args(["run", "image"])
        .env("PATH", "/nowhere");
    let message = user_error(&without_path.output().unwrap());
    assert!(message.contains("apt install qemu-system-x86"), "{message}");
}

#[test]
fn an_image_of_another_version_is_known_as_one() {
    let workshop = with_image(&[]);
    let mut image = fs::read(workshop.path("image")).unwrap();
    let magic = protocol::ImageTable::MAGIC.to_le_bytes();
    let place = image.windows(8).position(|bytes| bytes == magic).unwrap();
    image[place] ^= 1;
    workshop.write("old", image);
    assert!(user_error(&run(&workshop, &["old"])).contains("bake it again"));
}

#[test]
fn what_qemu_says_is_shown_when_it_refuses() {
    let message = user_error(&run(&with_image(&[]), &["image", "-m", "4000000G"]));
    assert!(
        message.starts_with("anykernel: the machine did not run: "),
        "{message}"
    );
}

#[test]
fn verbose_shows_a_command_that_a_shell_understands() {
    let workshop = with_image(&[]);
    let output = run(&workshop, &["-v", "image", "--", "status:0"]);
    let shown = text(&output.stderr);
    assert!(
        shown.contains("-M microvm,acpi=on") && shown.contains("-append '"),
        "{shown}"
    );
}
