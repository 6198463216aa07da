//! The SQLite shell and its speed test, on memory and on a database file.

use crate::recipe::{Input, Recipe, case};

/// Enough rows and changes that the journal, sorting and indices are at work.
const STATEMENTS: Input = Input::Text(
    "create table planet(name text primary key, moons integer, mass real);
     insert into planet values('Mars', 2, 0.107), ('Venus', 0, 0.815), ('Jupiter', 95, 317.8);
     begin;
     update planet set moons = moons + 1;
     rollback;
     with recursive number(n) as (select 1 union all select n + 1 from number where n < 20000)
       insert into planet select 'rock ' || n, n % 3, 1.0 / n from number;
     create index by_moons on planet(moons, mass);
     delete from planet where name like 'rock %7';
     select moons, count(*), round(sum(mass), 6) from planet group by moons order by moons;
     pragma integrity_check;
     vacuum;
     select name from planet order by mass desc limit 3;
    ",
);

/// A write-ahead log whose index is in memory: mappings that files share are not to be had.
const WRITE_AHEAD: &str = "pragma locking_mode = exclusive; pragma journal_mode = wal;";

/// The shell and the speed test.
pub const SQLITE: Recipe = Recipe {
    source: "sqlite3",
    tools: &[("tclsh", "tcl"), ("xz", "xz-utils")],
    steps: &[
        "./configure --disable-shared --disable-tcl --disable-readline",
        "make sqlite3 sqlite3.c",
        "$CC -O2 -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -I. test/speedtest1.c sqlite3.c \
         -o speedtest1",
    ],
    cases: &[
        case("sqlite3", &["--version"]),
        case(
            "sqlite3",
            &[":memory:", "select 6 * 7, sqlite_version(), x'414243';"],
        ),
        case("sqlite3", &[]).input(STATEMENTS),
        case("sqlite3", &["@SCRATCH@/planets.db"]).input(STATEMENTS),
        case("sqlite3", &["-cmd", WRITE_AHEAD, "@SCRATCH@/wal.db"]).input(STATEMENTS),
        case("sqlite3", &[":memory:", "select * from missing;"]).status(1),
        case("speedtest1", &["--memdb", "--size", "5", "--verify"]).with_times(),
        case(
            "speedtest1",
            &["--size", "2", "--verify", "@SCRATCH@/speed.db"],
        )
        .with_times(),
    ],
};
