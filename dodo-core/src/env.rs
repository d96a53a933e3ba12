//! Environment variables. All of them follow one rule, so that an error names the real cause.

use std::env;

use crate::Error;

/// Quotes that shells, `.env` files and text editors put around a value.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];

/// Reads an environment variable that holds one value, by the rule of all `DODO_*` variables: blanks
/// around the value are dropped. `None` if it is unset or blank.
///
/// ```
/// # fn main() -> Result<(), dodo_core::Error> {
/// let port = dodo_core::env::variable("PORT")?.unwrap_or_else(|| "3000".to_owned());
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Config`](crate::ErrorKind::Config) for quotes, blanks and control characters inside the value, and
/// for text that is not UTF-8. The error names the variable and never shows its value.
pub fn variable(name: &'static str) -> Result<Option<String>, Error> {
    let mut values = variables(name)?.into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Error::variable(name, "has a blank inside: set it to one value")),
    }
}

/// Reads a variable that holds any number of values, with blanks between them.
///
/// # Errors
/// As [`variable`], but for blanks.
pub(crate) fn variables(name: &'static str) -> Result<Vec<String>, Error> {
    let Some(value) = env::var_os(name) else { return Ok(Vec::new()) };
    let Ok(text) = value.into_string() else {
        return Err(Error::variable(name, "is not UTF-8: type the value again"));
    };
    // Editors on Windows begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let values: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    for value in &values {
        if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
            return Err(Error::variable(name, "has quotes in its value: remove the quotes"));
        }
        if value.contains(char::is_control) {
            return Err(Error::variable(name, "has control characters: type the value again"));
        }
    }
    Ok(values)
}
