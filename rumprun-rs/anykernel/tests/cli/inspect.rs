//! Inspecting an image.

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
