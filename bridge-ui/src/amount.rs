//! Amounts between smallest units and what people write, by moving the point in text. No floating point anywhere.

use alloy::primitives::U256;

/// An amount that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmountError {
    /// Nothing was written.
    #[error("enter an amount")]
    Empty,
    /// Signs, exponents, separators, letters.
    #[error("write the amount in digits with a point, like 12.5")]
    NotANumber,
    /// Finer than the smallest unit.
    #[error("the token has {0} decimals, not more")]
    TooManyDecimals(u8),
    /// Beyond 2²⁵⁶.
    #[error("the amount is too large")]
    TooLarge,
}

/// Reads a decimal number of whole tokens into smallest units.
///
/// # Errors
/// When it is no plain decimal number, finer than the token, or beyond 2²⁵⁶. Zeros past the last decimal are accepted.
pub(crate) fn parse(text: &str, decimals: u8) -> Result<U256, AmountError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(AmountError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(decimals) {
        return Err(AmountError::TooManyDecimals(decimals));
    }
    let units = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
    let units = units.trim_start_matches('0');
    if units.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(units, 10).map_err(|_| AmountError::TooLarge)
}

/// Writes smallest units as a decimal number of whole tokens: the shortest that [`parse`] reads back.
pub(crate) fn format(units: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{units:0>width$}", units = units.to_string(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// As [`format()`], with commas between thousands: for reading, not for parsing.
pub(crate) fn grouped(units: U256, decimals: u8) -> String {
    let plain = format(units, decimals);
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::with_capacity(plain.len() * 4 / 3 + 1);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(fraction);
    text
}

/// As [`grouped`], rounded down to three decimals where that leaves something: for amounts that change by the second.
pub(crate) fn rough(units: U256, decimals: u8) -> String {
    let Some(fine) = decimals.checked_sub(3) else { return grouped(units, decimals) };
    let step = U256::from(10).pow(U256::from(fine));
    let rounded = units - units % step;
    grouped(if rounded.is_zero() { units } else { rounded }, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_plain_decimal_numbers_only() {
        let read = |text: &str| parse(text, 9);
        assert_eq!(read("1.5"), Ok(U256::from(1_500_000_000_u64)));
        assert_eq!(read(" 0001 "), Ok(U256::from(1_000_000_000_u64)));
        assert_eq!(read(".000000001"), Ok(U256::from(1)));
        assert_eq!(read("7."), Ok(U256::from(7_000_000_000_u64)));
        assert_eq!(read("1.5000000000000"), Ok(U256::from(1_500_000_000_u64)));
        assert_eq!(read("0"), Ok(U256::ZERO));
        assert_eq!(read("1.0000000001"), Err(AmountError::TooManyDecimals(9)));
        assert_eq!(read(&"9".repeat(80)), Err(AmountError::TooLarge));
        assert_eq!(read(" "), Err(AmountError::Empty));
        for text in [".", "-1", "+1", "1e3", "1,000", "0x10", "1.2.3", "١", "1 000", "NaN"] {
            assert_eq!(read(text), Err(AmountError::NotANumber), "{text}");
        }
    }

    #[test]
    fn groups_thousands() {
        assert_eq!(grouped(U256::from(1_234_567_500_u64), 3), "1,234,567.5");
        assert_eq!(grouped(U256::from(999), 0), "999");
        assert_eq!(grouped(U256::from(1000), 0), "1,000");
    }

    #[test]
    fn rounds_down_but_never_to_nothing() {
        assert_eq!(rough(U256::from(1_234_567_899_999_u64), 9), "1,234.567");
        assert_eq!(rough(U256::from(999), 9), "0.000000999");
        assert_eq!(rough(U256::from(1234), 2), "12.34");
        assert_eq!(rough(U256::ZERO, 255), "0");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(limbs: [u64; 4], decimals in 0_u8..=80) {
            let units = U256::from_limbs(limbs);
            let text = format(units, decimals);
            prop_assert_eq!(parse(&text, decimals), Ok(units));
            prop_assert_eq!(grouped(units, decimals).replace(',', ""), text);
        }

        #[test]
        fn any_text_is_refused_or_read(text: String, decimals: u8) {
            if let Ok(units) = parse(&text, decimals) {
                prop_assert_eq!(parse(&format(units, decimals), decimals), Ok(units));
            }
        }
    }
}
