//! Archives made by hand, byte by byte where that is the point.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use hypercall::SliceSink;

use super::*;
use crate::{Permissions, Place, Vfs};

/// A member's header with these fields and a right checksum.
fn header(name: &[u8], type_flag: u8, size: u64, link: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000640");
    block[124..135].copy_from_slice(alloc::format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"00000000144");
    block[156] = type_flag;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block
}

/// Puts the right checksum into a header.
fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(alloc::format!("{sum:06o}\0").as_bytes());
}

/// A member with its content.
fn member(name: &[u8], type_flag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, type_flag, content.len() as u64, b"");
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn mount(members: &[Vec<u8>]) -> Result<Vfs, FsError> {
    let file_system = TarFs::new(archive(members))?;
    Ok(Vfs::new(alloc::boxed::Box::new(file_system)))
}

fn find(tree: &mut Vfs, path: &[u8]) -> Result<Place, FsError> {
    tree.resolve(tree.root(), path, false)
}

fn content(tree: &mut Vfs, path: &[u8]) -> Result<Vec<u8>, FsError> {
    let place = find(tree, path)?;
    let mut bytes = vec![0; 4096];
    let length = tree.read(place, 0, &mut SliceSink::new(&mut bytes))?;
    bytes.truncate(length);
    Ok(bytes)
}

fn listing(tree: &mut Vfs, path: &[u8]) -> Vec<String> {
    let directory = find(tree, path).expect("there");
    let mut names = Vec::new();
    let mut cookie = 0;
    while let Some(entry) = tree.read_directory(directory, cookie).expect("a directory") {
        cookie = entry.next;
        names.push(String::from_utf8(entry.name).expect("text"));
    }
    names
}

#[test]
fn files_are_served_with_their_attributes() {
    let mut tree = mount(&[member(b"./a/b", b'0', b"hello")]).expect("whole");
    assert_eq!(content(&mut tree, b"/a/b").as_deref(), Ok(&b"hello"[..]));
    let place = find(&mut tree, b"/a/b").expect("there");
    let attributes = tree.attributes(place).expect("there");
    assert_eq!(
        attributes.permissions,
        Permissions::from_bits_truncate(0o640)
    );
    assert_eq!((attributes.size, attributes.blocks), (5, 1));
    assert_eq!(attributes.times.modified, Duration::from_secs(100));
    let mut room = [0; 2];
    assert_eq!(tree.read(place, 3, &mut SliceSink::new(&mut room)), Ok(2));
    assert_eq!(&room, b"lo");
    assert_eq!(
        tree.read(place, u64::MAX, &mut SliceSink::new(&mut room)),
        Ok(0)
    );
}

#[test]
fn directories_without_members_are_made_up() {
    let members = [
        member(b"usr/lib/x", b'0', b""),
        member(b"usr/lib/", b'5', b""),
        member(b"usr/old/", b'0', b""),
        member(b"./", b'5', b""),
    ];
    let mut tree = mount(&members).expect("whole");
    assert_eq!(listing(&mut tree, b"/"), [".", "..", "usr"]);
    assert_eq!(listing(&mut tree, b"/usr"), [".", "..", "lib", "old"]);
    assert_eq!(listing(&mut tree, b"/usr/lib"), [".", "..", "x"]);
    let mut modes = |path: &[u8]| {
        let place = find(&mut tree, path).expect("there");
        let attributes = tree.attributes(place).expect("there");
        (attributes.permissions.bits(), attributes.links)
    };
    assert_eq!(modes(b"/usr"), (0o755, 4));
    assert_eq!(modes(b"/usr/lib"), (0o640, 2));
    assert_eq!(modes(b"/"), (0o640, 3));
}

#[test]
fn the_prefix_is_the_front_of_the_name() {
    let mut split = header(b"name", b'0', 0, b"");
    split[345..350].copy_from_slice(b"front");
    seal(&mut split);
    let mut tree = mount(&[split.clone()]).expect("whole");
    assert_eq!(content(&mut tree, b"/front/name"), Ok(vec![]));
    split[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut split);
    let mut tree = mount(&[split]).expect("whole");
    assert_eq!(content(&mut tree, b"/name"), Ok(vec![]));
}

#[test]
fn hard_links_share_a_file_even_when_its_first_name_is_given_away() {
    let members = [
        member(b"a", b'0', b"one"),
        header(b"b", b'1', 3, b"./a"),
        header(b"d/c", b'1', 0, b"b"),
        member(b"a", b'0', b"two"),
    ];
    let mut tree = mount(&members).expect("whole");
    assert_eq!(content(&mut tree, b"/a").as_deref(), Ok(&b"two"[..]));
    assert_eq!(content(&mut tree, b"/d/c").as_deref(), Ok(&b"one"[..]));
    let (b, c) = (find(&mut tree, b"/b"), find(&mut tree, b"/d/c"));
    assert_eq!(b, c);
    assert_eq!(tree.attributes(b.expect("there")).expect("there").links, 2);
    assert_eq!(listing(&mut tree, b"/"), [".", "..", "a", "b", "d"]);
}

