//! The kernel library inside this binary: what it makes of a program behaves as Linux does with
//! the same file.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use rustix::process::Signal;

use crate::run::{finish, line, send, start};
use crate::workshop::{Workshop, text};

/// Runs `program` on Linux and in an image, with the same arguments and input, and expects the
/// same output and the same status.
fn same_as_linux(
    workshop: &Workshop,
    program: &str,
    options: &[&str],
    arguments: &[&str],
    input: &[u8],
) -> Output {
    let mut linux = workshop
        .command(workshop.path(program))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    linux.stdin.take().unwrap().write_all(input).unwrap();
    let linux = finish(linux);
    let mut booted = start(workshop, &[options, &[program, "--"], arguments].concat());
    booted.stdin.take().unwrap().write_all(input).unwrap();
    let booted = finish(booted);
    assert_eq!(text(&booted.stderr), text(&linux.stderr));
    assert_eq!(text(&booted.stdout), text(&linux.stdout));
    assert_eq!(booted.status, linux.status);
    booted
}

#[test]
fn output_and_status() {
    let workshop = Workshop::new();
    let source = "#include <stdio.h>\n\
        int main() { puts(\"hello\"); fprintf(stderr, \"%d%%\\n\", 42); return 213; }\n";
    for (program, options) in [("placed", &[][..]), ("fixed", &["-no-pie", "-fno-pie"])] {
        workshop.compile(source, program, options);
        let output = same_as_linux(&workshop, program, &[], &[], b"");
        assert_eq!(
            (text(&output.stdout).as_str(), output.status.code()),
            ("hello\n", Some(213))
        );
    }
}

#[test]
fn arguments_environment_and_input() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         int main(int count, char **arguments) {\n\
           for (int i = 1; i < count; i++) printf(\"[%s]\", arguments[i]);\n\
           for (int c; (c = getchar()) != EOF; ) putchar(c ^ 1);\n\
           return isatty(0) + isatty(1) + isatty(2);\n\
         }\n",
        "program",
        &[],
    );
    let input: Vec<u8> = (0..10_000_u32)
        .map(|index| b'a' + (index % 26) as u8)
        .collect();
    let output = same_as_linux(&workshop, "program", &[], &["a b", "", "%20"], &input);
    assert_eq!(output.stdout.len(), "[a b][][%20]".len() + input.len());
}

#[test]
fn the_environment_is_what_was_given() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stdio.h>\nint main(int count, char **arguments, char **environment) {\n\
         while (*environment) puts(*environment++); }\n",
        "program",
        &[],
    );
    let output = finish(start(
        &workshop,
        &["program", "--env", "A=b c", "--env", "D="],
    ));
    assert_eq!(
        text(&output.stdout),
        "A=b c\nD=\n",
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn files_of_the_root_folder() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stdio.h>\n#include <errno.h>\nint main() {\n\
         char line[80]; FILE *file = fopen(\"/folder/page\", \"r\");\n\
         if (!file || !fgets(line, sizeof line, file)) return 1;\n\
         fputs(line, stdout);\n\
         return fopen(\"/folder/page\", \"w\") || errno != EROFS ? 2 : 0; }\n",
        "program",
        &[],
    );
    std::fs::create_dir_all(workshop.path("root/folder")).unwrap();
    workshop.write("root/folder/page", "a page\n");
    let output = finish(start(&workshop, &["program", "--root", "root"]));
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("a page\n", Some(0))
    );
}

#[test]
fn signals_reach_their_handlers() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         static volatile sig_atomic_t last;\n\
         static void handle(int number) { last = number; }\n\
         int main() {\n\
           struct sigaction action = { .sa_handler = handle };\n\
           sigaction(SIGINT, &action, 0); sigaction(SIGTERM, &action, 0);\n\
           setvbuf(stdout, 0, _IOLBF, 0);\n\
           for (puts(\"ready\"); last != SIGTERM; ) { pause(); printf(\"signal %d\\n\", last); }\n\
           return 5;\n\
         }\n",
        "program",
        &[],
    );
    let mut child = start(&workshop, &["program"]);
    assert_eq!(line(&mut child), "ready\n");
    send(&child, Signal::INT);
    assert_eq!(line(&mut child), "signal 2\n");
    send(&child, Signal::TERM);
    let output = finish(child);
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        ("signal 15\n", Some(5))
    );
}

