//! Images on a TAP interface, in a network namespace of their own.

use std::process::Command;

use crate::workshop::{ANYKERNEL, Workshop, text};

/// Runs `script` in a namespace with the interface `tap0` at 10.9.0.1/24; says so, and returns
/// nothing, where there can be none.
fn in_namespace(workshop: &Workshop, script: &str) -> Option<String> {
    let prepare = "ip link set lo up && ip tuntap add tap0 mode tap && \
                   ip addr add 10.9.0.1/24 dev tap0 && ip link set tap0 up";
    let unshared = |script: &str| {
        let mut command = workshop.command("unshare");
        command.args(["--net", "sh", "-c", script]);
        command
    };
    let prepared = unshared(prepare).output();
    if !prepared.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: a network namespace with a TAP interface needs root and iproute2");
        return None;
    }
    let mut command: Command = unshared(&format!("{prepare}\n{script}"));
    let output = command.env("ANYKERNEL", ANYKERNEL).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(text(&output.stdout))
}

/// Answers one connection and ends at once, in one of three ways, with the status 143.
const SERVER: &str = r#"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char **words) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), client;
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
    static char bytes[100000];
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 5)) return 1;
    if ((client = accept(listener, 0, 0)) < 0) return 2;
    if (write(client, bytes, sizeof bytes) != sizeof bytes) return 3;
    if (words[1][0] == 'k') raise(SIGTERM);
    if (words[1][0] == 'e') _exit(143);
    return 143;
}
"#;

/// Reads slowly into a small buffer, so that the server's last bytes wait in the server, and says
/// how many bytes came before the end.
const CLIENT: &str = r#"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
    int small = 4096, fd;
    long total = 0, count;
    char bytes[2000];
    inet_aton("10.9.0.2", &to.sin_addr);
    for (int tries = 0;; tries++) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        if (connect(fd, (void *)&to, sizeof to) == 0) break;
        if (tries == 300) return 1;
        close(fd);
        usleep(100000);
    }
    usleep(300000);
    while ((count = read(fd, bytes, sizeof bytes)) > 0) {
        total += count;
        usleep(3000);
    }
    printf("%ld bytes, then %ld\n", total, count);
    return 0;
}
"#;

#[test]
fn what_a_program_has_sent_arrives_though_it_ends_at_once() {
    let workshop = Workshop::new();
    workshop.compile(SERVER, "server", &[]);
    workshop.compile(CLIENT, "client", &[]);
    for way in ["return", "exit", "kill"] {
        let script = format!(
            "$ANYKERNEL run --accel tcg --net tap=tap0 --ip 10.9.0.2/24 server -- {way} &\n\
             ./client; wait $!; echo status $?"
        );
        let Some(output) = in_namespace(&workshop, &script) else {
            return;
        };
        assert_eq!(output, "100000 bytes, then 0\nstatus 143\n", "{way}");
    }
}
