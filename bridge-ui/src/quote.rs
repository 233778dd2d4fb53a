//! What a person may send now, and what is wrong with what they typed, judged before any wallet is asked.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use aurum_contracts::{Side, TokenPair, rights};
use serde::Serialize;

use crate::{
    amount,
    app::App,
    chain::{Chain, Heads, TokenState, Unanswered},
    transfer::text,
};

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// Where the deposit is made.
    pub from: Side,
    /// The token.
    pub pair: &'a TokenPair,
    /// Who deposits, once a wallet is connected.
    pub account: Option<Address>,
    /// As typed.
    pub recipient: &'a str,
    /// As typed, whole tokens.
    pub amount: &'a str,
}

/// The answer. Texts are for reading, units are smallest units in decimal text.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quote {
    /// Texts by the name of the place they are shown at.
    pub fields: BTreeMap<&'static str, String>,
    /// Largest amount that can be sent now, in whole tokens, as [`amount::parse`] reads it.
    pub max: Option<String>,
    /// The amount in smallest units, where it can be read.
    pub units: Option<String>,
    /// Why it cannot be sent; `None` where it can.
    pub problem: Option<String>,
    /// Nothing was typed yet: the problem is not worth an alarm.
    pub untouched: bool,
    /// Which input is at fault: `amount`, `recipient`, or none of them.
    pub at: Option<&'static str>,
    /// What happens if it is sent nevertheless.
    pub warning: Option<String>,
    /// Whether the bridge must be approved first.
    pub needs_approval: bool,
    /// Nodes that do not answer, in words.
    pub faults: Vec<String>,
}

/// One chain's part of the answer.
struct Half<'a> {
    chain: &'a Chain,
    heads: Option<Heads>,
    state: Option<TokenState>,
    balance: Option<U256>,
}

impl App {
    /// Judges a wish by both chains.
    pub(crate) async fn quote(&self, wish: &Wish<'_>) -> Quote {
        let Wish { from, pair, account, .. } = *wish;
        let mut quote = Quote::default();
        let (source, destination, allowance, coins, rights) = tokio::join!(
            self.half(from, pair, account),
            self.half(from.other(), pair, account),
            self.allowance(from, pair, account),
            self.coins(from, account),
            self.account_rights(from, account),
        );
        let (source, source_faults) = source;
        let (destination, destination_faults) = destination;
        quote.faults = source_faults.into_iter().chain(destination_faults).collect();
        quote.faults.dedup();
        quote.describe(&source, &destination, pair);
        let limit = most(&source, &destination);
        quote.max = limit.map(|units| amount::format(units, pair.decimals));

        let judged = self.judge(wish, &source, &destination, rights);
        match judged {
            Ok(units) => {
                quote.units = Some(units.to_string());
                quote.fields.insert("receives", text(units, Some(pair)));
                quote.needs_approval = from == Side::Foreign && allowance.is_none_or(|allowance| allowance < units);
                quote.warning = warning(units, pair, &source, &destination, coins);
            }
            Err(Problem { at, text: problem }) => {
                quote.untouched = wish.amount.trim().is_empty() && at == Some("amount");
                quote.problem = Some(problem);
                quote.at = at;
            }
        }
        quote
    }

    async fn half(&self, side: Side, pair: &TokenPair, account: Option<Address>) -> (Half<'_>, Vec<String>) {
        let chain = self.chain(side);
        let (heads, state, balance) = tokio::join!(chain.heads(), chain.token_state(pair.on(side)), async {
            match account {
                Some(account) => {
                    let asked = chain.token(pair.on(side)).balanceOf(account).call().await;
                    asked.map(Some).map_err(|error| chain.failed(&error))
                }
                None => Ok(None),
            }
        });
        let mut faults = Vec::new();
        let mut note = |error: Unanswered| {
            let text = error.to_string();
            if !faults.contains(&text) {
                faults.push(text);
            }
        };
        let heads = heads.map_err(&mut note).ok();
        let state = state.map_err(&mut note).ok();
        let balance = balance.map_err(&mut note).ok().flatten();
        (Half { chain, heads, state, balance }, faults)
    }

