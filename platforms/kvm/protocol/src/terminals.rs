//! Which of the three standard streams are a person's terminal.

/// The truth that `run` knows and that `isatty` in the guest tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Terminals {
    /// Standard input.
    pub input: bool,
    /// Standard output.
    pub output: bool,
    /// Standard error.
    pub error: bool,
}

impl Terminals {
    /// Reads a set of letters, `i`, `o` and `e`.
    pub(crate) fn from_letters(letters: &str) -> Self {
        let has = |letter| letters.as_bytes().contains(&letter);
        Self {
            input: has(b'i'),
            output: has(b'o'),
            error: has(b'e'),
        }
    }

    /// The letters of the streams that are terminals.
    pub(crate) fn letters(self) -> impl Iterator<Item = char> {
        [(self.input, 'i'), (self.output, 'o'), (self.error, 'e')]
            .into_iter()
            .filter_map(|(is_terminal, letter)| is_terminal.then_some(letter))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    #[test]
    fn each_combination_returns() {
        for bits in 0..8 {
            let terminals = Terminals {
                input: bits & 1 != 0,
                output: bits & 2 != 0,
                error: bits & 4 != 0,
            };
            let letters: String = terminals.letters().collect();
            assert_eq!(Terminals::from_letters(&letters), terminals);
        }
    }
}
