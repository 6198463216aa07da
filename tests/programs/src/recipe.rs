//! What a program of this crate is, as data.

/// A program: where its source comes from, how it is built, what it is compared on.
#[derive(Debug)]
pub struct Recipe {
    /// The distribution's source package.
    pub source: &'static str,
    /// Tools that unpacking and building take beside tar and make, each with the package to name
    /// when it is missing.
    pub tools: &'static [(&'static str, &'static str)],
    /// Shell lines that run in the unpacked source. `$CC` is our compiler wrapper.
    pub steps: &'static [&'static str],
    /// What is run.
    pub cases: &'static [Case],
}

/// One run of a program, to be the same in both homes.
#[derive(Debug)]
pub struct Case {
    pub(crate) program: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) input: Input,
    pub(crate) root: Option<&'static str>,
    pub(crate) status: u8,
    pub(crate) memory: &'static str,
    pub(crate) tells_times: bool,
}

/// What standard input gives.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// This text.
    Text(&'static str),
    /// So many bytes that compress about as text does.
    Prose(usize),
    /// What the case's program writes on Linux with these arguments and this input.
    Processed(&'static [&'static str], &'static Input),
}

/// A run of `program`, a path in the built source, with `arguments`.
///
/// An argument may name [`SCRATCH`](test_support::SCRATCH). Unless said otherwise the run has no
/// input and is a success.
pub const fn case(program: &'static str, arguments: &'static [&'static str]) -> Case {
    Case {
        program,
        arguments,
        input: Input::Text(""),
        root: None,
        status: 0,
        memory: "64M",
        tells_times: false,
    }
}

impl Case {
    /// Sets standard input.
    pub const fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Makes a folder of `tests/programs/roots` the image's root.
    pub const fn root(mut self, folder: &'static str) -> Self {
        self.root = Some(folder);
        self
    }

    /// Sets the memory of the machine that it is booted on.
    pub const fn memory(mut self, memory: &'static str) -> Self {
        self.memory = memory;
        self
    }

    /// Lines of its output end with how long something took, which is not compared.
    pub const fn with_times(mut self) -> Self {
        self.tells_times = true;
        self
    }

    /// Sets the exit status that is right.
    pub const fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }
}
