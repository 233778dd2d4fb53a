//! One connection: what it offers when, and what the node says.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    io::Write as _,
    sync::atomic::Ordering::{Relaxed, Release},
    thread::sleep,
    time::{Duration, Instant},
};

use alloy::primitives::hex;
use serde::Deserialize;

use super::{
    Ledger, NEVER,
    http::{Http, HttpError},
    options::LoadOptions,
    plan::Plan,
};

/// "A limit of this node": EIP-1474's −32005.
pub(super) const LIMIT: i64 = -32_005;

/// How long a connection waits where a limit is stated without a time, and after a request without an answer.
const PAUSE: Duration = Duration::from_millis(250);

/// A node that has not answered for so long is not offered more.
const SILENCE: Duration = Duration::from_secs(20);

/// A stated reason is cut here.
const REASON: usize = 100;

/// What one connection saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Transactions in all requests, counting each offer.
    pub(super) offered: u64,
    /// Offers without an answer.
    pub(super) unanswered: u64,
    /// Refused offers by code (an HTTP status where there was no JSON) and message.
    pub(super) refused: BTreeMap<(i64, String), u64>,
    /// Round trips, microseconds.
    pub(super) request_us: Vec<u64>,
    /// When the last answer came.
    pub(super) ended: u64,
}

#[derive(Debug, Deserialize)]
struct Answer<'a> {
    id: Option<u32>,
    #[serde(borrow)]
    error: Option<Error<'a>>,
}

#[derive(Debug, Deserialize)]
struct Error<'a> {
    code: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
    data: Option<Told>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Wait {
        #[serde(rename = "retryAfterMs")]
        retry_after_ms: u64,
    },
    Other(serde::de::IgnoredAny),
}

/// What a refusal means for the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// The node has it already.
    Known,
    /// Later it may be taken.
    ForNow,
    /// It never will, and neither will what follows in its lane.
    ForGood,
}

fn meaning(code: i64, message: &str) -> Refused {
    let message = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["already known", "already imported", "already in the pool"]) {
        Refused::Known
    } else if [LIMIT, 429, 503].contains(&code) || says(&["pool is full", "too many transactions"]) {
        Refused::ForNow
    } else {
        Refused::ForGood
    }
}

/// The transactions a connection has not got rid of, one lane a sender, in the order of nonces.
#[derive(Debug)]
struct Lanes {
    lanes: Vec<VecDeque<u32>>,
    turn: usize,
    left: usize,
    accounts: usize,
    connections: usize,
}

impl Lanes {
    fn new(options: &LoadOptions, transactions: usize, connection: usize) -> Self {
        let (accounts, connections) = (options.accounts, options.connections);
        let lanes: Vec<VecDeque<u32>> = (connection..accounts)
            .step_by(connections)
            .map(|sender| (sender..transactions).step_by(accounts).filter_map(|id| u32::try_from(id).ok()).collect())
            .collect();
        let left = lanes.iter().map(VecDeque::len).sum();
        Self { lanes, turn: 0, left, accounts, connections }
    }

    /// The first of one lane after the other, `count` at most.
    fn take(&mut self, count: usize, into: &mut Vec<u32>) {
        into.clear();
        while into.len() < count && self.left > 0 {
            let lane = self.turn % self.lanes.len();
            self.turn = lane + 1;
            if let Some(id) = self.lanes[lane].pop_front() {
                into.push(id);
                self.left -= 1;
            }
        }
    }

    fn lane(&mut self, id: u32) -> &mut VecDeque<u32> {
        let sender = id as usize % self.accounts;
        &mut self.lanes[sender / self.connections]
    }

    /// Each goes first in its lane again.
    fn put_back(&mut self, ids: &[u32]) {
        for &id in ids.iter().rev() {
            self.lane(id).push_front(id);
            self.left += 1;
        }
    }

    /// Nothing after `id` can be executed any more.
    fn abandon(&mut self, id: u32) {
        let dropped = std::mem::take(self.lane(id)).len();
        self.left -= dropped;
    }
}