    async fn allowance(&self, from: Side, pair: &TokenPair, account: Option<Address>) -> Option<U256> {
        let chain = self.chain(from);
        if from == Side::Home {
            return None;
        }
        chain.token(pair.on(from)).allowance(account?, chain.at.bridge).call().await.ok()
    }

    async fn coins(&self, from: Side, account: Option<Address>) -> Option<U256> {
        self.chain(from).ask("eth_getBalance", serde_json::json!([account?, "latest"])).await.ok()
    }

    async fn account_rights(&self, from: Side, account: Option<Address>) -> Option<u32> {
        if from == Side::Home { self.home().rights(account?).await } else { None }
    }

    /// The amount in smallest units, if it can be sent.
    fn judge(
        &self,
        wish: &Wish<'_>,
        source: &Half<'_>,
        destination: &Half<'_>,
        rights: Option<u32>,
    ) -> Result<U256, Problem> {
        let Wish { pair, .. } = *wish;
        let (Some(heads), Some(state)) = (&source.heads, &source.state) else {
            return Err(Problem::of(format!("{} does not answer; nothing can be sent now", source.chain.name())));
        };
        if heads.paused {
            return Err(Problem::of(format!("the bridge on {} is paused", source.chain.name())));
        }
        if state.deposit_max.is_zero() {
            return Err(Problem::of(format!("deposits of {} on {} are closed", pair.symbol, source.chain.name())));
        }
        if rights.is_some_and(|rights| rights & rights::CALL == 0) {
            return Err(Problem::of(format!(
                "this account may not call contracts on {}; an administrator of the consortium can grant it the right \"call\"",
                source.chain.name()
            )));
        }
        let units = amount::parse(wish.amount, pair.decimals).map_err(|error| Problem::amount(error.to_string()))?;
        let told = |units: U256| text(units, Some(pair));
        if units < state.deposit_min {
            return Err(Problem::amount(format!("the smallest amount is {}", told(state.deposit_min))));
        }
        if units > state.deposit_max {
            return Err(Problem::amount(format!("the largest amount is {}", told(state.deposit_max))));
        }
        if source.balance.is_some_and(|balance| units > balance) {
            let balance = source.balance.unwrap_or_default();
            return Err(Problem::amount(format!("you have {} on {}", told(balance), source.chain.name())));
        }
        if units > state.deposit_left {
            let left = told(state.deposit_left);
            return Err(Problem::amount(format!(
                "only {left} is left of the daily limit of {}; it refills continuously",
                source.chain.name()
            )));
        }
        if let Some(far) = destination.state.as_ref().filter(|far| units > far.execution_max) {
            return Err(Problem::amount(format!(
                "{} pays out at most {} at once",
                destination.chain.name(),
                told(far.execution_max)
            )));
        }
        self.recipient(wish).map(|_| units)
    }

    /// Reads and checks the recipient; the account itself where none was typed.
    pub(crate) fn recipient(&self, wish: &Wish<'_>) -> Result<Option<Address>, Problem> {
        let typed = wish.recipient.trim();
        let recipient = if typed.is_empty() { wish.account } else { Some(address(typed)?) };
        let bridges = [self.addresses.home.bridge, self.addresses.foreign.bridge];
        let tokens = self.addresses.tokens.iter().flat_map(|pair| [pair.home, pair.foreign]);
        match recipient {
            Some(recipient) if recipient.is_zero() => Err(Problem::recipient("the zero address cannot receive")),
            Some(recipient) if bridges.contains(&recipient) => Err(Problem::recipient("a bridge cannot receive")),
            Some(recipient) if tokens.into_iter().any(|token| token == recipient) => {
                Err(Problem::recipient("a token contract cannot receive"))
            }
            recipient => Ok(recipient),
        }
    }
}

/// Why a wish cannot be granted.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) at: Option<&'static str>,
    pub(crate) text: String,
}

impl Problem {
    const fn of(text: String) -> Self {
        Self { at: None, text }
    }

    const fn amount(text: String) -> Self {
        Self { at: Some("amount"), text }
    }

    fn recipient(text: &str) -> Self {
        Self { at: Some("recipient"), text: text.to_owned() }
    }
}

