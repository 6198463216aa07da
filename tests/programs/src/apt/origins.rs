//! Where the system's packages come from says where their sources come from.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes source lists into `folder`: the system's own, with `deb` made `deb-src`. Only the
/// distribution itself counts, not what else the system gets packages from.
pub fn write(folder: &Path) {
    let codename = codename(&read(Path::new("/etc/os-release")));
    let mut lists = 0;
    for path in system_lists() {
        let text = read(&path);
        let name = path.file_name().expect("a list has a name");
        let is_stanzas = path
            .extension()
            .is_some_and(|extension| extension == "sources");
        let list = if is_stanzas {
            source_stanzas(&text, &codename)
        } else {
            source_lines(&text, &codename)
        };
        if !list.is_empty() {
            fs::write(folder.join(name), list).expect("the folder is ours");
            lists += 1;
        }
    }
    assert!(lists > 0, "no package list in /etc/apt is for {codename}");
}

/// The files that `sources.list(5)` names.
fn system_lists() -> Vec<PathBuf> {
    let mut lists = vec![PathBuf::from("/etc/apt/sources.list")];
    let parts = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    lists.extend(parts.flatten().map(|entry| entry.path()));
    lists.retain(|path| {
        let extension = path.extension().unwrap_or_default();
        path.is_file() && (extension == "list" || extension == "sources")
    });
    lists
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The release's name, which the names of its suites start with.
fn codename(os_release: &str) -> String {
    let mut lines = os_release.lines();
    let name = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.expect("a release of Debian or of a relative has a name");
    name.trim_matches('"').to_owned()
}

/// Whether `suite` is the release or a part of it, such as its updates.
fn is_of_release(suite: &str, codename: &str) -> bool {
    suite
        .strip_prefix(codename)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
}

/// The lines `deb [options] address suite components...` as lines of sources.
fn source_lines(text: &str, codename: &str) -> String {
    let line = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?;
        let mut suites = rest.split_whitespace();
        let is_ours = suites.any(|word| is_of_release(word, codename));
        is_ours.then(|| format!("deb-src {rest}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// The stanzas `Types: deb` as stanzas of sources.
fn source_stanzas(text: &str, codename: &str) -> String {
    let is_comment = |line: &&str| line.starts_with('#');
    let lines: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    let stanzas = lines.split(|line| line.trim().is_empty());
    stanzas
        .filter(|stanza| field(stanza, "Types").any(|kind| kind == "deb"))
        .filter(|stanza| field(stanza, "Suites").any(|suite| is_of_release(suite, codename)))
        .map(|stanza| {
            let other = |line: &&&str| !line.starts_with("Types:");
            let others: String = stanza
                .iter()
                .filter(other)
                .flat_map(|line| [line, "\n"])
                .collect();
            format!("Types: deb-src\n{others}\n")
        })
        .collect()
}

/// The words of a stanza's field.
fn field<'a>(stanza: &[&'a str], name: &'static str) -> impl Iterator<Item = &'a str> {
    let values = stanza.iter().filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        (key == name).then_some(value)
    });
    let words: Vec<&str> = values.flat_map(str::split_whitespace).collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_named() {
        let text = "NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(text), "bookworm");
    }

    #[test]
    fn lines_of_the_release_are_kept() {
        let text = "# deb mirror:/a bookworm main\n\
                    deb [signed-by=/key] mirror:/a bookworm main\n\
                    deb mirror:/a bookworm-updates main contrib\n\
                    deb mirror:/other tools-bookworm main\n\
                    deb-src mirror:/a bookworm main\n";
        assert_eq!(
            source_lines(text, "bookworm"),
            "deb-src [signed-by=/key] mirror:/a bookworm main\n\
             deb-src mirror:/a bookworm-updates main contrib\n"
        );
    }

    #[test]
    fn stanzas_of_the_release_are_kept() {
        let text = "Types: deb deb-src\n# a comment\nURIs: mirror:/a\nSuites: bookworm bookworm-updates\n\
                    Components: main\n\nTypes: deb\nURIs: mirror:/b\nSuites: nodistro\n";
        assert_eq!(
            source_stanzas(text, "bookworm"),
            "Types: deb-src\nURIs: mirror:/a\nSuites: bookworm bookworm-updates\n\
             Components: main\n\n"
        );
    }
}