/// Offers this connection's share until nothing is left, or (without retry) each transaction had its offer.
pub(super) fn run(options: &LoadOptions, plan: &Plan, ledger: &Ledger, connection: usize) -> Tally {
    let mut lanes = Lanes::new(options, plan.len(), connection);
    let mut tally = Tally::default();
    let mut http = Http::new(&options.rpc[connection % options.rpc.len()]);
    let share = lanes.left as u64;
    let gap = options.gap();
    let (mut ids, mut body, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let mut answered = Instant::now();
    for request in 0u64.. {
        let allowed = if options.retry { u64::MAX } else { share - tally.offered };
        lanes.take(options.batch.min(usize::try_from(allowed).unwrap_or(usize::MAX)), &mut ids);
        if ids.is_empty() || answered.elapsed() > SILENCE {
            break;
        }
        let mut due = ledger.now();
        if gap > 0.0 {
            due = (gap * (request as f64 + connection as f64 / options.connections as f64)) as u64;
            let at = ledger.started + Duration::from_micros(due);
            sleep(at.saturating_duration_since(Instant::now()));
        }
        for &id in &ids {
            let slot = &ledger.due[id as usize];
            // With retry the one who waits has waited since the first offer.
            if !options.retry || slot.load(Relaxed) == NEVER {
                slot.store(due, Relaxed);
            }
        }
        write_request(plan, &ids, options.batch, &mut body);
        tally.offered += ids.len() as u64;
        let sent = Instant::now();
        again.clear();
        let wait = match http.post(&body) {
            Ok(answer) => {
                answered = Instant::now();
                tally.request_us.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(NEVER));
                read_answer(&answer, &ids, ledger, &mut lanes, &mut tally, &mut again)
            }
            Err(HttpError::Status { status, body }) => {
                answered = Instant::now();
                refuse_all(&ids, status.into(), &body, &mut lanes, &mut tally, &mut again)
            }
            Err(HttpError::Io(_)) => {
                tally.unanswered += ids.len() as u64;
                again.extend(&ids);
                sleep(PAUSE);
                None
            }
        };
        tally.ended = ledger.now();
        lanes.put_back(&again);
        if let (true, Some(wait)) = (options.retry, wait) {
            sleep(wait);
        }
    }
    ledger.offering.fetch_sub(1, Release);
    tally
}

/// `eth_sendRawTransaction` for each, as a batch unless the load has none.
fn write_request(plan: &Plan, ids: &[u32], batch: usize, body: &mut Vec<u8>) {
    body.clear();
    if batch > 1 {
        body.push(b'[');
    }
    for (index, &id) in ids.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        let _ = write!(body, r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_sendRawTransaction","params":["0x"#);
        let raw = plan.raw(id);
        let start = body.len();
        body.resize(start + 2 * raw.len(), 0);
        let _ = hex::encode_to_slice(raw, &mut body[start..]);
        body.extend_from_slice(br#""]}"#);
    }
    if batch > 1 {
        body.push(b']');
    }
}

/// Marks what was accepted, counts what was refused, collects what is to be offered again. Returns how long the node asks to
/// wait.
fn read_answer(
    answer: &[u8],
    ids: &[u32],
    ledger: &Ledger,
    lanes: &mut Lanes,
    tally: &mut Tally,
    again: &mut Vec<u32>,
) -> Option<Duration> {
    let accept = |id: u32| ledger.accepted[id as usize].store(true, Relaxed);
    // Where nothing was refused there is nothing to parse.
    if !answer.windows(7).any(|bytes| bytes == b"\"error\"") {
        ids.iter().copied().for_each(accept);
        return None;
    }
    let parsed = match answer.first() {
        Some(b'[') => serde_json::from_slice(answer),
        _ => serde_json::from_slice(answer).map(|one| vec![one]),
    };
    let answers: Vec<Answer<'_>> = match parsed {
        Ok(answers) => answers,
        Err(error) => return refuse_all(ids, 0, &format!("unreadable answer: {error}"), lanes, tally, again),
    };
    if let [Answer { id: None, error: Some(error) }] = answers.as_slice() {
        return refuse_all(ids, error.code, &error.message, lanes, tally, again);
    }
    let mut wait = None;
    for Answer { id, error } in &answers {
        let Some(id) = id.filter(|id| ids.contains(id)) else { continue };
        let Some(error) = error else {
            accept(id);
            continue;
        };
        if let Some(Told::Wait { retry_after_ms }) = error.data {
            wait = wait.max(Some(Duration::from_millis(retry_after_ms)));
        }
        match refuse(id, error.code, &error.message, lanes, tally, again) {
            Refused::Known => accept(id),
            Refused::ForNow => wait = wait.max(Some(PAUSE)),
            Refused::ForGood => {}
        }
    }
    again.sort_unstable();
    wait
}