/// Reads an address; mixed case must be its EIP-55 checksum.
pub(crate) fn address(text: &str) -> Result<Address, Problem> {
    let wrong = || Problem::recipient("this is not an address: 0x and 40 hexadecimal digits");
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    let address: Address = text.parse().map_err(|_| wrong())?;
    let mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
    if mixed && address.to_checksum(None) != text {
        return Err(Problem::recipient("the capitals of this address do not fit: is there a typing error?"));
    }
    Ok(address)
}

/// Largest amount both sides let through now.
fn most(source: &Half<'_>, destination: &Half<'_>) -> Option<U256> {
    let state = source.state.as_ref()?;
    let far = destination.state.as_ref().map_or(U256::MAX, |far| far.execution_max.min(far.execution_left));
    let limits = [state.deposit_max, state.deposit_left, far, source.balance?];
    let most = limits.into_iter().min()?;
    (most >= state.deposit_min).then_some(most)
}

fn warning(
    units: U256,
    pair: &TokenPair,
    source: &Half<'_>,
    destination: &Half<'_>,
    coins: Option<U256>,
) -> Option<String> {
    let name = destination.chain.name();
    if destination.heads.as_ref().is_some_and(|heads| heads.paused) {
        return Some(format!("the bridge on {name} is paused: the transfer will wait there until it is not"));
    }
    if destination.heads.is_none() || destination.state.is_none() {
        return Some(format!("{name} does not answer: its limits are not known now, the transfer may wait there"));
    }
    if let Some(far) = destination.state.as_ref().filter(|far| units > far.execution_left) {
        let left = text(far.execution_left, Some(pair));
        return Some(format!(
            "{left} is left of the daily limit of {name}: the transfer will wait there until it fits"
        ));
    }
    let foreign = source.chain.side == Side::Foreign;
    (foreign && coins.is_some_and(|coins| coins.is_zero())).then(|| {
        format!("this account has no {} on {} to pay for gas", source.chain.config.currency, source.chain.name())
    })
}

impl Quote {
    fn describe(&mut self, source: &Half<'_>, destination: &Half<'_>, pair: &TokenPair) {
        let unknown = || "unknown".to_owned();
        let told = |units: Option<U256>| units.map_or_else(unknown, |units| text(units, Some(pair)));
        let of = |half: &Half<'_>, pick: fn(&TokenState) -> U256| told(half.state.as_ref().map(pick));
        let left = |half: &Half<'_>, pick: fn(&TokenState) -> U256| {
            let units = half.state.as_ref().map(pick);
            units.map_or_else(unknown, |units| format!("{} {}", amount::rough(units, pair.decimals), pair.symbol))
        };
        let state = |half: &Half<'_>| match &half.heads {
            None => "not answering".to_owned(),
            Some(heads) if heads.paused => "paused".to_owned(),
            Some(_) => "open".to_owned(),
        };
        let balance = |half: &Half<'_>| half.balance.map_or_else(|| "–".to_owned(), |units| text(units, Some(pair)));
        self.fields = BTreeMap::from([
            ("balance", balance(source)),
            ("far-balance", balance(destination)),
            ("min", of(source, |state| state.deposit_min)),
            ("max", of(source, |state| state.deposit_max)),
            ("left", left(source, |state| state.deposit_left)),
            ("daily", of(source, |state| state.deposit_daily)),
            ("far-max", of(destination, |state| state.execution_max)),
            ("far-left", left(destination, |state| state.execution_left)),
            ("far-daily", of(destination, |state| state.execution_daily)),
            ("state", state(source)),
            ("far-state", state(destination)),
            ("receives", "–".to_owned()),
        ]);
    }

    /// One text.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("–", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_as_people_mistype_them() {
        let good = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert!(address(good).is_ok());
        assert!(address(&good.to_lowercase()).is_ok());
        let wrong = |text: &str| address(text).unwrap_err().text;
        assert!(wrong("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").contains("capitals"));
        for text in [
            "",
            "0x",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "vitalik.eth",
        ] {
            assert!(wrong(text).contains("not an address"), "{text}");
        }
    }
}
