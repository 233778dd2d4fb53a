//! Several calls in one transaction: init code that makes them and leaves no contract.

use alloy::{
    primitives::{Address, Bytes},
    rpc::types::TransactionRequest,
};
use anyhow::{Context, Result};

/// Bytes of code a call takes, without its data.
const CALL_LENGTH: usize = 48;

/// A transaction whose creation code makes `calls` in their order, as the account that is created, and reverts when one
/// of them does. What the calls spend has to be on that account before.
///
/// # Errors
/// When the code would be longer than 64 KiB.
pub fn creation_that_calls(calls: &[(Address, Bytes)]) -> Result<TransactionRequest> {
    let end = calls.len() * CALL_LENGTH;
    // After the calls: STOP, then where failed calls jump to: JUMPDEST PUSH0 PUSH0 REVERT.
    let failed = end + 1;
    let mut data_at = failed + 4;
    let mut code = Vec::new();
    for (target, data) in calls {
        let (length, offset) = (two_bytes(data.len())?, two_bytes(data_at)?);
        data_at += data.len();
        let [length_high, length_low] = length;
        let [offset_high, offset_low] = offset;
        let [failed_high, failed_low] = two_bytes(failed)?;
        // CODECOPY(0, offset, length)
        code.extend([0x61, length_high, length_low, 0x61, offset_high, offset_low, 0x60, 0, 0x39]);
        // CALL(gas, target, 0, 0, length, 0, 0)
        code.extend([0x60, 0, 0x60, 0, 0x61, length_high, length_low, 0x60, 0, 0x60, 0, 0x73]);
        code.extend(target.as_slice());
        // if it failed, jump
        code.extend([0x5a, 0xf1, 0x15, 0x61, failed_high, failed_low, 0x57]);
    }
    debug_assert_eq!(code.len(), end, "every call takes the same number of bytes");
    code.extend([0x00, 0x5b, 0x5f, 0x5f, 0xfd]);
    for (_, data) in calls {
        code.extend(data.iter());
    }
    Ok(TransactionRequest::default().create().input(Bytes::from(code).into()))
}

fn two_bytes(number: usize) -> Result<[u8; 2]> {
    Ok(u16::try_from(number).context("too many calls for one creation")?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_follows_the_code_and_failures_jump_to_the_revert() -> Result<()> {
        let calls = [
            (Address::repeat_byte(1), Bytes::from_static(&[0xaa; 4])),
            (Address::repeat_byte(2), Bytes::from_static(&[0xbb; 3])),
        ];
        let request = creation_that_calls(&calls)?;
        let code = request.input.input.context("it has code")?;
        assert_eq!(code.len(), 2 * CALL_LENGTH + 5 + 7);
        assert_eq!(&code[96..101], &[0x00, 0x5b, 0x5f, 0x5f, 0xfd]);
        assert_eq!((&code[101..105], &code[105..]), (&[0xaa; 4][..], &[0xbb; 3][..]));
        let jump = &code[44..48];
        assert_eq!(jump, &[0x61, 0, 97, 0x57]);
        Ok(())
    }
}
