//! bzip2: a compressor that wants megabytes of memory.

use crate::recipe::{Input, Recipe, case};

const PROSE: Input = Input::Prose(1_200_000);
const PACKED: Input = Input::Processed(&["-1"], &PROSE);

/// The program, between standard input and output and with a file to read.
pub const BZIP2: Recipe = Recipe {
    source: "bzip2",
    tools: &[],
    steps: &["make bzip2 CC=\"$CC\""],
    cases: &[
        case("bzip2", &["-9"]).input(PROSE),
        case("bzip2", &["-1"]).input(PROSE),
        case("bzip2", &["-d"]).input(PACKED),
        case("bzip2", &["-ds"]).input(PACKED),
        case("bzip2", &["-tv"]).input(PACKED),
        case("bzip2", &["-t"])
            .input(Input::Text("no such archive"))
            .status(2),
        case("bzip2", &["-ck", "prose.txt"]).root("text"),
        case("bzip2", &["-k", "missing"]).status(1),
    ],
};
