//! Inspecting an image.

use std::fs;

use object::elf;
use serde_json::{Value, json};

use crate::guest;
use crate::workshop::{Workshop, text, user_error};

#[test]
fn an_image_says_what_it_is() {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop.compile("int main() { return 0; }\n", "hello", &[]);
    let bake = [
        "bake",
        "--library",
        "libguest.a",
        "-o",
        "image",
        "hello",
        "--env",
        "A=b c",
    ];
    workshop.anykernel(&[&bake[..], &["--with", "net", "--", "x y"]].concat());
    let shown = text(&workshop.anykernel(&["inspect", "image"]).stdout);
    for line in [
        "components   net",
        "arguments    hello x y",
        "environment  A=b c",
        "root         0 bytes",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    let calls = shown.lines().find(|line| line.starts_with("calls  "));
    assert!(
        calls.is_some_and(|calls| calls.ends_with(" exit_group")),
        "{shown}"
    );
}

#[test]
fn other_files_are_no_images() {
    let workshop = Workshop::new();
    workshop.compile("int main() { return 0; }\n", "hello", &[]);
    assert!(user_error(&workshop.anykernel(&["inspect", "hello"])).contains("anykernel bake"));
    assert!(user_error(&workshop.anykernel(&["inspect", "missing"])).contains("missing"));
}

/// A workshop with the image of a program on the stand-in kernel.
fn with_image() -> Workshop {
    let workshop = Workshop::new();
    guest::library(&workshop);
    workshop.compile("int main() { return 0; }\n", "hello", &[]);
    workshop.write("bin/file", [b'x'; 3000]);
    let bake = [
        "bake",
        "--library",
        "libguest.a",
        "-o",
        "image",
        "hello",
        "--root",
        "bin",
    ];
    let output = workshop.anykernel(&bake);
    assert!(output.status.success(), "{}", text(&output.stderr));
    workshop
}

fn report(workshop: &Workshop) -> Value {
    let output = workshop.anykernel(&["inspect", "--json", "image"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The bytes of the part called `name`.
fn size_of(report: &Value, name: &str) -> u64 {
    let parts = report["sizes"].as_array().unwrap();
    let part = parts.iter().find(|part| part["part"] == name);
    part.map_or(0, |part| part["bytes"].as_u64().unwrap())
}

#[test]
fn the_parts_add_up_to_the_file() {
    let workshop = with_image();
    let report = report(&workshop);
    let file = fs::metadata(workshop.path("image")).unwrap().len();
    let parts = report["sizes"].as_array().unwrap();
    let sum: u64 = parts
        .iter()
        .map(|part| part["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!((sum, report["size"].as_u64()), (file, Some(file)));
    assert!(size_of(&report, "root folder") > 3000);
    assert!(size_of(&report, "wiring") > 0, "{report}");
    let program = fs::metadata(workshop.path("hello")).unwrap().len();
    assert!(
        (1000..program).contains(&size_of(&report, "program")),
        "{report}"
    );
    let segments = report["segments"].as_array().unwrap();
    assert_eq!(
        (&segments[0]["of"], &segments[0]["rights"]),
        (&json!("kernel"), &json!("r-x"))
    );
    assert_eq!(segments.last().unwrap()["of"], "files and words");
}

/// As `cargo xtask bench` makes them by hand: `run` and `inspect` take them all the same.
#[test]
fn an_image_need_not_know_its_parts() {
    let workshop = with_image();
    let mut image = fs::read(workshop.path("image")).unwrap();
    let kind = (elf::PT_LOOS + 0x61_6b73).to_le_bytes();
    let place = image.windows(4).position(|bytes| bytes == kind).unwrap();
    image[place..place + 4].copy_from_slice(&elf::PT_NULL.0.to_le_bytes());
    workshop.write("image", image);
    let report = report(&workshop);
    assert_eq!(size_of(&report, "constants"), 0);
    assert!(size_of(&report, "root folder") > 3000);
}

#[test]
fn a_chart_without_a_terminal_is_plain() {
    let shown = text(&with_image().anykernel(&["inspect", "image"]).stdout);
    assert!(shown.is_ascii(), "{shown}");
    let bar = shown.lines().find(|line| line.contains(" % "));
    assert!(bar.is_some_and(|bar| bar.ends_with('#')), "{shown}");
    assert!(shown.contains("rights  of\n  0x100000"), "{shown}");
}

#[test]
fn a_drawing_is_written_whole_or_not_at_all() {
    let workshop = with_image();
    let output = workshop.anykernel(&["inspect", "image", "--svg", "chart.svg"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let drawing = fs::read_to_string(workshop.path("chart.svg")).unwrap();
    assert!(drawing.contains(">program</text>"), "{drawing}");
    assert_eq!(
        drawing.matches("<text").count(),
        drawing.matches("</text>").count()
    );
    let message = user_error(&workshop.anykernel(&["inspect", "image", "--svg", "no/chart.svg"]));
    assert!(message.contains("no/chart.svg: No such file"), "{message}");
}

#[cfg(embedded_library)]
#[test]
fn each_component_has_its_share() {
    let workshop = Workshop::new();
    let baked = |source: &str| {
        workshop.compile(source, "program", &[]);
        let output = workshop.anykernel(&["bake", "program", "-o", "image"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        report(&workshop)
    };
    let greeting = baked("#include <stdio.h>\nint main() { puts(\"hello\"); }\n");
    for part in ["posix", "linux-abi", "kvm", "program", "constants"] {
        assert!(size_of(&greeting, part) > 500, "{part}: {greeting}");
    }
    assert!(size_of(&greeting, "net") < 500, "{greeting}");
    let server = baked(
        "#include <sys/socket.h>\nint main() { return socket(AF_INET, SOCK_STREAM, 0) < 0; }\n",
    );
    assert!(size_of(&server, "net") > 20_000, "{server}");
    assert!(size_of(&server, "virtio") > 1000, "{server}");
    let unnamed = size_of(&server, "other code") * 20;
    assert!(unnamed < server["size"].as_u64().unwrap(), "{server}");
}
