//! The components that an image can be made of, as `bake` knows them.

/// Something that can be linked into an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Component {
    /// What `bake --with` and `--without` call it.
    pub name: &'static str,
    /// The exported function that puts it into the kernel. Nothing else of the component is
    /// reachable, so an image that does not name it does not contain it.
    pub init_symbol: &'static str,
    /// When it is chosen unless the user says.
    pub choice: Choice,
    /// One line for a person.
    pub description: &'static str,
}

/// When `bake` takes a component by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// When a root folder is given.
    WithRoot,
    /// When the program can name files.
    WithPaths,
    /// When the program can make sockets.
    WithSockets,
    /// When the program can read and cannot make sockets: what it reads may be standard input, and
    /// plenty of it.
    WithInput,
    /// Only when the user names it.
    OnRequest,
}

/// The component that drives a virtio console: `run` gives one to images that have it.
pub const CONSOLE: &str = "console";

/// The component of disks: `run` gives them to images that have it.
pub const BLOCK: &str = "block";

/// Every component there is, in the order in which an image starts them: what holds the root
/// comes before what is mounted upon it.
pub const COMPONENTS: &[Component] = &[
    Component {
        name: CONSOLE,
        init_symbol: "init_console",
        choice: Choice::WithInput,
        description: "standard input, output and error over virtio-console",
    },
    Component {
        name: "tarfs",
        init_symbol: "init_tarfs",
        choice: Choice::WithRoot,
        description: "the read-only root folder, served in place",
    },
    Component {
        name: "ramfs",
        init_symbol: "init_ramfs",
        choice: Choice::WithPaths,
        description: "a writable /tmp in memory",
    },
    Component {
        name: BLOCK,
        init_symbol: "init_block",
        choice: Choice::OnRequest,
        description: "disks as /dev/vda and so on, over virtio-blk; `run --disk` asks for it",
    },
    Component {
        name: "devfs",
        init_symbol: "init_devfs",
        choice: Choice::WithPaths,
        description: "/dev: null, zero, full, random, urandom, console, disks",
    },
    Component {
        name: "procfs",
        init_symbol: "init_procfs",
        choice: Choice::WithPaths,
        description: "files that programs look up: /etc/passwd, /etc/hosts, /proc/sys",
    },
    Component {
        name: "net",
        init_symbol: "init_net",
        choice: Choice::WithSockets,
        description: "TCP/IP over virtio-net",
    },
    Component {
        name: "rng",
        init_symbol: "init_rng",
        choice: Choice::OnRequest,
        description: "random bytes of a virtio device, mixed with the processor's",
    },
    Component {
        name: "contract",
        init_symbol: "init_contract",
        choice: Choice::OnRequest,
        description: "checks at the start that the machine keeps the hypercall contract",
    },
    Component {
        name: "panic",
        init_symbol: "init_panic",
        choice: Choice::OnRequest,
        description: "panics at the start, to try what comes of it",
    },
];

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_symbols_are_unique() {
        let names: BTreeSet<_> = COMPONENTS.iter().map(|component| component.name).collect();
        let symbols: BTreeSet<_> = COMPONENTS
            .iter()
            .map(|component| component.init_symbol)
            .collect();
        assert_eq!(names.len(), COMPONENTS.len());
        assert_eq!(symbols.len(), COMPONENTS.len());
    }
}
