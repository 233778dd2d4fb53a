//! Positional parameters: a JSON array, read once into a tuple. What is missing at the end is `null`.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::{Answer, Failure};

/// What a handler can take as its parameters: tuples of one to five, or `()`.
///
/// Trailing parameters that may be left out are `Option`s. Messages are geth's.
pub(crate) trait FromParams: Sized + Send {
    /// Most parameters.
    const LEN: usize;

    /// Reads the `params` of a request.
    ///
    /// # Errors
    /// [`Failure::Params`].
    fn from_params(raw: Option<&str>) -> Answer<Self>;
}

impl FromParams for () {
    const LEN: usize = 0;

    /// Whatever is sent is left alone: some clients send `[null]` or `{}` to methods without parameters.
    fn from_params(_raw: Option<&str>) -> Answer<Self> {
        Ok(())
    }
}

macro_rules! tuples {
    ($($len:literal: $($name:ident)+;)+) => {$(
        impl<$($name: DeserializeOwned + Send),+> FromParams for ($($name,)+) {
            const LEN: usize = $len;

            fn from_params(raw: Option<&str>) -> Answer<Self> {
                let items = items(raw, $len)?;
                let mut items = items.into_iter().enumerate();
                Ok(($(take::<$name>(items.next())?,)+))
            }
        }
    )+};
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
}

/// The array's elements, filled up with `null` to exactly `len`.
fn items(raw: Option<&str>, len: usize) -> Answer<Vec<Box<RawValue>>> {
    let raw = raw.map(str::trim).filter(|raw| !raw.is_empty() && *raw != "null").unwrap_or("[]");
    if !raw.starts_with('[') {
        return Err(Failure::Params("non-array args".to_owned()));
    }
    let mut items: Vec<Box<RawValue>> =
        serde_json::from_str(raw).map_err(|error| Failure::Params(format!("invalid params: {error}")))?;
    if items.len() > len {
        return Err(Failure::Params(format!("too many arguments, want at most {len}")));
    }
    items.resize_with(len, || RawValue::NULL.to_owned());
    Ok(items)
}

fn take<T: DeserializeOwned>(item: Option<(usize, Box<RawValue>)>) -> Answer<T> {
    let (index, raw) = item.ok_or_else(|| Failure::Internal("parameter tuple ran out".to_owned()))?;
    serde_json::from_str(raw.get()).map_err(|error| {
        Failure::Params(if raw.get() == "null" {
            format!("missing value for required argument {index}")
        } else {
            format!("invalid argument {index}: {error}")
        })
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::FromParams;
    use crate::error::INVALID_PARAMS;

    type Two = (Address, Option<u64>);

    #[test]
    fn what_is_missing_at_the_end_is_none() {
        let zero = r#"["0x0000000000000000000000000000000000000000"]"#;
        assert_eq!(Two::from_params(Some(zero)).unwrap(), (Address::ZERO, None));
        let null = r#"["0x0000000000000000000000000000000000000000", null]"#;
        assert_eq!(Two::from_params(Some(null)).unwrap(), (Address::ZERO, None));
    }

    #[test]
    fn says_which_argument_is_wrong() {
        let cases = [
            (None, "missing value for required argument 0"),
            (Some("[]"), "missing value for required argument 0"),
            (Some("{}"), "non-array args"),
            (Some("[1,2,3]"), "too many arguments, want at most 2"),
            (Some(r#"["0x12"]"#), "invalid argument 0"),
        ];
        for (raw, message) in cases {
            let failure = Two::from_params(raw).unwrap_err();
            assert_eq!(failure.code(), INVALID_PARAMS);
            assert!(failure.to_string().starts_with(message), "{raw:?}: {failure}");
        }
    }

    #[test]
    fn methods_without_parameters_take_anything() {
        for raw in [None, Some("[]"), Some("{}"), Some("[null]")] {
            <()>::from_params(raw).unwrap();
        }
    }
}
