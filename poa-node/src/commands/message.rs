//! An error as the one line an operator reads.

use std::error::Error;

/// The error with its causes, joined by colons. A cause that the message before it holds already is not said again: most
/// messages of this program quote their source.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use anyhow::Context as _;

    use super::*;
    use crate::ConfigError;

    #[test]
    fn a_cause_is_said_once() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = ConfigError::Read { path: PathBuf::from("spec.json"), source };
        assert_eq!(one_line(&error), "cannot read spec.json: no such file");
        let with_context = Err::<(), _>(error).context("chain check").unwrap_err();
        assert_eq!(one_line(with_context.as_ref()), "chain check: cannot read spec.json: no such file");
    }
}
