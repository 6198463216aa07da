//! Lua 5.4: an interpreter that uses most of what a C library has.

use crate::recipe::{Case, Input, Recipe, case};

/// The interpreter, with scripts of ours.
pub const LUA: Recipe = Recipe {
    source: "lua5.4",
    tools: &[],
    steps: &["make posix CC=\"$CC\""],
    cases: &[
        case("src/lua", &["-v"]),
        case("src/lua", &["-e", "print(('x'):rep(3, '-'))"]),
        script(&["strings.lua"]),
        script(&["tables.lua"]),
        script(&["functions.lua"]),
        // A Lua stack that overflows takes 113 MB.
        script(&["errors.lua"]).memory("256M"),
        script(&["arguments.lua", "one", "", "three words here", "%41"]),
        script(&["files.lua", "@SCRATCH@"]),
        script(&["time.lua"]),
        script(&["exit.lua"]).status(203),
        script(&["lines.lua"]).input(Input::Prose(100_000)),
        case("src/lua", &["-"]).input(Input::Text("print('from standard input', 6 * 7)")),
        case("src/lua", &["-e", "error('on purpose')"]).status(1),
        case("src/lua", &["missing.lua"]).status(1),
    ],
};

/// A run of a script in `roots/lua`.
const fn script(arguments: &'static [&'static str]) -> Case {
    case("src/lua", arguments).root("lua")
}