fn refuse_all(
    ids: &[u32],
    code: i64,
    message: &str,
    lanes: &mut Lanes,
    tally: &mut Tally,
    again: &mut Vec<u32>,
) -> Option<Duration> {
    let mut wait = None;
    for &id in ids {
        if refuse(id, code, message, lanes, tally, again) == Refused::ForNow {
            wait = Some(PAUSE);
        }
    }
    wait
}

fn refuse(id: u32, code: i64, message: &str, lanes: &mut Lanes, tally: &mut Tally, again: &mut Vec<u32>) -> Refused {
    let refused = meaning(code, message);
    if refused != Refused::Known {
        *tally.refused.entry((code, message.chars().take(REASON).collect())).or_default() += 1;
    }
    match refused {
        Refused::Known => {}
        Refused::ForNow => again.push(id),
        Refused::ForGood => lanes.abandon(id),
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        let options = LoadOptions { accounts: 4, connections: 2, ..LoadOptions::default() };
        Lanes::new(&options, 12, 1)
    }

    fn answer(text: &str, ids: &[u32]) -> (Ledger, Lanes, Tally, Vec<u32>, Option<Duration>) {
        let (ledger, mut lanes, mut tally, mut again) = (Ledger::new(12, 1), lanes(), Tally::default(), Vec::new());
        let wait = read_answer(text.as_bytes(), ids, &ledger, &mut lanes, &mut tally, &mut again);
        (ledger, lanes, tally, again, wait)
    }

    #[test]
    fn a_connection_takes_its_senders_in_turn_and_their_nonces_in_order() {
        let (mut lanes, mut ids) = (lanes(), Vec::new());
        lanes.take(4, &mut ids);
        assert_eq!(ids, [1, 3, 5, 7]);
        lanes.put_back(&[1, 5]);
        lanes.take(9, &mut ids);
        assert_eq!(ids, [1, 11, 5, 9], "what was refused comes before what follows it");
    }

    #[test]
    fn what_is_refused_for_now_is_offered_again_and_what_is_refused_for_good_ends_its_lane() {
        let text = r#"[{"id":1,"result":"0x"},
            {"id":3,"error":{"code":-32005,"message":"busy","data":{"reason":"POOL_FULL","retryAfterMs":700}}},
            {"id":5,"error":{"code":-32000,"message":"already known"}}]"#;
        let (ledger, lanes, tally, again, wait) = answer(text, &[1, 3, 5]);
        assert_eq!([1, 3, 5].map(|id| ledger.is_accepted(id)), [true, false, true]);
        assert_eq!((again, wait), (vec![3], Some(Duration::from_millis(700))));
        assert_eq!(tally.refused, BTreeMap::from([((LIMIT, "busy".to_owned()), 1)]));
        assert_eq!(lanes.left, 6);

        let denied = r#"{"id":3,"error":{"code":-32010,"message":"not permitted","data":{"reason":"x"}}}"#;
        let (_, lanes, tally, again, _) = answer(denied, &[3]);
        assert!(again.is_empty() && tally.refused.len() == 1);
        assert_eq!(lanes.left, 3, "the sender's other transactions are not offered");
    }

    #[test]
    fn an_error_for_the_whole_batch_is_one_for_each_of_it() {
        let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too busy"}}"#;
        let (_, _, tally, again, wait) = answer(text, &[1, 3]);
        assert_eq!(again, [1, 3]);
        assert_eq!(tally.refused.values().sum::<u64>(), 2);
        assert_eq!(wait, Some(PAUSE));
    }
}
