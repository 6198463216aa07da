//! What is measured: programs, their images, and how they are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::empty_image;
use crate::build;
use crate::step;
use crate::workspace::Workspace;

/// The port on which httpd listens by default.
pub const HTTPD_PORT: u16 = 8080;

/// The images under measurement, and the tool that runs them.
#[derive(Debug)]
pub struct Programs {
    tool: PathBuf,
    /// An image that prints a line and ends, and is otherwise empty.
    pub empty: PathBuf,
    /// An image that prints the counter at its first instruction.
    pub entry_counter: PathBuf,
    /// hello.
    pub hello: PathBuf,
    /// httpd, without pages.
    pub httpd: PathBuf,
    /// hello, printing the counter at main.
    pub hello_counter: PathBuf,
    /// httpd, printing the counter at main.
    pub httpd_counter: PathBuf,
}

impl Programs {
    /// Builds the tool, and all images with it.
    pub fn build(workspace: &Workspace) -> Result<Self> {
        let tool = build::build(workspace)?;
        let folder = workspace.target().join("bench");
        fs::create_dir_all(&folder)?;
        let maker = Maker {
            tool: &tool,
            folder: &folder,
            counter: workspace.root().join("xtask/programs/counter.c"),
        };
        let hello = workspace.root().join("xtask/programs/hello.c");
        let httpd = workspace.root().join("examples/httpd/httpd.c");
        Ok(Self {
            empty: maker.raw("empty", &empty_image::that_prints_a_line())?,
            entry_counter: maker.raw("entry-counter", &empty_image::that_prints_the_counter())?,
            hello: maker.image("hello", &hello)?,
            httpd: maker.image("httpd", &httpd)?,
            hello_counter: maker.image_with_counter("hello-counter", &hello)?,
            httpd_counter: maker.image_with_counter("httpd-counter", &httpd)?,
            tool,
        })
    }

    /// `anykernel run` on `image`, translated, so that figures compare between machines.
    pub fn run(&self, image: &Path) -> Command {
        let mut command = Command::new(&self.tool);
        command.arg("run").args(["--accel", "tcg"]).arg(image);
        command
    }
}

struct Maker<'a> {
    tool: &'a Path,
    folder: &'a Path,
    counter: PathBuf,
}

impl Maker<'_> {
    fn raw(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.img"));
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    fn image(&self, name: &str, source: &Path) -> Result<PathBuf> {
        let program = self.folder.join(name);
        step::run(self.compiler().arg(source).arg("-o").arg(&program))?;
        self.bake(&program)
    }

    fn image_with_counter(&self, name: &str, source: &Path) -> Result<PathBuf> {
        let object = self.folder.join(format!("{name}.o"));
        let mut compiler = self.compiler();
        compiler.args(["-Dmain=program_main", "-c", "-o"]);
        step::run(compiler.arg(&object).arg(source))?;
        let program = self.folder.join(name);
        let mut compiler = self.compiler();
        compiler.arg("-o").arg(&program);
        step::run(compiler.arg(&self.counter).arg(&object))?;
        self.bake(&program)
    }

    fn compiler(&self) -> Command {
        let mut command = Command::new(self.tool.with_file_name("x86_64-anykernel-cc"));
        // Not `-s`: symbols help bake to leave things out, and none gets into an image.
        command.arg("-Os");
        command
    }

    fn bake(&self, program: &Path) -> Result<PathBuf> {
        let image = program.with_extension("img");
        let mut command = Command::new(self.tool);
        step::run(command.arg("bake").arg(program).arg("-o").arg(&image))?;
        Ok(image)
    }
}
