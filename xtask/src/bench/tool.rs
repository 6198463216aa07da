//! The anykernel tool, as measurements call it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::step;
use crate::workspace::Workspace;

/// The tool, freshly built.
#[derive(Debug)]
pub struct Tool(PathBuf);

impl Tool {
    /// Builds it.
    pub fn build(workspace: &Workspace) -> Result<Self> {
        Ok(Self(build::build(workspace)?))
    }

    /// `anykernel cc`, for small programs.
    pub fn compiler(&self) -> Command {
        let mut command = Command::new(self.0.with_file_name("x86_64-anykernel-cc"));
        // Not `-s`: symbols help bake to leave things out, and none gets into an image.
        command.arg("-Os");
        command
    }

    /// Compiles `source`, links it as `program`, and makes an image of it in which the files of
    /// `root` are. Returns where the image is.
    pub fn image(&self, source: &Path, program: &Path, root: Option<&Path>) -> Result<PathBuf> {
        step::run(self.compiler().arg(source).arg("-o").arg(program))?;
        self.bake(program, root)
    }

    /// Makes an image of `program`, in which the files of `root` are. Returns where it is.
    pub fn bake(&self, program: &Path, root: Option<&Path>) -> Result<PathBuf> {
        let image = program.with_extension("img");
        let mut command = Command::new(&self.0);
        command.arg("bake").arg(program).arg("-o").arg(&image);
        if let Some(root) = root {
            command.arg("--root").arg(root);
        }
        step::run(&mut command)?;
        Ok(image)
    }

    /// `anykernel run` on `image`, translated, so that figures compare between machines.
    pub fn run(&self, image: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg("run").args(["--accel", "tcg"]).arg(image);
        command
    }
}
