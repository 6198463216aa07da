//! The guest that images are measured against: the same program on Debian's cloud kernel.
//!
//! Both run in the same machine: `anykernel run IMAGE` starts the guest too, by its one QEMU
//! command, when `--qemu` names the script that [`LinuxGuest::qemu`] writes. The script adds to
//! QEMU's arguments, of which the last one counts: another kernel and another command line.
//! `guest_init.c` runs the program and sends its output and its status where an image does.

mod initramfs;
mod kernel;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use protocol::ports;

use super::tool::Tool;
use crate::step;
use crate::workspace::Workspace;
use initramfs::Initramfs;
use kernel::Kernel;

/// Memory with which the guest boots, as `anykernel run --memory` takes it.
pub const MEMORY: &str = "512M";

/// Where the program stands in the guest.
const PROGRAM: &str = "program";
/// Where the files stand in the guest that the program serves.
pub const ROOT: &str = "/root";

/// Debian's cloud kernel with a first process of ours.
#[derive(Debug)]
pub struct LinuxGuest {
    folder: PathBuf,
    kernel: Kernel,
    init: PathBuf,
    /// The time stamp counter's rate in kHz, in decimal.
    counter_rate: String,
}

/// What a guest is to do.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// A name of its own among the guests of this workspace: that of its files.
    pub name: &'a str,
    /// The static Linux program to run.
    pub program: &'a Path,
    /// A folder that the program finds at [`ROOT`].
    pub root: Option<&'a Path>,
    /// The program's arguments. None has a space or a quote.
    pub arguments: &'a [&'a str],
    /// What the kernel is told beside the usual, such as `mitigations=off`.
    pub kernel_words: &'a str,
    /// Address and length of network of `eth0`, if there is one.
    pub address: Option<&'a str>,
}

impl LinuxGuest {
    /// Fetches the kernel, if it is not there from an earlier time, and builds the first process.
    pub fn prepare(workspace: &Workspace, tool: &Tool) -> Result<Self> {
        let folder = workspace.target().join("bench/linux-guest");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let compile = |name: &str, options: &[String]| -> Result<PathBuf> {
            let program = folder.join(name);
            let source = workspace.root().join(format!("xtask/programs/{name}.c"));
            let mut compiler = tool.compiler();
            compiler.args(options).arg(source).arg("-o").arg(&program);
            step::run(&mut compiler)?;
            Ok(program)
        };
        let init = compile("guest_init", &port_definitions())?;
        let counter_rate = step::output(&mut Command::new(compile("counter_rate", &[])?))?;
        Ok(Self {
            kernel: Kernel::fetch(&folder)?,
            init,
            counter_rate: String::from_utf8(counter_rate)?.trim().to_owned(),
            folder,
        })
    }

    /// The kernel's release, for whoever reads the figures.
    pub fn release(&self) -> &str {
        &self.kernel.release
    }

    /// Writes a script that starts QEMU with this guest instead of an image, and returns where it
    /// is. The machine wants [`MEMORY`].
    pub fn qemu(&self, task: &Task) -> Result<PathBuf> {
        let words = kernel_command_line(task, &self.counter_rate);
        let initramfs = self.folder.join(format!("{}.cpio", task.name));
        self.write_initramfs(task, &initramfs)?;
        let shell = |path: &Path| quoted(&path.to_string_lossy());
        let script = format!(
            "#!/bin/sh\nexec qemu-system-x86_64 \"$@\" -kernel {} -initrd {} -append {}\n",
            shell(&self.kernel.image)?,
            shell(&initramfs)?,
            quoted(&words)?,
        );
        let path = self.folder.join(format!("{}.sh", task.name));
        fs::write(&path, script).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    fn write_initramfs(&self, task: &Task, path: &Path) -> Result<()> {
        let mut initramfs = Initramfs::new();
        initramfs.program("init", &self.init)?;
        initramfs.program(PROGRAM, task.program)?;
        initramfs.folder("modules");
        for (position, module) in self.kernel.modules.iter().enumerate() {
            initramfs.file(&format!("modules/{position:02}.ko"), module)?;
        }
        initramfs.folder(ROOT.trim_start_matches('/'));
        if let Some(root) = task.root {
            initramfs.tree(ROOT.trim_start_matches('/'), root)?;
        }
        let written = initramfs.write(path);
        written.with_context(|| path.display().to_string())
    }
}

/// The debug ports, for `guest_init.c`.
fn port_definitions() -> [String; 3] {
    let ports = [
        ("STANDARD_OUTPUT", ports::STANDARD_OUTPUT),
        ("STANDARD_ERROR", ports::STANDARD_ERROR),
        ("EXIT_STATUS", ports::EXIT_STATUS),
    ];
    ports.map(|(name, port)| format!("-D{name}={port}"))
}

/// The kernel takes what it knows, gives variables that it does not know to the first process,
/// and to it alone what is behind the dashes (Linux, admin-guide/kernel-parameters).
///
/// It is told the rate of the time stamp counter: on a busy machine it fails to find that out, and
/// without it, it does not boot.
fn kernel_command_line(task: &Task, counter_rate: &str) -> String {
    let rate = format!("tsc_early_khz={counter_rate}");
    let mut words = vec!["quiet", "panic=-1", &rate];
    words.extend(task.kernel_words.split_whitespace());
    let address = task.address.map(|it| format!("GUEST_ADDRESS={it}"));
    words.extend(address.as_deref());
    let program = format!("/{PROGRAM}");
    words.extend(["--", &program]);
    words.extend(task.arguments);
    words.join(" ")
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> Result<String> {
    ensure!(!text.contains('\''), "{text}: a quote in a path");
    Ok(format!("'{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_what_is_its_own_and_what_is_the_programs() {
        let task = Task {
            name: "httpd",
            program: Path::new("httpd"),
            root: None,
            arguments: &["-r", ROOT],
            kernel_words: "mitigations=off",
            address: Some("10.0.0.2/24"),
        };
        assert_eq!(
            kernel_command_line(&task, "2596134"),
            "quiet panic=-1 tsc_early_khz=2596134 mitigations=off GUEST_ADDRESS=10.0.0.2/24 -- /program -r /root"
        );
    }
}
