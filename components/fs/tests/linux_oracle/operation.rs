//! Operations, and random sequences of them.

use ::fs::OpenHow;
use proptest::prelude::*;

/// How many files can be held open.
pub const HANDLES: usize = 3;

/// Where a path starts: at the base, or at a held directory (the base while nothing is held).
pub type Start = Option<usize>;

/// A path and where it starts.
pub type From = (Start, String);

#[derive(Clone, Debug)]
pub enum Operation {
    MakeDirectory(From),
    MakeFifo(From),
    RemoveDirectory(From),
    Unlink(From),
    Rename(From, From),
    Link(From, bool, From),
    Symlink(String, From),
    Status(From, bool),
    ReadLink(From),
    List(From),
    Truncate(From, u64),
    /// Opens into a handle.
    Hold(usize, From, OpenHow),
    Drop(usize),
    /// Through a handle: offset, length, byte.
    Write(usize, u64, usize, u8),
    Read(usize, u64, usize),
    HeldStatus(usize),
    HeldPath(usize),
}

/// A small tree to begin with, so that most operations find something.
pub fn prelude() -> Vec<Operation> {
    let at = |path: &str| (None, path.into());
    let new_file = OpenHow {
        create: true,
        writable: true,
        ..OpenHow::default()
    };
    vec![
        Operation::MakeDirectory(at("a")),
        Operation::MakeDirectory(at("a/a")),
        Operation::MakeDirectory(at("a/b")),
        Operation::MakeDirectory(at("a/b/a")),
        Operation::Hold(0, at("a/b/c"), new_file),
        Operation::Write(0, 4090, 100, 7),
        Operation::Hold(1, at("b"), new_file),
        Operation::Link(at("b"), false, at("a/c")),
        Operation::Symlink("a/b".into(), at("c")),
        Operation::Symlink("c".into(), at("a/b/b")),
        Operation::Hold(2, at("a/b"), OpenHow::default()),
    ]
}

/// Few names, so that operations meet; of the longest length, and one too long.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        30 => "[abc]",
        1 => Just("n".repeat(255)),
        1 => Just("n".repeat(256)),
    ]
}

fn from() -> impl Strategy<Value = From> {
    let step = || prop_oneof![12 => name(), 1 => Just(".".into()), 2 => Just("..".into())];
    let steps = prop_oneof![
        2 => proptest::collection::vec(step(), 1..2),
        3 => proptest::collection::vec(step(), 2..4),
    ];
    let start = prop_oneof![3 => Just(None), 1 => (0..HANDLES).prop_map(Some)];
    let slash = prop_oneof![6 => Just(""), 1 => Just("/"), 1 => Just("//")];
    (start, steps, slash).prop_map(|(start, steps, slash)| (start, steps.join("/") + slash))
}

/// Targets have no `..`, so that only the few of a path lead upwards.
fn target() -> impl Strategy<Value = String> {
    let steps = proptest::collection::vec(prop_oneof![8 => name(), 1 => Just(".".into())], 1..3);
    (steps, prop_oneof![6 => Just(""), 1 => Just("/")])
        .prop_map(|(steps, slash)| steps.join("/") + slash)
}

fn how() -> impl Strategy<Value = OpenHow> {
    (any::<[bool; 6]>()).prop_map(
        |[
            create,
            exclusive,
            truncate,
            directory_only,
            follow,
            writable,
        ]| OpenHow {
            create,
            // Without O_CREAT its meaning is undefined.
            exclusive: create && exclusive,
            truncate,
            // Kernels differ on O_CREAT with O_DIRECTORY.
            directory_only: directory_only && !create,
            follow,
            writable,
        },
    )
}

/// Any operation.
pub fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let handle = || 0..HANDLES;
    let offset = || prop_oneof![0..10u64, 4090..4100u64, 0..20_000u64];
    let length = || prop_oneof![0..10usize, 0..9000usize];
    prop_oneof![
        6 => from().prop_map(MakeDirectory),
        1 => from().prop_map(MakeFifo),
        2 => from().prop_map(RemoveDirectory),
        2 => from().prop_map(Unlink),
        6 => (from(), from()).prop_map(|(from, to)| Rename(from, to)),
        3 => (from(), any::<bool>(), from()).prop_map(|(from, follow, to)| Link(from, follow, to)),
        4 => (target(), from()).prop_map(|(target, from)| Symlink(target, from)),
        3 => (from(), any::<bool>()).prop_map(|(from, follow)| Status(from, follow)),
        1 => from().prop_map(ReadLink),
        2 => from().prop_map(List),
        2 => (from(), offset()).prop_map(|(from, size)| Truncate(from, size)),
        8 => (handle(), from(), how()).prop_map(|(handle, from, how)| Hold(handle, from, how)),
        1 => handle().prop_map(Drop),
        3 => (handle(), offset(), length(), any::<u8>())
            .prop_map(|(handle, offset, length, byte)| Write(handle, offset, length, byte)),
        3 => (handle(), offset(), length())
            .prop_map(|(handle, offset, length)| Read(handle, offset, length)),
        1 => handle().prop_map(HeldStatus),
        2 => handle().prop_map(HeldPath),
    ]
}
