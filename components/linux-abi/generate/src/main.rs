//! Writes `components/linux-abi/src/bindings/*.rs` from the C headers of Debian 12.
//!
//! Run by `cargo run -p linux-abi-generate` where libclang, linux-libc-dev and musl-dev are
//! installed. Its output is checked in, so that nobody else needs them; a test of `linux-abi`
//! compares it with the system's C compiler.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bindgen::callbacks::{DeriveInfo, ParseCallbacks};

/// One set of headers that can be read together.
struct Headers {
    /// The header and the output, without their extensions.
    name: &'static str,
    /// The output's first line.
    about: &'static str,
    /// What is looked through for `#include <...>`.
    include: &'static [&'static str],
    types: &'static [&'static str],
    constants: &'static [&'static str],
}

const KERNEL: Headers = Headers {
    name: "kernel",
    about: "//! Linux' own headers (`linux/`, `asm/`).",
    include: &["/usr/include", "/usr/include/x86_64-linux-gnu"],
    types: &[
        "iovec",
        "stat",
        "statx",
        "statfs",
        "pollfd",
        "epoll_event",
        "sigaction",
        "sigaltstack",
        "sigcontext_64",
        "timeval",
        "timezone",
        "__kernel_timespec",
        "__kernel_itimerspec",
        "__kernel_old_itimerval",
        "rusage",
        "rlimit64",
        "new_utsname",
        "sysinfo",
        "winsize",
        "termios",
        "flock",
        "tms",
        "elf64_phdr",
        "__user_cap_header_struct",
        "__user_cap_data_struct",
    ],
    constants: &[
        "__NR_.*",
        "AT_.*",
        "STATX_.*",
        "EPOLL.*",
        "POLL.*",
        "PROT_(NONE|READ|WRITE|EXEC)",
        "MAP_.*",
        "MREMAP_.*",
        "MADV_.*",
        "SIG_.*",
        "SS_.*",
        "SA_.*",
        "SI_(USER|KERNEL|TIMER|TKILL)",
        "(SEGV|BUS|FPE|ILL|TRAP)_[A-Z]+",
        "CLOCK_.*",
        "ITIMER_.*",
        "TIMER_ABSTIME",
        "RUSAGE_.*",
        "RLIMIT_.*",
        "RLIM64_INFINITY",
        "FUTEX_.*",
        "GRND_.*",
        "PR_(SET|GET)_(NAME|DUMPABLE|PDEATHSIG|KEEPCAPS|NO_NEW_PRIVS)",
        "ARCH_(SET|GET)_(FS|GS)",
        "F_.*",
        "FD_CLOEXEC",
        "O_.*",
        "AT_FDCWD",
        "TFD_.*",
        "TIOCGWINSZ",
        "TIOC[GS]PGRP",
        "TCGETS",
        "TCSET.*",
        "FION.*",
        "FIOCLEX",
        "CLOSE_RANGE_.*",
        "SOL_SOCKET",
        "SO_.*",
        "UIO_MAXIOV",
        "PATH_MAX",
        "PT_(LOAD|PHDR|GNU_STACK)",
        "PF_[RWX]",
        "UC_.*",
        "SIGEV_.*",
        "_LINUX_CAPABILITY_VERSION_[123]",
        "SEEK_.*",
        "LOCK_.*",
        "RENAME_.*",
    ],
};

const LIBC: Headers = Headers {
    name: "libc",
    about: "//! musl's headers, for what Linux leaves to a libc to define.",
    include: &["/usr/include/x86_64-linux-musl"],
    types: &["sockaddr_in", "sockaddr_un", "msghdr", "mmsghdr"],
    constants: &[
        "AF_(UNSPEC|UNIX|INET|INET6)",
        "SOCK_.*",
        "MSG_.*",
        "SHUT_.*",
        "IPPROTO_(IP|TCP|UDP|IPV6)",
        "TCP_(NODELAY|KEEPIDLE|KEEPINTVL|KEEPCNT|DEFER_ACCEPT|CORK|FASTOPEN)",
        "IPV6_V6ONLY",
        "IP_(TOS|TTL)",
        "DT_.*",
        "EFD_.*",
        "S_IF.*",
        "FD_SETSIZE",
        "HOST_NAME_MAX",
    ],
};

fn main() -> Result<()> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = crate_folder.join("src/bindings");
    for headers in [KERNEL, LIBC] {
        let text = generate(&headers).context(headers.name)?;
        let file = output.join(headers.name).with_extension("rs");
        fs::write(&file, text)?;
        format(&file)?;
        fs::write(&file, without_prelude(&fs::read_to_string(&file)?))?;
    }
    let kernel = fs::read_to_string(output.join("kernel.rs"))?;
    fs::write(output.join("call_names.rs"), call_names(&kernel))?;
    Ok(())
}

