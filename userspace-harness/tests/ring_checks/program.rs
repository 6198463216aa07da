//! A program that replays the ring's corpus with a driver's crate of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the program is made of beside its own two files: where it is in the workspace and where
/// in the program.
const SOURCES: [(&str, &str); 8] = [
    ("hypercall/Cargo.toml", "hypercall/Cargo.toml"),
    ("hypercall/src", "hypercall/src"),
    ("components/virtio/Cargo.toml", "virtio/Cargo.toml"),
    ("components/virtio/src", DRIVERS),
    (
        "userspace-harness/src/software_device",
        "src/software_device",
    ),
    (
        "userspace-harness/src/software_device.rs",
        "src/software_device.rs",
    ),
    ("userspace-harness/src/fuzzing/ring", "src/fuzzing/ring"),
    (
        "userspace-harness/src/fuzzing/ring.rs",
        "src/fuzzing/ring.rs",
    ),
];
/// The driver's crate in the program.
const DRIVERS: &str = "virtio/src";

/// Replays each file of the folder it is given.
const MAIN: &str = r#"
mod software_device;
mod fuzzing {
    pub mod ring;
    pub type LiveBytes = fn() -> usize;
}
fn main() {
    let folder = std::env::args_os().nth(1).expect("a folder");
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        let input = std::fs::read(entry.expect("readable").path()).expect("readable");
        fuzzing::ring::ring(&input, || 0);
    }
}
"#;

/// The copies.
pub struct Program {
    folder: PathBuf,
}

impl Program {
    /// The sources as they are. There is one program at a time: it is always in the same folder,
    /// so that what was built for it is used again.
    pub fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ring-checks");
        let program = Self { folder };
        for (from, to) in SOURCES {
            copy(&root().join(from), &program.path(to));
        }
        copy(&root().join("Cargo.lock"), &program.path("Cargo.lock"));
        write(&program.path("Cargo.toml"), &manifest());
        write(&program.path("src/main.rs"), MAIN);
        program
    }

    /// Changes a file of the driver's crate.
    pub fn set_source(&self, file: &str, text: &str) {
        write(&self.path(DRIVERS).join(file), text);
    }

    /// Builds the program, which must be possible, and says whether the whole corpus passes.
    pub fn replays(&self) -> bool {
        let target = self.path("target");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--offline", "--target-dir"]);
        build.arg(&target).current_dir(&self.folder);
        build
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTFLAGS", "-Awarnings");
        let built = build.output().expect("cargo runs");
        let report = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{report}");
        let mut replay = Command::new(target.join("debug/ring-checks"));
        replay.arg(root().join("userspace-harness/fuzz/corpus/ring"));
        let replay = replay.stderr(Stdio::null()).status();
        replay.expect("it was just built").success()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The text of a file of the driver's crate in the workspace.
pub fn original(file: &str) -> String {
    let path = root().join("components/virtio/src").join(file);
    fs::read_to_string(path).expect("a source")
}

/// The workspace's manifest, with this program as the workspace's root.
fn manifest() -> String {
    let whole = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let start = whole
        .find("[workspace.package]")
        .expect("what members share");
    let end = whole.find("\n[profile.").expect("profiles come last");
    let names = [
        "hypercall",
        "libc",
        "smallvec",
        "virtio",
        "virtio-queue",
        "vm-memory",
        "zerocopy",
    ];
    let used: String = names
        .map(|name| format!("{name}.workspace = true\n"))
        .concat();
    let shared = whole[start..end].replace("components/virtio", "virtio");
    format!(
        "[package]\nname = \"ring-checks\"\nedition = \"2024\"\n\n[dependencies]\n{used}\n\
         [workspace]\nmembers = [\"hypercall\", \"virtio\"]\n\n{shared}"
    )
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        return write(to, &fs::read_to_string(from).expect("a source"));
    }
    for entry in fs::read_dir(from).expect("a folder of sources") {
        let entry = entry.expect("readable");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).expect("room for files");
    fs::write(path, text).expect("room for files");
}
