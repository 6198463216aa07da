//! What the contract suite in an image (component `contract`) asks of whoever runs it.
//!
//! Some clauses of the contract say what happens when somebody types, or asks the program to end. An
//! image cannot do that by itself. So, where the environment says [`ANNOUNCED`], the suite writes a
//! line to standard error for each thing that it needs done, and whoever runs the image does it at
//! the standard input and the signals of `run`.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::percent;

/// The entry of the environment which says that somebody reads the lines.
pub const ANNOUNCED: &str = "ANYKERNEL_CONTRACT=staged";

/// Something that the suite needs done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// These bytes are to come in at standard input.
    Type(Vec<u8>),
    /// Standard input is to end, unless it has.
    EndInput,
    /// SIGINT is to be sent.
    Interrupt,
    /// SIGTERM is to be sent.
    Terminate,
    /// [`reply`] of all that has come out at standard output so far is to come in at standard
    /// input.
    TellOutput,
}

const PREFIX: &str = "contract needs: ";
const TYPE: &str = "type ";
const END_INPUT: &str = "end of input";
const INTERRUPT: &str = "interrupt";
const TERMINATE: &str = "terminate";
const TELL_OUTPUT: &str = "output so far";

impl Stage {
    /// The line that asks for it, with its end.
    pub fn line(&self) -> String {
        let mut line = PREFIX.to_owned();
        match self {
            Self::Type(bytes) => {
                line += TYPE;
                percent::encode(bytes, &mut line);
            }
            Self::EndInput => line += END_INPUT,
            Self::Interrupt => line += INTERRUPT,
            Self::Terminate => line += TERMINATE,
            Self::TellOutput => line += TELL_OUTPUT,
        }
        line.push('\n');
        line
    }

    /// What `line`, without its end, asks for, if it does.
    pub fn parse(line: &str) -> Option<Self> {
        let need = line.strip_prefix(PREFIX)?;
        match need {
            END_INPUT => Some(Self::EndInput),
            INTERRUPT => Some(Self::Interrupt),
            TERMINATE => Some(Self::Terminate),
            TELL_OUTPUT => Some(Self::TellOutput),
            _ => Some(Self::Type(
                percent::decode(need.strip_prefix(TYPE)?).collect(),
            )),
        }
    }
}

/// The answer to [`Stage::TellOutput`]: how many bytes there are, in decimal digits, the end of a
/// line, and the bytes.
pub fn reply(output: &[u8]) -> Vec<u8> {
    let mut reply = output.len().to_string().into_bytes();
    reply.push(b'\n');
    reply.extend(output);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_returns() {
        for stage in [
            Stage::Type(b"a line\n\xff%".to_vec()),
            Stage::Type(b"interrupt".to_vec()),
            Stage::EndInput,
            Stage::Interrupt,
            Stage::Terminate,
            Stage::TellOutput,
        ] {
            let line = stage.line();
            let (text, end) = line.split_at(line.len() - 1);
            assert_eq!(end, "\n");
            assert!(!text.contains('\n'));
            assert_eq!(Stage::parse(text), Some(stage));
        }
    }

    #[test]
    fn other_lines_ask_for_nothing() {
        for line in ["", "interrupt", "contract needs: ", "contract needs: tea"] {
            assert_eq!(Stage::parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_reply_says_its_length() {
        assert_eq!(reply(b"12\n"), b"3\n12\n");
    }
}
