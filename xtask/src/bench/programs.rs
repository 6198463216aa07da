//! The small programs that are measured, and their images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use protocol::{COMPONENTS, CommandLine, Component};

use super::empty_image;
use super::tool::Tool;
use crate::step;
use crate::workspace::Workspace;

/// The port on which httpd listens by default.
pub const HTTPD_PORT: u16 = 8080;

/// The images under measurement, and the tool that runs them.
#[derive(Debug)]
pub struct Programs<'a> {
    tool: &'a Tool,
    /// An image that prints a line and ends, and is otherwise empty.
    pub empty: PathBuf,
    /// The same, run with a network device.
    pub empty_with_network: PathBuf,
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

impl<'a> Programs<'a> {
    /// Builds all images with `tool`.
    pub fn build(workspace: &Workspace, tool: &'a Tool) -> Result<Self> {
        let folder = workspace.target().join("bench");
        fs::create_dir_all(&folder)?;
        let maker = Maker {
            tool,
            folder: &folder,
            counter: workspace.root().join("xtask/programs/counter.c"),
        };
        let hello = workspace.root().join("xtask/programs/hello.c");
        let httpd = workspace.root().join("examples/httpd/httpd.c");
        Ok(Self {
            empty: maker.empty("empty", &[])?,
            empty_with_network: maker.empty("empty-network", &["net"])?,
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
        self.tool.run(image)
    }
}

struct Maker<'a> {
    tool: &'a Tool,
    folder: &'a Path,
    counter: PathBuf,
}

impl Maker<'_> {
    fn raw(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.img"));
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// An empty image that is run as one of `components` is.
    fn empty(&self, name: &str, components: &[&str]) -> Result<PathBuf> {
        let is_named = |component: &&Component| components.contains(&component.name);
        let components: Vec<_> = COMPONENTS.iter().filter(is_named).collect();
        let mut words = CommandLine::new();
        words.components(&components);
        self.raw(name, &empty_image::that_prints_a_line(&words))
    }

    fn image(&self, name: &str, source: &Path) -> Result<PathBuf> {
        self.tool.image(source, &self.folder.join(name), None)
    }

    fn image_with_counter(&self, name: &str, source: &Path) -> Result<PathBuf> {
        let object = self.folder.join(format!("{name}.o"));
        let mut compiler = self.tool.compiler();
        compiler.args(["-Dmain=program_main", "-c", "-o"]);
        step::run(compiler.arg(&object).arg(source))?;
        let program = self.folder.join(name);
        let mut compiler = self.tool.compiler();
        compiler.arg("-o").arg(&program);
        step::run(compiler.arg(&self.counter).arg(&object))?;
        self.tool.bake(&program, None)
    }
}
