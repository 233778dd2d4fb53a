//! What a wallet is asked to send, encoded here and tried before the wallet is asked.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use aurum_contracts::{BridgedToken, ForeignBridge, HomeBridge, Side, TokenPair};
use serde::Serialize;
use serde_json::json;

use crate::{
    amount,
    app::App,
    chain::{Chain, Unanswered},
    quote::Wish,
    refusal,
    relayers::Told,
    transfer::deposits,
};

/// A transaction for `eth_sendTransaction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Prepared {
    /// The chain it is for, hexadecimal as wallets want it.
    pub chain_id: String,
    /// Contract called.
    pub to: Address,
    /// What it is called with.
    pub data: Bytes,
    /// Always zero: the bridge never takes coins.
    pub value: &'static str,
    /// Only sets an allowance to zero, as some tokens demand before another can be given: ask again afterwards.
    pub reset: bool,
}

/// Why nothing was prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprepared {
    /// It would be refused, or is no sensible wish.
    #[error("{0}")]
    Refused(String),
    /// There is no such transfer.
    #[error("{0}")]
    Unknown(String),
    /// A chain does not answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl App {
    /// Lets the bridge on the public chain take the amount.
    ///
    /// # Errors
    /// When the token would refuse, or the chain does not answer.
    pub(crate) async fn prepare_approve(&self, wish: &Wish<'_>) -> Result<Prepared, Unprepared> {
        let (chain, account, units) = self.sender(wish)?;
        if wish.from == Side::Home {
            return Err(Unprepared::Refused(format!("{} needs no approval", chain.name())));
        }
        let (bridge, token) = (chain.at.bridge, wish.pair.on(wish.from));
        let approve = |value| Bytes::from(BridgedToken::approveCall { spender: bridge, value }.abi_encode());
        let data = approve(units);
        match self.try_out(chain, account, token, &data, Some(wish.pair)).await {
            Ok(()) => Ok(prepared(chain, token, data)),
            Err(Unprepared::Refused(reason)) => {
                // USDT's rule: an allowance is changed through zero.
                let zero = approve(U256::ZERO);
                self.try_out(chain, account, token, &zero, Some(wish.pair))
                    .await
                    .map_err(|_| Unprepared::Refused(reason))?;
                Ok(Prepared { reset: true, ..prepared(chain, token, zero) })
            }
            Err(other) => Err(other),
        }
    }

    /// The deposit itself: `deposit` on the public chain, ERC-677's `transferAndCall` on home.
    ///
    /// # Errors
    /// When it would be refused, or the chain does not answer.
    pub(crate) async fn prepare_deposit(&self, wish: &Wish<'_>) -> Result<Prepared, Unprepared> {
        let (chain, account, units) = self.sender(wish)?;
        let recipient = self.recipient(wish).map_err(|problem| Unprepared::Refused(problem.text))?.unwrap_or(account);
        let token = wish.pair.on(wish.from);
        let (to, data) = match wish.from {
            Side::Foreign => {
                (chain.at.bridge, ForeignBridge::depositCall { token, amount: units, recipient }.abi_encode())
            }
            Side::Home => {
                let data = recipient.to_vec().into();
                (token, BridgedToken::transferAndCallCall { to: chain.at.bridge, value: units, data }.abi_encode())
            }
        };
        let data = data.into();
        self.try_out(chain, account, to, &data, Some(wish.pair)).await?;
        Ok(prepared(chain, to, data))
    }

    /// Pays out an attested transfer: with the signatures on the public chain, or a deferred one on home.
    ///
    /// # Errors
    /// When there is no such transfer, it would be refused, or a chain does not answer.
    pub(crate) async fn prepare_execute(
        &self,
        from: Side,
        tx: B256,
        id: B256,
        account: Option<Address>,
    ) -> Result<Prepared, Unprepared> {
        let (source, chain) = (self.chain(from), self.chain(from.other()));
        let unknown = || Unprepared::Unknown("there is no such transfer in this transaction".into());
        let receipt = source.receipt(tx).await?.ok_or_else(unknown)?;
        let deposit = deposits(source, &receipt).into_iter().find(|deposit| deposit.id == id).ok_or_else(unknown)?;
        let (facts, _) = self.gather(from, &deposit, &Told::default()).await;
        if facts.executed == Some(true) {
            return Err(Unprepared::Refused("this transfer was already paid out".into()));
        }
        let message = self.message(from, &deposit).await?;
        let data: Bytes = match from {
            Side::Foreign => HomeBridge::executeCall { transfer: message.into() }.abi_encode().into(),
            Side::Home => {
                let digest = message.digest(chain.at.chain_id, chain.at.bridge);
                let board = self.home().home_bridge();
                let found = board.signatures(digest).call().await.map_err(|error| self.home().failed(&error))?;
                let set = chain.validators().await?;
                // Ascending by signer as they come; those the destination does not know would make it refuse all.
                let signatures: Vec<Bytes> = found
                    .signers
                    .iter()
                    .zip(found.signatures_)
                    .filter(|(signer, _)| set.list.contains(signer))
                    .map(|(_, signature)| signature)
                    .collect();
                ForeignBridge::executeCall { transfer: message.into(), signatures }.abi_encode().into()
            }
        };
        let pair = self.addresses.pair(from, deposit.token);
        let caller = account.unwrap_or(deposit.recipient);
        self.try_out(chain, caller, chain.at.bridge, &data, pair).await?;
        Ok(prepared(chain, chain.at.bridge, data))
    }

    fn sender(&self, wish: &Wish<'_>) -> Result<(&Chain, Address, U256), Unprepared> {
        let account = wish.account.ok_or_else(|| Unprepared::Refused("connect a wallet first".into()))?;
        let units =
            amount::parse(wish.amount, wish.pair.decimals).map_err(|error| Unprepared::Refused(error.to_string()))?;
        Ok((self.chain(wish.from), account, units))
    }

    async fn try_out(
        &self,
        chain: &Chain,
        account: Address,
        to: Address,
        data: &Bytes,
        pair: Option<&TokenPair>,
    ) -> Result<(), Unprepared> {
        match chain.simulate(account, Some(to), data, U256::ZERO, json!("latest")).await {
            Ok(()) => Ok(()),
            Err(Unanswered::Refused { reason, data, .. }) => {
                let told = data.and_then(|data| refusal::explain(&data, pair));
                Err(Unprepared::Refused(told.unwrap_or(reason)))
            }
            Err(other) => Err(other.into()),
        }
    }
}

fn prepared(chain: &Chain, to: Address, data: Bytes) -> Prepared {
    Prepared { chain_id: format!("{:#x}", chain.at.chain_id), to, data, value: "0x0", reset: false }
}
