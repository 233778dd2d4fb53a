//! Custom errors of contracts by name: those of Aurum's own contracts, of OpenZeppelin's, ERC-6093 among them, and of ERC-7751. Of any
//! other the contract's ABI, which no chain has, would be needed.

use std::{collections::HashMap, sync::LazyLock};

use alloy::{
    dyn_abi::{DynSolValue, JsonAbiExt as _},
    hex,
    json_abi::Error,
    primitives::Selector,
};

/// Declarations as Solidity has them, one a line.
const DECLARED: &str = include_str!("custom_errors.txt");

static KNOWN: LazyLock<HashMap<Selector, Error>> =
    LazyLock::new(|| declared().map(|error| (error.selector(), error)).collect());

fn declared() -> impl Iterator<Item = Error> {
    let lines = DECLARED.lines().filter(|line| line.starts_with("error "));
    lines.map(|line| Error::parse(line).expect("a test reads this file"))
}

/// `ERC20InsufficientBalance(sender: 0x…, balance: 3, needed: 5)`; of an error that is not known, or whose arguments are not
/// those it was declared with, `the custom error 0xdeadbeef, 2 words`. `None` for data without a selector.
pub(super) fn describe(data: &[u8]) -> Option<String> {
    let (selector, arguments) = data.split_first_chunk::<4>()?;
    let named = KNOWN.get(&Selector::from(*selector)).and_then(|error| named(error, arguments));
    let words = arguments.len() / 32;
    Some(named.unwrap_or_else(|| format!("the custom error 0x{}, {words} words", hex::encode(selector))))
}

fn named(error: &Error, arguments: &[u8]) -> Option<String> {
    let values = error.abi_decode_input(arguments).ok()?;
    let arguments = error.inputs.iter().zip(&values).map(|(input, value)| match input.name.as_str() {
        "" => text(value),
        name => format!("{name}: {}", text(value)),
    });
    Some(format!("{}({})", error.name, arguments.collect::<Vec<_>>().join(", ")))
}

/// A value as Solidity would write it. The file has no arrays and no structs.
fn text(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Bool(value) => value.to_string(),
        DynSolValue::Int(value, _) => value.to_string(),
        DynSolValue::Uint(value, _) => value.to_string(),
        DynSolValue::Address(value) => value.to_string(),
        DynSolValue::FixedBytes(word, size) => hex::encode_prefixed(&word[..*size]),
        DynSolValue::Bytes(bytes) => hex::encode_prefixed(bytes),
        DynSolValue::String(value) => format!("{value:?}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use alloy::{
        primitives::{Address, B256, U256, hex},
        sol,
        sol_types::SolError,
    };
    use serde_json::Value;

    use super::*;

    sol! {
        error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);
        error BadThreshold(uint256 threshold, uint256 admins);
        error ERC721NonexistentToken(uint256 tokenId);
        error EnforcedPause();
        error SafeCastOverflowedIntToUint(int256 value);
        error StringTooLong(string str);
        error WrappedError(address target, bytes4 selector, bytes reason, bytes details);
    }

    fn check(error: &impl SolError, expected: &str) {
        assert_eq!(describe(&error.abi_encode()).unwrap(), expected);
    }

    #[test]
    fn known_errors_have_their_names_and_arguments() {
        let account = Address::repeat_byte(0x11);
        check(
            &AccessControlUnauthorizedAccount { account, neededRole: B256::ZERO },
            &format!("AccessControlUnauthorizedAccount(account: {account}, neededRole: {})", B256::ZERO),
        );
        check(&BadThreshold { threshold: U256::from(3), admins: U256::from(2) }, "BadThreshold(threshold: 3, 2)");
        check(
            &ERC721NonexistentToken { tokenId: U256::MAX },
            &format!("ERC721NonexistentToken(tokenId: {})", U256::MAX),
        );
        check(&EnforcedPause {}, "EnforcedPause()");
        let value = alloy::primitives::I256::MINUS_ONE;
        check(&SafeCastOverflowedIntToUint { value }, "SafeCastOverflowedIntToUint(value: -1)");
        check(&StringTooLong { str: "a \"b\"".to_owned() }, r#"StringTooLong(str: "a \"b\"")"#);
        let wrapped = WrappedError {
            target: account,
            selector: hex!("01020304").into(),
            reason: hex!("05").into(),
            details: Default::default(),
        };
        let expected = format!("WrappedError(target: {account}, selector: 0x01020304, reason: 0x05, details: 0x)");
        check(&wrapped, &expected);
    }

    #[test]
    fn others_have_a_selector_and_words() {
        let unknown = [hex!("deadbeef").as_slice(), &[0; 64]].concat();
        assert_eq!(describe(&unknown).unwrap(), "the custom error 0xdeadbeef, 2 words");
        // A known one whose arguments are missing.
        let short = ERC721NonexistentToken { tokenId: U256::ZERO }.abi_encode();
        let selector = hex::encode_prefixed(&short[..4]);
        assert_eq!(describe(&short[..4]).unwrap(), format!("the custom error {selector}, 0 words"));
        assert_eq!(describe(&[1, 2, 3]), None);
    }

    #[test]
    fn every_error_of_our_contracts_is_declared() {
        let mut declared_by_selector = BTreeMap::new();
        for error in declared() {
            let simple = |kind: &str| !kind.contains(['[', '(']);
            assert!(error.inputs.iter().all(|input| simple(&input.ty)), "{}", error.signature());
            let twice = declared_by_selector.insert(error.selector(), error);
            assert!(twice.is_none(), "{twice:?} is declared twice");
        }
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs tests");
        let folder = Path::new(&package).join("../../../contracts/artifacts");
        let mut seen = 0;
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let artifact: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            for item in artifact["abi"].as_array().unwrap().iter().filter(|item| item["type"] == "error") {
                let error: Error = serde_json::from_value(item.clone()).unwrap();
                let declared = declared_by_selector.get(&error.selector());
                let declared = declared.unwrap_or_else(|| panic!("{}: {}", path.display(), error.signature()));
                // A name that not all have is no name.
                let names = declared.inputs.iter().zip(&error.inputs);
                assert!(
                    names.clone().all(|(ours, its)| ours.name.is_empty() || ours.name == its.name),
                    "{}: {}",
                    path.display(),
                    error.signature()
                );
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