#[test]
fn the_later_of_two_members_counts() {
    let members = [
        member(b"a/", b'5', b""),
        member(b"b", b'0', b"file"),
        member(b"c", b'0', b"old"),
        member(b"a", b'0', b"file"),
        member(b"b/", b'5', b""),
        member(b"b/x", b'0', b"below"),
        member(b"c", b'0', b"new"),
    ];
    let mut tree = mount(&members).expect("whole");
    assert_eq!(listing(&mut tree, b"/"), [".", "..", "a", "b", "c"]);
    assert_eq!(content(&mut tree, b"/a").as_deref(), Ok(&b"file"[..]));
    assert_eq!(content(&mut tree, b"/b/x").as_deref(), Ok(&b"below"[..]));
    assert_eq!(content(&mut tree, b"/c").as_deref(), Ok(&b"new"[..]));
    let mut links = |path: &[u8]| {
        let place = find(&mut tree, path).expect("there");
        tree.attributes(place).expect("there").links
    };
    assert_eq!([links(b"/"), links(b"/a"), links(b"/b")], [3, 1, 2]);
}

#[test]
fn long_names_come_from_extended_headers() {
    let long = vec![b'n'; 200];
    let mut path = b"./deep/".to_vec();
    path.extend_from_slice(&long);
    let mut record = alloc::format!("{} path=", path.len() + 10).into_bytes();
    record.extend_from_slice(&path);
    record.push(b'\n');
    let mut gnu = path.clone();
    gnu.push(0);
    for (type_flag, name) in [(b'x', record), (b'L', gnu)] {
        let members = [
            member(b"ignored", type_flag, &name),
            member(b"short", b'0', b"long"),
            member(b"next", b'0', b"short"),
        ];
        let mut tree = mount(&members).expect("whole");
        let path = [b"/deep/", &long[..]].concat();
        assert_eq!(content(&mut tree, &path).as_deref(), Ok(&b"long"[..]));
        assert_eq!(content(&mut tree, b"/next").as_deref(), Ok(&b"short"[..]));
    }
}

#[test]
fn a_global_header_holds_for_all_members_until_their_own_says_otherwise() {
    let members = [
        member(b"g", b'g', b"9 uid=70\n"),
        member(b"a", b'0', b""),
        member(b"x", b'x', b"9 uid=71\n"),
        member(b"b", b'0', b""),
        member(b"c", b'0', b""),
    ];
    let mut tree = mount(&members).expect("whole");
    let owners = [b"a", b"b", b"c"].map(|name| {
        let place = find(&mut tree, name).expect("there");
        tree.attributes(place).expect("there").user
    });
    assert_eq!(owners, [70, 71, 70]);
}

#[test]
fn nothing_can_be_written() {
    let mut tree = mount(&[member(b"a", b'0', b"x")]).expect("whole");
    let root = tree.root();
    let now = Duration::ZERO;
    assert_eq!(tree.unlink(root, b"a", now), Err(FsError::ReadOnly));
    let how = crate::OpenHow {
        writable: true,
        ..Default::default()
    };
    let opened = tree.open(root, b"a", how, Permissions::empty(), now);
    assert_eq!(opened, Err(FsError::ReadOnly));
}

#[test]
fn what_is_wrong_is_damage() {
    let file = member(b"f", b'0', b"x");
    let cases: [(&str, Vec<Vec<u8>>); 11] = [
        (
            "a path out of the tree",
            vec![member(b"a/../../b", b'0', b"")],
        ),
        (
            "an entry of a file",
            vec![file.clone(), member(b"f/x", b'0', b"")],
        ),
        (
            "a file over what has entries",
            vec![member(b"d/x", b'0', b""), member(b"d", b'0', b"")],
        ),
        ("a file as the root", vec![member(b"./", b'2', b"x")]),
        ("a link to nothing", vec![header(b"a", b'1', 0, b"b")]),
        (
            "a hard link to a directory",
            vec![member(b"d", b'5', b""), header(b"a", b'1', 0, b"d")],
        ),
        (
            "a symbolic link without a target",
            vec![header(b"a", b'2', 0, b"")],
        ),
        ("a sparse file", vec![member(b"a", b'S', b"")]),
        ("a block device", vec![member(b"a", b'4', b"")]),
        (
            "content beyond the end",
            vec![header(b"a", b'0', 1 << 20, b"")],
        ),
        (
            "a size near the largest",
            vec![header(b"a", b'0', u64::MAX >> 31, b"")],
        ),
    ];
    for (what, members) in cases {
        assert_eq!(mount(&members).err(), Some(FsError::Damaged), "{what}");
    }
}

#[test]
fn an_archive_cut_anywhere_is_damage() {
    let whole = archive(&[member(b"a", b'0', &[7; 700]), member(b"b", b'5', b"")]);
    let end = whole.len() - 1024;
    for length in (0..end + 512).step_by(7) {
        let cut = TarFs::new(&whole[..length]).map(drop);
        assert_eq!(cut, Err(FsError::Damaged), "cut at {length}");
    }
    assert!(TarFs::new(&whole[..end + 512]).is_ok());
}

#[test]
fn many_names_are_found() {
    let members: Vec<_> = (0..1000)
        .map(|number| {
            let name = alloc::format!("d{}/f{number}", number % 7);
            member(name.as_bytes(), b'0', name.as_bytes())
        })
        .collect();
    let mut tree = mount(&members).expect("whole");
    for number in 0..1000 {
        let name = alloc::format!("d{}/f{number}", number % 7).into_bytes();
        assert_eq!(content(&mut tree, &name), Ok(name));
    }
    assert_eq!(listing(&mut tree, b"/d6").len(), 2 + 142);
}
