//! `anykernel.toml`: one file for `bake` and `run`, under the command line.

use std::net::TcpListener;

use crate::guest;
use crate::run::{finish, start};
use crate::workshop::{Workshop, text, user_error};

/// A workshop with the stand-in kernel, a program, and this configuration.
fn with(configuration: &str) -> Workshop {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop.compile("int main() { return 0; }\n", "hello", &["-s"]);
    workshop.write("anykernel.toml", configuration);
    workshop
}

/// What the guest's words are when `run` is given `arguments`.
fn words(workshop: &Workshop, arguments: &[&str]) -> String {
    let output = finish(start(workshop, arguments));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

const HELLO: &str = "\
program = 'hello'
library = 'libguest.a'
output = 'image'
args = ['words']
[env]
COLOUR = 'green'
";

#[test]
fn bake_and_run_read_the_same_file() {
    let workshop = with(HELLO);
    let shown = words(&workshop, &[]);
    assert!(shown.contains("anykernel.env=COLOUR=green"), "{shown}");
    let output = workshop.anykernel(&["bake"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&workshop.anykernel(&["inspect", "image"]).stdout);
    for line in ["arguments    hello words", "environment  COLOUR=green"] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
}

#[test]
fn the_command_line_says_otherwise() {
    let workshop = with(HELLO);
    let arguments = [
        "--env",
        "COLOUR=red",
        "--env",
        "SIZE=1",
        "--",
        "words",
        "more",
    ];
    let shown = words(&workshop, &arguments);
    assert!(!shown.contains("green"), "{shown}");
    for word in ["arg=more", "env=COLOUR=red", "env=SIZE=1"] {
        assert!(shown.contains(&format!("anykernel.{word}")), "{shown}");
    }
}

#[test]
fn another_file_is_named() {
    let workshop = with("nonsense");
    std::fs::create_dir(workshop.path("elsewhere")).unwrap();
    let other = HELLO
        .replace("'hello'", "'../hello'")
        .replace("'libg", "'../libg");
    workshop.write("elsewhere/other.toml", other);
    let output = workshop.anykernel(&["bake", "--config", "elsewhere/other.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(workshop.path("elsewhere/image").is_file());
    let missing = workshop.anykernel(&["bake", "--config", "missing.toml"]);
    assert!(user_error(&missing).contains("missing.toml: No such file"));
}

#[test]
fn what_is_wrong_is_said_in_one_line_and_nothing_is_written() {
    let workshop = with("");
    for (configuration, start) in [
        (
            "memroy = '64M'\n",
            "anykernel.toml:1:1: unknown key memroy; allowed are program,",
        ),
        (
            "\n memory = 64\n",
            "anykernel.toml:2:11: invalid type: integer `64`, expected a string",
        ),
        ("root = [", "anykernel.toml:1:9: "),
    ] {
        workshop.write("anykernel.toml", configuration);
        for command in ["bake", "run"] {
            let output = workshop.anykernel(&[command, "hello"]);
            let message = user_error(&output);
            assert!(
                message.starts_with(&format!("anykernel: {start}")),
                "{message}"
            );
        }
    }
    workshop.write(
        "anykernel.toml",
        "output = 'image'\nroot = 'missing'\nlibrary = 'libguest.a'",
    );
    assert!(user_error(&workshop.anykernel(&["bake", "hello"])).contains("missing"));
    assert!(!workshop.path("image").exists());
}

#[test]
fn what_nobody_says_is_asked_for() {
    let workshop = with("");
    assert!(user_error(&workshop.anykernel(&["run"])).contains("`program = \"FILE\"`"));
    assert!(user_error(&workshop.anykernel(&["bake"])).contains("`program = \"FILE\"`"));
    assert!(user_error(&workshop.anykernel(&["bake", "hello"])).contains("by -o"));
}

#[test]
fn a_port_in_use_is_named_with_a_way_out() {
    let workshop = with(HELLO);
    let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let configuration = format!("with = ['net']\nports = ['{port}:80']\n{HELLO}");
    workshop.write("anykernel.toml", configuration);
    let message = user_error(&finish(start(&workshop, &[])));
    assert!(message.contains(&format!("port {port}: ")), "{message}");
    assert!(
        message.contains("in use") && message.contains("-p OTHER:80"),
        "{message}"
    );
}

#[test]
fn a_wire_without_another_end_is_named() {
    let workshop = with(&format!(
        "with = ['net']\nnet = 'unix=wire'\nip = '10.0.0.2/24'\n{HELLO}"
    ));
    let message = user_error(&finish(start(&workshop, &[])));
    assert!(
        message.contains("unix=wire") && message.contains("must listen"),
        "{message}"
    );
    // A socket that its owner has left behind.
    drop(std::os::unix::net::UnixListener::bind(workshop.path("wire")).unwrap());
    assert!(user_error(&finish(start(&workshop, &[]))).contains("refused"));
}
