//! zlib, with the two programs that it comes with.

use crate::recipe::{Input, Recipe, case};

const PROSE: Input = Input::Prose(700_000);

/// `minigzip`, between standard input and output, and `example`, which has files.
pub const ZLIB: Recipe = Recipe {
    source: "zlib",
    tools: &[("bzip2", "bzip2")],
    // Without an option configure tries for a shared library, is refused, and makes do without.
    steps: &[
        "./configure",
        "grep -e -shared.*--disable-shared configure.log",
        "make",
    ],
    cases: &[
        case("minigzip", &[]).input(PROSE),
        case("minigzip", &["-9"]).input(PROSE),
        case("minigzip", &["-d"]).input(Input::Processed(&[], &PROSE)),
        case("minigzip", &["-d"]).input(Input::Processed(&[], &Input::Text(""))),
        case("minigzip", &["-c", "prose.txt"]).root("text"),
        case("minigzip", &["missing"]).status(1),
        case("example", &["@SCRATCH@/file.gz"]),
    ],
};
