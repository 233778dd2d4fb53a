//! Everything a load needs on the chain before it begins: coins for the senders, the token, tokens for the senders.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U64, U256},
    sol_types::SolCall,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::LoadToken;
use serde_json::json;

use super::{
    options::{Kind, LoadOptions},
    rpc::{Client, Receipt},
    wallet::{Account, Action, Terms},
};

/// How long one of the preparing transactions may take to be in a block.
const RECEIPT_LIMIT: Duration = Duration::from_secs(60);

/// How often a receipt is asked for.
const POLL: Duration = Duration::from_millis(50);

/// Holders that one call of `LoadToken.fill` makes: 110 Mgas.
const FILL_STEP: u64 = 5_000;

/// Such calls that wait for their block at most: a few blocks' worth, so that no block lacks one and no pool holds many.
const FILL_AHEAD: usize = 64;

/// After so many holders it is said how many there are.
const FILL_PROGRESS: u64 = 500_000;

/// Accounts of one `mintMany`.
const MINT_STEP: usize = 50;

/// What is ready on the chain.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Name and version of the node's program, as it states them.
    pub client: String,
    /// The token, where the load calls one.
    pub token: Option<Address>,
    pub(super) senders: Vec<Account>,
    pub(super) terms: Terms,
}

impl Stage {
    /// Reads what the chain is, then makes what is missing.
    pub(super) fn prepare(options: &LoadOptions, client: &mut Client) -> Result<Self> {
        let terms = terms(options, client)?;
        let senders = (0..options.accounts).map(Account::sender).collect::<Result<Vec<_>>>()?;
        let mut payer = Payer::new(options, client, terms)?;
        let each = options.n.div_ceil(options.accounts) as u128 + 2;
        let fees = u128::from(options.kind.gas()) * terms.gas_price;
        payer.fund(&senders, U256::from(each) * (U256::from(fees) + U256::from(1)), options.kind)?;
        let token = match (options.kind.needs_token(), options.token) {
            (false, _) => None,
            (true, Some(token)) => Some(token),
            (true, None) => Some(payer.deploy()?),
        };
        if let (Kind::Erc20, Some(token)) = (options.kind, token) {
            payer.mint(token, &senders)?;
        }
        let name = client.call("web3_clientVersion", &json!([])).unwrap_or_default();
        Ok(Self { client: name, token, senders, terms })
    }
}

/// Deploys a token and gives `holders` accounts one unit each (`LoadToken.holder(0..holders)`, the recipients of ERC-20
/// loads), for a state of that size.
///
/// # Errors
/// When the endpoint does not take the transactions, or no block does in time.
pub fn fill(options: &LoadOptions, holders: u64) -> Result<Address> {
    let mut client = Client::new(options.first_endpoint());
    let terms = terms(options, &mut client)?;
    let mut payer = Payer::new(options, &mut client, terms)?;
    let token = payer.deploy()?;
    let mut waiting = VecDeque::new();
    for from in (0..holders).step_by(FILL_STEP as usize) {
        let count = FILL_STEP.min(holders - from);
        let call = LoadToken::fillCall { from: U256::from(from), count: U256::from(count) };
        waiting.push_back(payer.send(TxKind::Call(token), U256::ZERO, call.abi_encode(), 24_000 * count + 100_000)?);
        if waiting.len() > FILL_AHEAD
            && let Some(first) = waiting.pop_front()
        {
            payer.succeeds(first, "filling the token")?;
        }
        if (from + count).is_multiple_of(FILL_PROGRESS) {
            eprintln!("{}: {} of {holders} holders", options.label, from + count);
        }
    }
    for hash in waiting {
        payer.succeeds(hash, "filling the token")?;
    }
    Ok(token)
}

fn terms(options: &LoadOptions, client: &mut Client) -> Result<Terms> {
    let chain_id: U64 = client.call("eth_chainId", &json!([]))?;
    let gas_price = match options.gas_price {
        Some(price) => price,
        None => 2 * client.call::<U256>("eth_gasPrice", &json!([]))?.saturating_to::<u128>(),
    };
    Ok(Terms { chain_id: chain_id.to(), gas_price, envelope: options.tx })
}

/// The account that pays, and its next nonce.
struct Payer<'a> {
    account: Account,
    nonce: u64,
    terms: Terms,
    client: &'a mut Client,
}

impl<'a> Payer<'a> {
    fn new(options: &LoadOptions, client: &'a mut Client, terms: Terms) -> Result<Self> {
        let account = Account::payer(options.key_file.as_deref())?;
        let nonce = client.nonce(account.address)?;
        Ok(Self { account, nonce, terms, client })
    }

    fn send(&mut self, to: TxKind, value: U256, input: Vec<u8>, gas: u64) -> Result<B256> {
        let action = Action { to, value, input: Bytes::from(input), gas };
        let (hash, raw) = self.account.transaction(&self.terms, self.nonce, action);
        self.client.send(&raw)?;
        self.nonce += 1;
        Ok(hash)
    }

    /// Waits for the receipt and checks that it says success.
    fn succeeds(&mut self, hash: B256, what: &str) -> Result<Receipt> {
        let deadline = Instant::now() + RECEIPT_LIMIT;
        let receipt = loop {
            // Some nodes answer an error instead of null while the transaction waits.
            if let Ok(Some(receipt)) = self.client.receipt(hash) {
                break receipt;
            }
            ensure!(Instant::now() < deadline, "{what}: no receipt of {hash} within {} s", RECEIPT_LIMIT.as_secs());
            std::thread::sleep(POLL);
        };
        ensure!(receipt.status.is_none_or(|status| status == U64::from(1)), "{what}: {hash} failed");
        Ok(receipt)
    }

    /// Gives each sender that has less `need` wei.
    fn fund(&mut self, senders: &[Account], need: U256, kind: Kind) -> Result<()> {
        if self.terms.gas_price == 0 && kind != Kind::Native {
            return Ok(());
        }
        let mut last = None;
        for sender in senders {
            if self.client.balance(sender.address)? < need {
                last =
                    Some(self.send(TxKind::Call(sender.address), need, Vec::new(), 21_000).context("funding senders")?);
            }
        }
        match last {
            Some(last) => self.succeeds(last, "funding senders").map(drop),
            None => Ok(()),
        }
    }

    fn deploy(&mut self) -> Result<Address> {
        let hash = self.send(TxKind::Create, U256::ZERO, LoadToken::BYTECODE.to_vec(), 3_000_000)?;
        let receipt = self.succeeds(hash, "deploying the token")?;
        receipt.contract_address.context("the token's receipt names no contract")
    }

    /// Plenty of tokens for every sender.
    fn mint(&mut self, token: Address, senders: &[Account]) -> Result<()> {
        let mut last = None;
        for some in senders.chunks(MINT_STEP) {
            let to = some.iter().map(|sender| sender.address).collect();
            let call = LoadToken::mintManyCall { to, value: U256::from(1u64 << 60) };
            last = Some(self.send(TxKind::Call(token), U256::ZERO, call.abi_encode(), 4_000_000)?);
        }
        match last {
            Some(last) => self.succeeds(last, "minting").map(drop),
            None => Ok(()),
        }
    }
}
