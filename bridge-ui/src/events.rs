//! Logs of the contracts this system knows, as name and fields.

use alloy::{primitives::U256, sol_types::SolEventInterface};
use aurum_contracts::{BridgeValidators, BridgedToken, HomeBridge, Permissions, Side, ValidatorSet};

use crate::{app::App, chain::Log, transfer::text};

/// A log in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl App {
    /// The log in words, if it is one of ours.
    pub(crate) fn tell(&self, side: Side, log: &Log) -> Option<Told> {
        let topics = &log.topics;
        if let Ok(event) = HomeBridge::HomeBridgeEvents::decode_raw_log(topics, &log.data) {
            return Some(self.bridge_event(side, &event));
        }
        if let Ok(event) = BridgedToken::BridgedTokenEvents::decode_raw_log(topics, &log.data) {
            return Some(self.token_event(side, log, &event));
        }
        let name = |debug: String| Told {
            name: debug.split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
            fields: Vec::new(),
        };
        let (topics, data) = (topics.as_slice(), &log.data);
        BridgeValidators::BridgeValidatorsEvents::decode_raw_log(topics, data)
            .map(|event| name(format!("{event:?}")))
            .or_else(|_| Permissions::PermissionsEvents::decode_raw_log(topics, data).map(|event| permission(&event)))
            .or_else(|_| ValidatorSet::ValidatorSetEvents::decode_raw_log(topics, data).map(|e| name(format!("{e:?}"))))
            .ok()
    }

    fn bridge_event(&self, side: Side, event: &HomeBridge::HomeBridgeEvents) -> Told {
        use HomeBridge::HomeBridgeEvents as E;
        let amount = |token, units: U256| text(units, self.addresses.pair(side, token));
        match event {
            E::Deposited(e) => told(
                "Deposited",
                vec![
                    ("transfer", e.id.to_string()),
                    ("number", e.nonce.to_string()),
                    ("sender", e.sender.to_string()),
                    ("recipient", e.recipient.to_string()),
                    ("amount", amount(e.token, e.amount)),
                ],
            ),
            E::Executed(e) => told(
                "Executed",
                vec![
                    ("transfer", e.id.to_string()),
                    ("number", e.nonce.to_string()),
                    ("recipient", e.recipient.to_string()),
                    ("amount", amount(e.token, e.amount)),
                ],
            ),
            E::AttestationAdded(e) => told(
                "AttestationAdded",
                vec![
                    ("transfer", e.id.to_string()),
                    ("signer", e.signer.to_string()),
                    ("count", format!("{} of {}", e.count, e.needed)),
                ],
            ),
            E::Attested(e) => told("Attested", vec![("transfer", e.id.to_string())]),
            E::Deferred(e) => {
                let reason = crate::refusal::of_selector(e.reason);
                told("Deferred", vec![("transfer", e.id.to_string()), ("reason", reason)])
            }
            E::TokenAdded(e) => {
                told("TokenAdded", vec![("token", e.token.to_string()), ("remote", e.remoteToken.to_string())])
            }
            other => told(format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or("Event"), Vec::new()),
        }
    }

    fn token_event(&self, side: Side, log: &Log, event: &BridgedToken::BridgedTokenEvents) -> Told {
        use BridgedToken::BridgedTokenEvents as E;
        let amount = |units| text(units, self.addresses.pair(side, log.address));
        match event {
            E::Transfer(e) => told(
                "Transfer",
                vec![("from", e.from.to_string()), ("to", e.to.to_string()), ("amount", amount(e.value))],
            ),
            E::Approval(e) => told(
                "Approval",
                vec![("owner", e.owner.to_string()), ("spender", e.spender.to_string()), ("amount", amount(e.value))],
            ),
            other => told(format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or("Event"), Vec::new()),
        }
    }
}

fn permission(event: &Permissions::PermissionsEvents) -> Told {
    use Permissions::PermissionsEvents as E;
    let rights = |bits| names(bits).join(", ");
    match event {
        E::RightsSet(e) => told(
            "RightsSet",
            vec![("account", e.account.to_string()), ("before", rights(e.previous)), ("now", rights(e.rights))],
        ),
        other => told(format!("{other:?}").split(['(', ' ', '{']).next().unwrap_or("Event"), Vec::new()),
    }
}

fn told(name: &str, fields: Vec<(&'static str, String)>) -> Told {
    Told { name: name.to_owned(), fields }
}

/// Names of the rights in a mask.
pub(crate) fn names(bits: u32) -> Vec<&'static str> {
    use aurum_contracts::rights::{BASIC, CALL, CREATE, READ};
    [(READ, "read"), (BASIC, "basic"), (CALL, "call"), (CREATE, "create")]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| name)
        .collect()
}
