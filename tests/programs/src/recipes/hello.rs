//! GNU hello: what an unmodified `./configure --disable-shared && make` asks of a compiler.

use crate::recipe::{Recipe, case};

/// The program, as any package of its kind is built.
pub const HELLO: Recipe = Recipe {
    source: "hello",
    tools: &[],
    steps: &["./configure --disable-shared", "make"],
    cases: &[
        case("hello", &[]),
        case("hello", &["--greeting=Grüß Gott"]),
        case("hello", &["--traditional"]),
        case("hello", &["--version"]),
        case("hello", &["--no-such-option"]),
    ],
};
