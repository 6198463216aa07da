//! A variable of the environment as an option gives it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use thiserror::Error;

/// `KEY=VALUE`.
#[derive(Clone, Debug)]
pub struct Variable {
    key: OsString,
    value: OsString,
}

/// The text names no variable.
#[derive(Debug, Error)]
pub enum VariableError {
    /// A name is missing.
    #[error("a variable is written KEY=VALUE")]
    NoKey,
    /// Only a name was given, and there is no such variable here.
    #[error("{0} is not set here: write {0}=VALUE")]
    Unset(String),
}

impl Variable {
    /// The variable `key` with its value.
    pub fn new(
        key: impl Into<OsString>,
        value: impl Into<OsString>,
    ) -> Result<Self, VariableError> {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() || key.as_bytes().contains(&b'=') {
            return Err(VariableError::NoKey);
        }
        Ok(Self { key, value })
    }

    /// The name, without `=`.
    pub fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        self.value.as_bytes()
    }
}

impl std::str::FromStr for Variable {
    type Err = VariableError;

    /// Reads `KEY=VALUE`, or `KEY` alone, which takes the value that it has in our environment.
    fn from_str(text: &str) -> Result<Self, VariableError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, OsStr::new(value).to_owned()),
            None if text.is_empty() => return Err(VariableError::NoKey),
            None => (
                text,
                std::env::var_os(text).ok_or(VariableError::Unset(text.to_owned()))?,
            ),
        };
        Self::new(key, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything() {
        let variable: Variable = "A=b=c d".parse().unwrap();
        assert_eq!(
            (variable.key(), variable.value()),
            (&b"A"[..], &b"b=c d"[..])
        );
        let empty: Variable = "A=".parse().unwrap();
        assert_eq!(empty.value(), b"");
    }

    #[test]
    fn a_key_alone_takes_our_value() {
        let variable: Variable = "PATH".parse().unwrap();
        assert_eq!(
            variable.value(),
            std::env::var_os("PATH").unwrap().as_bytes()
        );
        assert!("NO_VARIABLE_HAS_THIS_NAME".parse::<Variable>().is_err());
    }

    #[test]
    fn a_name_is_needed() {
        assert!(matches!(
            "=x".parse::<Variable>(),
            Err(VariableError::NoKey)
        ));
        assert!(matches!("".parse::<Variable>(), Err(VariableError::NoKey)));
    }
}
