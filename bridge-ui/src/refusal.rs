//! What contracts and nodes refuse with, in words.

use alloy::{
    primitives::{Bytes, FixedBytes, U256},
    sol_types::{Panic, Revert, SolError, SolInterface},
};
use aurum_contracts::{BridgedToken, ForeignBridge, HomeBridge, RlcLikeToken, TokenPair};

use crate::amount;

/// Revert data as a sentence without full stop, if it is one of the errors of the bridge, its tokens or Solidity.
/// Amounts are told in whole tokens where the token is known.
pub(crate) fn explain(data: &Bytes, token: Option<&TokenPair>) -> Option<String> {
    let amount = |units: U256| match token {
        Some(pair) => format!("{} {}", amount::grouped(units, pair.decimals), pair.symbol),
        None => format!("{units} (smallest units)"),
    };
    if let Ok(error) = ForeignBridge::ForeignBridgeErrors::abi_decode(data) {
        return Some(bridge(&error, amount));
    }
    if let Ok(error) = HomeBridge::HomeBridgeErrors::abi_decode(data) {
        return Some(home(&error));
    }
    if let Ok(error) = BridgedToken::BridgedTokenErrors::abi_decode(data) {
        return Some(bridged_token(&error, amount));
    }
    if let Ok(error) = RlcLikeToken::RlcLikeTokenErrors::abi_decode(data) {
        return Some(format!("the token refused: {error:?}"));
    }
    if let Ok(Revert { reason }) = Revert::abi_decode(data) {
        return Some(format!("the contract refused: {reason}"));
    }
    Panic::abi_decode(data).ok().map(|panic| format!("the contract failed: {panic}"))
}

/// Why a payout was put off, of the selector in `Deferred`.
pub(crate) fn of_selector(selector: FixedBytes<4>) -> String {
    match selector.0 {
        ForeignBridge::EnforcedPause::SELECTOR => "the bridge was paused".into(),
        ForeignBridge::ExecutionOverMax::SELECTOR => "more than is paid out at once".into(),
        ForeignBridge::ExecutionOverDailyLimit::SELECTOR => "above what was left of the daily limit".into(),
        _ => selector.to_string(),
    }
}

fn bridge(error: &ForeignBridge::ForeignBridgeErrors, amount: impl Fn(U256) -> String) -> String {
    use ForeignBridge::ForeignBridgeErrors as E;
    match error {
        E::EnforcedPause(_) => "the bridge is paused".into(),
        E::DepositOutOfRange(e) if e.max.is_zero() => "deposits of this token are closed".into(),
        E::DepositOutOfRange(e) if e.amount < e.min => format!("the smallest amount is {}", amount(e.min)),
        E::DepositOutOfRange(e) => format!("the largest amount is {}", amount(e.max)),
        E::DepositOverDailyLimit(e) => format!("only {} is left of the daily limit", amount(e.left)),
        E::ExecutionOverMax(e) => {
            format!("{} is more than is paid out at once, {}", amount(e.amount), amount(e.max))
        }
        E::ExecutionOverDailyLimit(e) => {
            format!("only {} is left of the daily payout limit; it refills continuously", amount(e.left))
        }
        E::BadRecipient(_) => "this recipient cannot receive: it is zero, a bridge or a token".into(),
        E::ZeroAmount(_) => "the amount is zero".into(),
        E::UnknownToken(_) => "the bridge does not carry this token".into(),
        E::AlreadyExecuted(_) => "this transfer was already paid out".into(),
        E::WrongEpoch(e) => format!(
            "the attestations are for validator set {}, now it is set {}; the validators attest again",
            e.given, e.current
        ),
        E::NotEnoughAttestations(e) => format!("{} of {} attestations are there", e.count, e.needed),
        E::NotAValidator(e) => format!("{} is not a validator", e.signer),
        E::BadSignature(_) => "a signature is not valid".into(),
        E::SignersNotAscending(_) => "the signatures are not in order".into(),
        E::NotEnoughLocked(e) => format!("{} asked, {} is locked", amount(e.amount), amount(e.locked)),
        E::WrongAmountReceived(e) => {
            format!("the token moved {} instead of {}", amount(e.received), amount(e.asked))
        }
        E::SafeERC20FailedOperation(_) => "the token refused: balance or allowance is too small".into(),
        other => format!("the bridge refused: {}", name(&format!("{other:?}"))),
    }
}

fn home(error: &HomeBridge::HomeBridgeErrors) -> String {
    use HomeBridge::HomeBridgeErrors as E;
    match error {
        E::BadTransferData(_) => "the recipient is not an address".into(),
        E::AlreadyAttested(e) => format!("{} has attested this transfer already", e.signer),
        E::NotDeposited(_) => "there is no such deposit".into(),
        other => format!("the bridge refused: {}", name(&format!("{other:?}"))),
    }
}

fn bridged_token(error: &BridgedToken::BridgedTokenErrors, amount: impl Fn(U256) -> String) -> String {
    use BridgedToken::BridgedTokenErrors as E;
    match error {
        E::ERC20InsufficientBalance(e) => {
            format!("the balance is {}, {} is needed", amount(e.balance), amount(e.needed))
        }
        E::ERC20InsufficientAllowance(e) => {
            format!("{} is approved, {} is needed", amount(e.allowance), amount(e.needed))
        }
        E::BadReceiver(_) | E::ERC20InvalidReceiver(_) => "this recipient cannot receive the token".into(),
        E::ReceiverRefused(_) => "the receiving contract refused".into(),
        E::NotBridge(_) => "only the bridge may do this".into(),
        other => format!("the token refused: {}", name(&format!("{other:?}"))),
    }
}

/// The variant's name in the debug form of an error.
fn name(debug: &str) -> &str {
    debug.split(['(', ' ', '{']).next().unwrap_or(debug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Address;

    fn rlc() -> TokenPair {
        TokenPair {
            symbol: "RLC".into(),
            name: "iExec".into(),
            decimals: 9,
            foreign: Address::ZERO,
            home: Address::ZERO,
        }
    }

    #[test]
    fn refusals_are_told_in_words_and_whole_tokens() {
        let check = |data: Vec<u8>, expected: &str| {
            assert_eq!(explain(&data.into(), Some(&rlc())).as_deref(), Some(expected));
        };
        let units = |tokens: u64| U256::from(tokens) * U256::from(1_000_000_000_u64);
        check(ForeignBridge::EnforcedPause {}.abi_encode(), "the bridge is paused");
        let range = |amount, min, max| ForeignBridge::DepositOutOfRange { amount, min, max }.abi_encode();
        check(range(units(1), units(2), units(3)), "the smallest amount is 2 RLC");
        check(range(units(4), units(2), units(3000)), "the largest amount is 3,000 RLC");
        check(range(units(4), U256::ZERO, U256::ZERO), "deposits of this token are closed");
        check(
            ForeignBridge::DepositOverDailyLimit { amount: units(5), left: U256::from(1) }.abi_encode(),
            "only 0.000000001 RLC is left of the daily limit",
        );
        check(HomeBridge::BadTransferData {}.abi_encode(), "the recipient is not an address");
        check(
            BridgedToken::ERC20InsufficientBalance { sender: Address::ZERO, balance: units(1), needed: units(2) }
                .abi_encode(),
            "the balance is 1 RLC, 2 RLC is needed",
        );
        check(Revert { reason: "no".into() }.abi_encode(), "the contract refused: no");
    }

    #[test]
    fn unknown_data_is_not_explained() {
        assert_eq!(explain(&Bytes::from_static(&[1, 2, 3]), None), None);
        assert_eq!(explain(&Bytes::new(), None), None);
    }
}
