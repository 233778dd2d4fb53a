//! Accounts whose keys are printed in manuals. On a chain that matters they belong to whoever comes first.

use alloy::primitives::{Address, address};

const HARDHAT: &str = "the test mnemonic of Anvil and Hardhat";
const GANACHE: &str = "the deterministic accounts of Ganache";
const PARITY: &str = "Parity's development account";
const TEST_KEY: &str = "a key of OpenEthereum's test chains";
const BESU: &str = "the example genesis of Besu and Truffle";
const SMALL: &str = "the secret key 1, 2 or 3";

const KNOWN: [(Address, &str); 35] = [
    (address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), HARDHAT),
    (address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"), HARDHAT),
    (address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"), HARDHAT),
    (address!("90F79bf6EB2c4f870365E785982E1f101E93b906"), HARDHAT),
    (address!("15d34AAf54267DB7D7c367839AAf71A00a2C6A65"), HARDHAT),
    (address!("9965507D1a55bcC2695C58ba16FB37d819B0A4dc"), HARDHAT),
    (address!("976EA74026E726554dB657fA54763abd0C3a0aa9"), HARDHAT),
    (address!("14dC79964da2C08b23698B3D3cc7Ca32193d9955"), HARDHAT),
    (address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"), HARDHAT),
    (address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"), HARDHAT),
    (address!("Bcd4042DE499D14e55001CcbB24a551F3b954096"), HARDHAT),
    (address!("71bE63f3384f5fb98995898A86B02Fb2426c5788"), HARDHAT),
    (address!("FABB0ac9d68B0B445fB7357272Ff202C5651694a"), HARDHAT),
    (address!("1CBd3b2770909D4e10f157cABC84C7264073C9Ec"), HARDHAT),
    (address!("dF3e18d64BC6A983f673Ab319CCaE4f1a57C7097"), HARDHAT),
    (address!("cd3B766CCDd6AE721141F452C550Ca635964ce71"), HARDHAT),
    (address!("2546BcD3c84621e976D8185a91A922aE77ECEc30"), HARDHAT),
    (address!("bDA5747bFD65F08deb54cb465eB87D40e51B197E"), HARDHAT),
    (address!("dD2FD4581271e230360230F9337D5c0430Bf44C0"), HARDHAT),
    (address!("8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199"), HARDHAT),
    (address!("90F8bf6A479f320ead074411a4B0e7944Ea8c9C1"), GANACHE),
    (address!("FFcf8FDEE72ac11b5c542428B35EEF5769C409f0"), GANACHE),
    (address!("22d491Bde2303f2f43325b2108D26f1eAbA1e32b"), GANACHE),
    (address!("E11BA2b4D45Eaed5996Cd0823791E0C93114882d"), GANACHE),
    (address!("d03ea8624C8C5987235048901fB614fDcA89b117"), GANACHE),
    (address!("00a329c0648769A73afAc7F9381E08FB43dBEA72"), PARITY),
    (address!("00Ea169ce7e0992960D3BdE6F5D539C955316432"), PARITY),
    (address!("7d577a597b2742b498cb5cf0c26cdcd726d39e6e"), TEST_KEY),
    (address!("82a978b3f5962a5b0957d9ee9eef472ee55b42f1"), TEST_KEY),
    (address!("FE3B557E8Fb62b89F4916B721be55cEb828dBd73"), BESU),
    (address!("627306090abaB3A6e1400e9345bC60c78a8BEf57"), BESU),
    (address!("f17f52151EbEF6C7334FAD080c5704D77216b732"), BESU),
    (address!("7E5F4552091A69125d5DfCb7b8C2659029395Bdf"), SMALL),
    (address!("2B5AD5c4795c026514f8317c7a215E218DcCD6cF"), SMALL),
    (address!("6813Eb9362372EEF6200f3b1dbC3f819671cBA69"), SMALL),
];

/// Where the key of this account is published, if it is.
pub fn development_key(account: Address) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == account).map(|(_, origin)| *origin)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;

    use super::*;
    use crate::Secret;

    #[test]
    fn keys_that_are_published_are_recognised() {
        let published = [
            keccak256("0").0,
            keccak256("1").0,
            alloy::primitives::U256::from(1).to_be_bytes(),
            alloy::primitives::U256::from(2).to_be_bytes(),
            alloy::primitives::U256::from(3).to_be_bytes(),
        ];
        for secret in published {
            assert!(development_key(Secret::from_bytes(&secret).unwrap().address()).is_some());
        }
        for hex in [
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
            "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
            "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
            "4d5db4107d237df6a3d58ee5f70ae63d73d7658d4026f2eefd2f204c81682cb7",
            "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d",
            "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63",
        ] {
            assert!(development_key(Secret::from_hex(hex).unwrap().address()).is_some(), "{hex}");
        }
        assert_eq!(development_key(Secret::generate().unwrap().address()), None);
    }

    #[test]
    fn no_account_is_listed_twice() {
        let mut accounts: Vec<_> = KNOWN.iter().map(|(account, _)| account).collect();
        accounts.sort();
        accounts.dedup();
        assert_eq!(accounts.len(), KNOWN.len());
    }
}
