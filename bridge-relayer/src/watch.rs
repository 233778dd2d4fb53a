//! Reads deposits, in final blocks only, and proves that none is left out.
//!
//! The bridge numbers its deposits without gaps and says how many there are. So a block is read to the end only when the
//! journal has exactly as many deposits as the contract counts there; a node that leaves logs out, or is behind, shows
//! as a gap or as a number missing, and the range is read again.

use aurum_contracts::Side;
use tracing::warn;

use crate::{
    chain::{BlockRef, Chain, ChainError, View},
    deposit::Deposit,
    journal::Cursor,
};

/// Blocks asked for in one `eth_getLogs`: halved when the node refuses, doubled when it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(u64);

impl Span {
    const FIRST: u64 = 2_000;
    const MOST: u64 = 50_000;

    pub(crate) const fn new() -> Self {
        Self(Self::FIRST)
    }

    const fn shrink(&mut self) {
        self.0 = if self.0 > 1 { self.0 / 2 } else { 1 };
    }

    const fn grow(&mut self) {
        self.0 = if self.0 >= Self::MOST / 2 { Self::MOST } else { self.0 * 2 };
    }
}

/// What reading a range brought.
#[derive(Debug)]
pub(crate) struct Found {
    /// Deposits that follow the cursor, in order.
    pub(crate) deposits: Vec<Deposit>,
    /// Where reading goes on.
    pub(crate) cursor: Cursor,
}

/// Reads on from `cursor` towards the final block, one range at most. `None` if there is nothing to read.
pub(crate) async fn read(
    chain: &Chain,
    view: &View,
    cursor: Option<Cursor>,
    span: &mut Span,
) -> Result<Option<Found>, ChainError> {
    let until = view.last_final;
    let next = cursor.map_or(0, |cursor| cursor.next);
    if until.number < chain.at.deploy_block || cursor.is_some_and(|cursor| cursor.read.number >= until.number) {
        return Ok(None);
    }
    let total = chain.deposit_count(until.number).await?;
    if total < next {
        let what = format!("{total} deposits at block {}, there were {next}", until.number);
        return Err(ChainError::Untrue { side: chain.side, what });
    }
    if total == next {
        return Ok(Some(Found { deposits: Vec::new(), cursor: Cursor { read: until, next } }));
    }
    let from = cursor.map_or(chain.at.deploy_block, |cursor| cursor.read.number + 1);
    let to = until.number.min(from.saturating_add(span.0 - 1));
    let deposits = match chain.deposits(from, to).await {
        Ok(deposits) => deposits,
        Err(error) => {
            span.shrink();
            return Err(error);
        }
    };
    span.grow();
    let end = if to == until.number { Some(until) } else { chain.block(to).await? };
    let read = end.ok_or(ChainError::Lagging { side: chain.side, asked: to, head: view.latest.number })?;
    let found = follow(chain.side, next, deposits, read)?;
    if to == until.number && found.cursor.next != total {
        let what = format!("{} deposits up to block {to}, the contract counts {total}", found.cursor.next);
        return Err(ChainError::Untrue { side: chain.side, what });
    }
    Ok(Some(found))
}

/// Checks that `deposits` continue with nonce `next`, without gap or repetition. Those before it are known: they come
/// along when a block is read a second time.
fn follow(side: Side, next: u64, mut deposits: Vec<Deposit>, read: BlockRef) -> Result<Found, ChainError> {
    deposits.retain(|deposit| deposit.nonce >= next);
    let mut expected = next;
    for deposit in &deposits {
        if deposit.nonce != expected {
            let what = format!("deposit {} follows where {expected} is expected", deposit.nonce);
            return Err(ChainError::Untrue { side, what });
        }
        expected += 1;
    }
    Ok(Found { deposits, cursor: Cursor { read, next: expected } })
}

/// Where to read again after a contradiction: a block read earlier through a node that left something out may lie
/// behind the cursor, so reading begins with the block of the last deposit that is known.
pub(crate) fn rewind(chain: &Chain, cursor: Cursor, last: Option<&Deposit>) -> Cursor {
    let first = last.map_or(chain.at.deploy_block, |deposit| deposit.block.number);
    warn!(side = %chain.side, from = first, "reading deposits again");
    let before = BlockRef { number: first.saturating_sub(1), hash: Default::default() };
    Cursor { read: before, next: cursor.next }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};

    use super::*;

    fn deposit(nonce: u64) -> Deposit {
        Deposit {
            nonce,
            id: B256::ZERO,
            block: BlockRef::default(),
            tx: B256::ZERO,
            log_index: 0,
            token: Address::ZERO,
            sender: Address::ZERO,
            recipient: Address::ZERO,
            amount: U256::ONE,
            policy_epoch: 0,
        }
    }

    fn check(next: u64, nonces: &[u64]) -> Option<u64> {
        let deposits = nonces.iter().copied().map(deposit).collect();
        follow(Side::Foreign, next, deposits, BlockRef::default()).ok().map(|found| found.cursor.next)
    }

    #[test]
    fn a_gap_or_a_repetition_is_noticed() {
        assert_eq!(check(3, &[3, 4, 5]), Some(6));
        assert_eq!(check(3, &[]), Some(3));
        assert_eq!(check(3, &[4]), None);
        assert_eq!(check(3, &[3, 5]), None);
        assert_eq!(check(3, &[3, 3]), None);
        assert_eq!(check(3, &[2, 3]), Some(4));
    }

    #[test]
    fn ranges_halve_and_grow_within_bounds() {
        let mut span = Span::new();
        for _ in 0..20 {
            span.shrink();
        }
        assert_eq!(span.0, 1);
        for _ in 0..30 {
            span.grow();
        }
        assert_eq!(span.0, Span::MOST);
    }
}
