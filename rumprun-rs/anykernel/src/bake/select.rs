//! Choosing the components of an image.

use linux_abi::bindings::*;
use protocol::{COMPONENTS, Choice, Component};
use thiserror::Error;

use super::calls::Calls;

/// The calls that take a path: without one of them no program reaches a file.
const PATH_CALLS: [u32; 56] = [
    __NR_open,
    __NR_openat,
    __NR_openat2,
    __NR_creat,
    __NR_stat,
    __NR_lstat,
    __NR_newfstatat,
    __NR_statx,
    __NR_access,
    __NR_faccessat,
    __NR_faccessat2,
    __NR_chdir,
    __NR_chroot,
    __NR_mkdir,
    __NR_mkdirat,
    __NR_mknod,
    __NR_mknodat,
    __NR_rmdir,
    __NR_rename,
    __NR_renameat,
    __NR_renameat2,
    __NR_link,
    __NR_linkat,
    __NR_symlink,
    __NR_symlinkat,
    __NR_unlink,
    __NR_unlinkat,
    __NR_readlink,
    __NR_readlinkat,
    __NR_chmod,
    __NR_fchmodat,
    __NR_chown,
    __NR_lchown,
    __NR_fchownat,
    __NR_truncate,
    __NR_utime,
    __NR_utimes,
    __NR_futimesat,
    __NR_utimensat,
    __NR_statfs,
    __NR_setxattr,
    __NR_lsetxattr,
    __NR_getxattr,
    __NR_lgetxattr,
    __NR_listxattr,
    __NR_llistxattr,
    __NR_removexattr,
    __NR_lremovexattr,
    __NR_inotify_add_watch,
    __NR_name_to_handle_at,
    __NR_mount,
    __NR_umount2,
    __NR_execve,
    __NR_execveat,
    __NR_uselib,
    __NR_acct,
];

/// The calls that read from a descriptor which may be standard input.
const READ_CALLS: [u32; 2] = [__NR_read, __NR_readv];

/// What the choice depends on.
#[derive(Debug)]
pub struct Wishes<'a> {
    /// Names to take in any case.
    pub with: &'a [String],
    /// Names to leave out in any case; these win.
    pub without: &'a [String],
    /// Whether there is a root folder.
    pub has_root: bool,
    /// What the program can make.
    pub calls: &'a Calls,
}

/// The choice makes no sense.
#[derive(Debug, Error)]
pub enum SelectError {
    /// There is no such component.
    #[error("{name}: no such component; there are {}", all_names())]
    Unknown {
        /// What the user wrote.
        name: String,
    },
    /// The root folder would be in the image, out of reach.
    #[error("--without tarfs leaves nothing that serves the folder of --root")]
    RootUnserved,
}

/// The components to link, in the order in which they start.
pub fn components(wishes: &Wishes) -> Result<Vec<&'static Component>, SelectError> {
    let named = wishes.with.iter().chain(wishes.without);
    for name in named {
        if !COMPONENTS.iter().any(|component| component.name == name) {
            return Err(SelectError::Unknown { name: name.clone() });
        }
    }
    let chosen: Vec<_> = COMPONENTS
        .iter()
        .filter(|component| is_chosen(component, wishes))
        .collect();
    let serves_root = chosen
        .iter()
        .any(|component| component.choice == Choice::WithRoot);
    if wishes.has_root && !serves_root {
        return Err(SelectError::RootUnserved);
    }
    Ok(chosen)
}

fn is_chosen(component: &Component, wishes: &Wishes) -> bool {
    let is_in = |names: &[String]| names.iter().any(|name| name == component.name);
    let by_itself = match component.choice {
        Choice::WithRoot => wishes.has_root,
        Choice::WithPaths => PATH_CALLS.iter().any(|&call| wishes.calls.contains(call)),
        Choice::WithSockets => wishes.calls.contains(__NR_socket),
        Choice::WithInput => {
            let reads = READ_CALLS.iter().any(|&call| wishes.calls.contains(call));
            reads && !wishes.calls.contains(__NR_socket)
        }
        Choice::OnRequest => false,
    };
    !is_in(wishes.without) && (by_itself || is_in(wishes.with))
}

fn all_names() -> String {
    let names: Vec<_> = COMPONENTS.iter().map(|component| component.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::calls::Reason;
    use super::*;

    fn choose(
        with: &[&str],
        without: &[&str],
        has_root: bool,
        calls: &Calls,
    ) -> Result<Vec<&'static str>, SelectError> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (with, without): (Vec<_>, Vec<_>) = (owned(with), owned(without));
        let chosen = components(&Wishes {
            with: &with,
            without: &without,
            has_root,
            calls,
        })?;
        Ok(chosen.iter().map(|component| component.name).collect())
    }

    fn only(calls: &[u32]) -> Calls {
        Calls::Only(calls.iter().copied().collect())
    }

    #[test]
    fn the_calls_and_the_root_decide() {
        let names = |has_root, calls| choose(&[], &[], has_root, &calls).unwrap();
        let no_names: [&str; 0] = [];
        assert_eq!(names(false, only(&[__NR_write])), no_names);
        assert_eq!(names(false, only(&[__NR_socket])), ["net"]);
        assert_eq!(names(false, only(&[__NR_read])), ["console"]);
        assert_eq!(names(false, only(&[__NR_read, __NR_socket])), ["net"]);
        assert_eq!(
            names(false, only(&[__NR_open])),
            ["ramfs", "devfs", "procfs"]
        );
        assert_eq!(names(true, only(&[])), ["tarfs"]);
        let reason = Reason::Asked;
        assert_eq!(
            names(false, Calls::All { reason }),
            ["ramfs", "devfs", "procfs", "net"]
        );
    }

    #[test]
    fn the_user_decides_otherwise() {
        let no_names: [&str; 0] = [];
        let plain = &only(&[]);
        assert_eq!(choose(&["net"], &[], false, plain).unwrap(), ["net"]);
        let sockets = &only(&[__NR_socket]);
        assert_eq!(
            choose(&["net"], &["net"], false, sockets).unwrap(),
            no_names
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let refused = choose(&["nte"], &[], false, &only(&[]));
        let message = refused.unwrap_err().to_string();
        assert!(
            message.starts_with("nte: ") && message.contains("net"),
            "{message}"
        );
    }

    #[test]
    fn a_root_that_nothing_serves_is_refused() {
        let refused = choose(&[], &["tarfs"], true, &only(&[]));
        assert!(matches!(refused, Err(SelectError::RootUnserved)));
    }

    #[test]
    fn every_call_stands_once_among_those_with_paths() {
        let distinct: std::collections::BTreeSet<_> = PATH_CALLS.iter().collect();
        assert_eq!(distinct.len(), PATH_CALLS.len());
    }
}