#[test]
fn a_signal_without_handler_ends_the_program() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stdio.h>\n#include <unistd.h>\nint main() { puts(\"ready\"); fflush(stdout); pause(); }\n",
        "program",
        &[],
    );
    let mut child = start(&workshop, &["program"]);
    assert_eq!(line(&mut child), "ready\n");
    send(&child, Signal::TERM);
    assert_eq!(finish(child).status.code(), Some(128 + 15));
}

#[test]
fn a_forwarded_port_leads_to_the_program() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <arpa/inet.h>\n#include <stdio.h>\n#include <sys/socket.h>\n#include <unistd.h>\n\
         int main() {\n\
           int listener = socket(AF_INET, SOCK_STREAM, 0), client;\n\
           struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };\n\
           char bytes[4096];\n\
           if (bind(listener, (void *)&any, sizeof any) || listen(listener, 5)) return 1;\n\
           puts(\"ready\"); fflush(stdout);\n\
           if ((client = accept(listener, 0, 0)) < 0) return 2;\n\
           for (int count; (count = read(client, bytes, sizeof bytes)) > 0; )\n\
             if (write(client, bytes, count) != count) return 3;\n\
           return 0;\n\
         }\n",
        "program",
        &[],
    );
    let port = free_port();
    let mut child = start(
        &workshop,
        &["-p", &format!("127.0.0.1:{port}:80"), "program"],
    );
    assert_eq!(line(&mut child), "ready\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let sent: Vec<u8> = (0..100_000_u32).map(|index| (index % 253) as u8).collect();
    let mut sender = stream.try_clone().unwrap();
    let writer = {
        let sent = sent.clone();
        std::thread::spawn(move || {
            sender.write_all(&sent).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(received == sent, "{} bytes came back", received.len());
    assert_eq!(finish(child).status.code(), Some(0));
}

/// QEMU, whose devices offer only what virtio was before its first version.
const LEGACY_QEMU: &str = "#!/bin/sh\n\
    for word; do\n\
      shift\n\
      [ \"$word\" = virtio-mmio.force-legacy=false ] && word=virtio-mmio.force-legacy=true\n\
      set -- \"$@\" \"$word\"\n\
    done\n\
    exec qemu-system-x86_64 \"$@\"\n";

#[test]
fn a_device_that_cannot_be_used_is_named_and_the_program_runs() {
    let workshop = Workshop::new();
    workshop.compile(
        "#include <stdio.h>\n#include <sys/socket.h>\n\
         int main() { puts(socket(AF_INET, SOCK_STREAM, 0) < 0 ? \"no network\" : \"network\"); }\n",
        "program",
        &[],
    );
    let qemu = workshop.write("qemu", LEGACY_QEMU);
    std::fs::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
    let child = start(&workshop, &["--qemu", qemu.to_str().unwrap(), "program"]);
    let output = finish(child);
    assert_eq!(text(&output.stdout), "no network\n");
    assert_eq!(
        text(&output.stderr),
        "anykernel: a device is not used: it offers only the legacy virtio interface\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

/// QEMU, which gives the machine less memory than it is told to.
const SPARING_QEMU: &str = "#!/bin/sh\n\
    for word; do\n\
      shift\n\
      [ \"$previous\" = -m ] && previous= && word=1536K || previous=$word\n\
      set -- \"$@\" \"$word\"\n\
    done\n\
    exec qemu-system-x86_64 \"$@\"\n";

/// QEMU says nothing of segments that lie beyond the machine's memory.
#[test]
fn the_kernel_notices_that_a_part_of_the_image_is_missing() {
    let workshop = Workshop::new();
    workshop.compile(
        "char large[1 << 20] = {1};\nint main() { return large[1]; }\n",
        "program",
        &[],
    );
    let qemu = workshop.write("qemu", SPARING_QEMU);
    std::fs::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
    let child = start(&workshop, &["--qemu", qemu.to_str().unwrap(), "program"]);
    let output = finish(child);
    let said = text(&output.stderr);
    assert!(
        said.starts_with("anykernel: ") && said.contains("too little"),
        "{said}"
    );
    assert_eq!((said.lines().count(), output.status.code()), (1, Some(126)));
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
