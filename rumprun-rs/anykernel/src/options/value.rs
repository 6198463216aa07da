//! Values of the file that are written as they are on the command line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::variable::Variable;

/// A string that is read as the option's value is.
pub fn text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Text::deserialize(deserializer).map(|Text(value)| Some(value))
}

/// An array of such strings.
pub fn texts<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let values = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|Text(value)| value).collect())
}

/// A table of variables and their values.
pub fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Variable>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    let variables = table
        .into_iter()
        .map(|(key, value)| Variable::new(key, value));
    variables
        .collect::<Result<_, _>>()
        .map_err(D::Error::custom)
}

/// A value read from its text.
struct Text<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = text.parse().map(Self);
        value.map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")))
    }
}
