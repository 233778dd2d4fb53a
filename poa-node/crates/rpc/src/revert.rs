//! Revert data as text, in geth's words: hardhat, truffle and ethers match them.

use alloy::sol_types::{Panic, PanicKind, Revert, SolError};

/// `execution reverted`, with the reason where the data is `Error(string)` or `Panic(uint256)`.
pub(crate) fn revert_message(output: &[u8]) -> String {
    match reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    }
}

fn reason(output: &[u8]) -> Option<String> {
    if let Ok(panic) = Panic::abi_decode(output) {
        return Some(panic_text(&panic));
    }
    Revert::abi_decode(output).ok().map(|revert| revert.reason)
}

/// geth `accounts/abi` `panicReasons`.
fn panic_text(panic: &Panic) -> String {
    let text = match panic.kind() {
        Some(PanicKind::Generic) => "generic panic",
        Some(PanicKind::Assert) => "assert(false)",
        Some(PanicKind::UnderOverflow) => "arithmetic underflow or overflow",
        Some(PanicKind::DivisionByZero) => "division or modulo by zero",
        Some(PanicKind::EnumConversionError) => "enum overflow",
        Some(PanicKind::StorageEncodingError) => "invalid encoded storage byte array accessed",
        Some(PanicKind::EmptyArrayPop) => "out-of-bounds array access; popping on an empty array",
        Some(PanicKind::ArrayOutOfBounds) => "out-of-bounds access of an array or bytesN",
        Some(PanicKind::ResourceError) => "out of memory",
        Some(PanicKind::InvalidInternalFunction) => "uninitialized function",
        _ => return format!("unknown panic code: {:#x}", panic.code),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use alloy::{
        primitives::{U256, hex},
        sol_types::{Panic, Revert, SolError},
    };

    use super::revert_message;

    #[test]
    fn says_what_geth_says() {
        let cases = [
            (Vec::new(), "execution reverted"),
            (hex!("deadbeef").to_vec(), "execution reverted"),
            (Revert::from("not the owner").abi_encode(), "execution reverted: not the owner"),
            (Panic { code: U256::from(0x11) }.abi_encode(), "execution reverted: arithmetic underflow or overflow"),
            (Panic { code: U256::from(0x99) }.abi_encode(), "execution reverted: unknown panic code: 0x99"),
        ];
        for (output, message) in cases {
            assert_eq!(revert_message(&output), message);
        }
    }
}
