//! What a Rust program without threads does: collections, files, time, panics that are caught.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::panic;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

fn main() -> io::Result<()> {
    println!("{:?}", env::args().skip(1).collect::<Vec<_>>());

    let words = "one two three two one two".split(' ');
    let mut counts: HashMap<&str, u32> = HashMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort();
    println!("{sorted:?}");

    let folder = PathBuf::from(env::var_os("TMPDIR").expect("it is set"));
    fs::create_dir_all(folder.join("a/b"))?;
    fs::write(folder.join("a/b/file"), "content")?;
    fs::rename(folder.join("a/b/file"), folder.join("a/moved"))?;
    println!("{}", fs::read_to_string(folder.join("a/moved"))?);
    let mut names: Vec<_> = fs::read_dir(folder.join("a"))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    println!("{names:?}");
    println!(
        "{:?}",
        fs::read(folder.join("missing")).map_err(|error| error.kind())
    );
    fs::remove_dir_all(folder.join("a"))?;

    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(20));
    println!("{}", start.elapsed() >= Duration::from_millis(20));
    println!(
        "{}",
        SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30)
    );

    panic::set_hook(Box::new(|_| ()));
    println!(
        "{}",
        panic::catch_unwind(|| [1, 2, 3][env::args().count() + 1]).is_err()
    );

    let mut rest = String::new();
    io::stdin().read_to_string(&mut rest)?;
    io::stdout().flush()
}