/// Structures that are reached in program memory are copied as bytes, so they derive zerocopy's
/// traits. Their padding is spelled out for the same reason.
#[derive(Debug)]
struct AsBytes;

impl ParseCallbacks for AsBytes {
    fn add_derives(&self, _: &DeriveInfo<'_>) -> Vec<String> {
        ["FromBytes", "IntoBytes", "Immutable", "KnownLayout"]
            .map(|name| format!("zerocopy::{name}"))
            .to_vec()
    }
}

fn generate(headers: &Headers) -> Result<String> {
    let header = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(headers.name)
        .with_extension("h");
    let mut builder = bindgen::Builder::default()
        .header(header.to_string_lossy())
        .clang_args(["-nostdinc", "--target=x86_64-unknown-linux-gnu"])
        .parse_callbacks(Box::new(AsBytes))
        .use_core()
        .explicit_padding(true)
        .generate_comments(false)
        .prepend_enum_name(false)
        .translate_enum_integer_types(true)
        .default_non_copy_union_style(bindgen::NonCopyUnionStyle::ManuallyDrop)
        .blocklist_type("__(signal|restore)fn_t|__sig(handler|restore)_t")
        .formatter(bindgen::Formatter::None)
        .raw_line(headers.about)
        .raw_line("//!")
        .raw_line("//! Written by `cargo run -p linux-abi-generate`; not to be edited.")
        .raw_line("");
    // What a handler is called at is an address too.
    if headers.name == KERNEL.name {
        for name in ["__sighandler_t", "__sigrestore_t"] {
            builder = builder.raw_line(format!("pub type {name} = u64;"));
        }
    }
    // The same as the kernel's.
    if headers.name == LIBC.name {
        builder = builder.blocklist_type("iovec");
    }
    for folder in headers.include {
        builder = builder.clang_args(["-isystem", folder]);
    }
    for name in headers.types {
        builder = builder.allowlist_type(name);
    }
    for pattern in headers.constants {
        builder = builder.allowlist_var(pattern);
    }
    Ok(plain_addresses(&builder.generate()?.to_string()))
}

/// Formats a written file as the rest of the repository.
fn format(file: &Path) -> Result<()> {
    let status = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .arg(file)
        .status()?;
    ensure!(status.success(), "rustfmt failed on {}", file.display());
    Ok(())
}

/// Arrays of no length are just that: the type that bindgen makes for them, with unsafe code, is
/// left out.
fn without_prelude(text: &str) -> String {
    let plain = text.replace(
        "__IncompleteArrayField<::core::ffi::c_char>",
        "[::core::ffi::c_char; 0]",
    );
    let prelude = plain.find("#[repr(C)]").zip(plain.find("\npub const "));
    match prelude {
        Some((start, end)) if start < end => [&plain[..start], &plain[end..]].concat(),
        _ => plain,
    }
}

/// A program's pointers are numbers to the kernel.
fn plain_addresses(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(": * ") {
        let length = rest[at..].find(',').unwrap_or(rest.len() - at);
        plain.push_str(&rest[..at]);
        plain.push_str(": u64");
        rest = &rest[at + length..];
    }
    plain.push_str(rest);
    plain
}

/// The names of all calls in the order of their numbers, each followed by a NUL; a number that
/// is not in use has an empty name.
fn call_names(kernel: &str) -> String {
    let mut calls: Vec<(usize, &str)> = kernel
        .lines()
        .filter_map(|line| {
            let (name, number) = line
                .strip_prefix("pub const __NR_")?
                .strip_suffix(';')?
                .split_once(": u32 = ")?;
            Some((number.parse().ok()?, name))
        })
        .collect();
    calls.sort_unstable();
    let mut text = String::from(
        "//! The names of Linux' system calls on x86-64.\n\
         //!\n\
         //! Written by `cargo run -p linux-abi-generate`; not to be edited.\n\n\
         /// The names in the order of their numbers, each followed by a NUL; empty where a number\n\
         /// is not in use.\n",
    );
    text.push_str("pub const CALL_NAMES: &str = \"\\\n");
    let mut next = 0;
    for (number, name) in calls {
        let unused = "\\0".repeat(number - next);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {unused}{name}\\0\\");
        next = number + 1;
    }
    text.push_str("\";\n");
    text
}
