//! `cargo xtask demo`: from a C file to an answered request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::build;
use crate::fetch;
use crate::server::{Server, free_port, local};
use crate::step;
use crate::workspace::Workspace;

/// How long the machine may take to boot.
const BOOT_PATIENCE: Duration = Duration::from_secs(60);
/// The port on which httpd listens by default.
const GUEST_PORT: u16 = 8080;
/// What the page in `examples/httpd/pages` is called.
const PAGE: &str = "/";

/// The command line of `demo`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --port 9000 --memory 4M\n  \
    cargo xtask demo --once"
)]
pub struct DemoArguments {
    /// End after the first page has been fetched
    #[arg(long)]
    once: bool,
    /// Port of this machine to serve on
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "16M")]
    memory: String,
}

/// Builds, boots, fetches, compares, and serves.
pub fn demo(workspace: &Workspace, arguments: &DemoArguments) -> Result<ExitCode> {
    let tool = build::build(workspace)?;
    let folder = workspace.target().join("demo");
    fs::create_dir_all(&folder)?;
    let pages = workspace.root().join("examples/httpd/pages");
    let httpd = compile(workspace, &tool, &folder)?;
    let image = bake(&tool, &httpd, &pages, &folder)?;
    let port = if arguments.once {
        free_port()?
    } else {
        arguments.port
    };
    let mut machine = boot(&tool, &image, port, &arguments.memory)?;
    println!("{}", machine.first_line);
    let start = Instant::now();
    let page = fetch::get(local(port), PAGE)?;
    let first_response = start.elapsed();
    ensure!(page.status() == Some(200), "the page is not served");
    compare_with_linux(&httpd, &pages, port)?;
    print_table(&[
        ("image", size_of_file(&image)?),
        ("memory", arguments.memory.clone()),
        ("start to ready", in_milliseconds(machine.ready_after)),
        ("first response", in_milliseconds(first_response)),
        ("answers", "the same bytes as from Linux".to_owned()),
    ]);
    if arguments.once {
        machine.stop()?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("http://localhost:{port}/ - Ctrl-C ends it");
    let status = machine.wait()?;
    ensure!(status.success(), "the machine ended with {status}");
    Ok(ExitCode::SUCCESS)
}

/// Compiles httpd with our compiler.
fn compile(workspace: &Workspace, tool: &Path, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("httpd");
    let mut compiler = Command::new(tool.with_file_name("x86_64-anykernel-cc"));
    compiler
        .args(["-Os", "-Wall", "-o"])
        .arg(&program)
        .arg(workspace.root().join("examples/httpd/httpd.c"));
    step::run(&mut compiler)?;
    Ok(program)
}

fn bake(tool: &Path, program: &Path, pages: &Path, folder: &Path) -> Result<PathBuf> {
    let image = folder.join("httpd.img");
    let mut bake = Command::new(tool);
    bake.arg("bake").arg(program).arg("--root").arg(pages);
    step::run(bake.arg("--output").arg(&image))?;
    Ok(image)
}

fn boot(tool: &Path, image: &Path, port: u16, memory: &str) -> Result<Server> {
    let mut run = Command::new(tool);
    run.arg("run").arg(image).args(["--memory", memory]);
    run.args(["--publish", &format!("{port}:{GUEST_PORT}")]);
    Server::start(&mut run, BOOT_PATIENCE).context("the image does not boot")
}

/// Runs the very same file as a Linux program and asks both for every page and for one that is
/// not there.
fn compare_with_linux(httpd: &Path, pages: &Path, port: u16) -> Result<()> {
    let linux_port = free_port()?;
    let mut command = Command::new(httpd);
    command.arg("-r").arg(pages);
    command.args(["-p", &linux_port.to_string()]);
    let _linux = Server::start(&mut command, BOOT_PATIENCE)?;
    let mut paths = vec![PAGE.to_owned(), "/no-such-page".to_owned()];
    add_files(pages, "/", &mut paths)?;
    for path in paths {
        let ours = fetch::get(local(port), &path)?;
        let theirs = fetch::get(local(linux_port), &path)?;
        if ours != theirs {
            bail!("{path}: another answer than from Linux");
        }
    }
    Ok(())
}

/// The names of all files below `folder`, as a client asks for them.
fn add_files(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add_files(&entry.path(), &format!("{path}/"), paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

fn size_of_file(path: &Path) -> Result<String> {
    Ok(format!("{} KB", fs::metadata(path)?.len().div_ceil(1000)))
}

fn in_milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn print_table(rows: &[(&str, String)]) {
    for (name, value) in rows {
        println!("  {name:<16}{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_are_asked_for_by_their_paths() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        fs::create_dir(folder.path().join("guide")).expect("the folder is ours");
        for name in ["index.html", "guide/one.html"] {
            fs::write(folder.path().join(name), "x").expect("the folder is ours");
        }
        let mut paths = Vec::new();
        add_files(folder.path(), "/", &mut paths).expect("the folder can be read");
        paths.sort();
        assert_eq!(paths, ["/guide/one.html", "/index.html"]);
    }
}
