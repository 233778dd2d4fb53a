//! `eth_subscribe`: the same news as filters, pushed.
//!
//! Each subscription is a task with a [`Cursor`]. A new head wakes it; it asks the gate again, reads on from its place, and
//! sends. A reader who lost the right is told so at the next block, and one whose session ended at once, by a last
//! notification with `error` instead of `result`. A client that does not read for [`SLOW_CLIENT`] loses its subscription.

use std::{sync::Arc, time::Duration};

use alloy::rpc::types::Filter;
use aurum_chain::{View, view::TransactionView};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionCloseResponse, SubscriptionSink,
    core::{RegisterMethodError, SubscriptionError},
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use serde_json::value::{RawValue, Value, to_raw_value};
use tokio::{sync::broadcast::error::RecvError, time::MissedTickBehavior};

use super::node::Syncing;
use crate::{
    caller::Caller,
    context::Context,
    cursor::Cursor,
    error::{Answer, Failure},
    json::{HeaderJson, transaction_json},
    methods::Registrar,
    params::FromParams,
    reader::Reader,
    work::WorkPool,
};

/// How long a client may leave a message unread.
const SLOW_CLIENT: Duration = Duration::from_secs(30);
/// How often `syncing` looks at the peers.
const SYNC_CHECK: Duration = Duration::from_secs(2);

pub(crate) fn register(methods: &mut Registrar) -> Result<(), RegisterMethodError> {
    if !methods.context.apis.serves("eth_subscribe") {
        return Ok(());
    }
    let (context, work) = (Arc::clone(&methods.context), methods.work.clone());
    methods.module().register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        move |params, pending, _, extensions| {
            let reader = Reader::new(Arc::clone(&context), work.clone(), Caller::of(&extensions));
            let subscriber = Subscriber { context: Arc::clone(&context), work: work.clone(), reader };
            async move {
                let ended = match Topic::read(&params) {
                    Ok(topic) => subscriber.run(topic, pending).await,
                    Err(failure) => {
                        pending.reject(ErrorObjectOwned::from(failure)).await;
                        Ok(())
                    }
                };
                match ended.map_err(|failure| to_raw_value(&ErrorObjectOwned::from(failure))) {
                    Err(Ok(error)) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(error)),
                    Ok(()) | Err(Err(_)) => SubscriptionCloseResponse::None,
                }
            }
        },
    )?;
    Ok(())
}

/// What is subscribed to.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
    /// Whole transactions, or hashes.
    Pending(bool),
    Syncing,
}

impl Topic {
    fn read(params: &Params<'_>) -> Answer<Self> {
        let (name, option) = <(String, Option<Value>)>::from_params(params.as_str())?;
        let wrong = |error: serde_json::Error| Failure::Params(format!("invalid argument 1: {error}"));
        Ok(match (name.as_str(), option) {
            ("newHeads", _) => Self::NewHeads,
            ("logs", None) => Self::Logs(Box::default()),
            ("logs", Some(filter)) => {
                let filter: Filter = serde_json::from_value(filter).map_err(wrong)?;
                Self::Logs(Box::new(Filter { block_option: Default::default(), ..filter }))
            }
            ("newPendingTransactions", None) => Self::Pending(false),
            ("newPendingTransactions", Some(full)) => Self::Pending(serde_json::from_value(full).map_err(wrong)?),
            ("syncing", _) => Self::Syncing,
            _ => return Err(Failure::Params(format!("no {name:?} subscription in eth namespace"))),
        })
    }
}

/// `false`, or that a sync began and how far it has come, as geth tells subscribers (`downloader.SyncingResult`).
#[derive(Serialize)]
#[serde(untagged)]
enum SyncingNews {
    Ended(bool),
    Began { syncing: bool, status: Syncing },
}

impl From<Syncing> for SyncingNews {
    fn from(status: Syncing) -> Self {
        match status {
            Syncing::No(no) => Self::Ended(no),
            Syncing::Yes { .. } => Self::Began { syncing: true, status },
        }
    }
}

type Messages = Vec<Box<RawValue>>;

struct Subscriber {
    context: Arc<Context>,
    work: WorkPool,
    reader: Reader,
}

impl Subscriber {
    /// Runs until the client is gone, or the failure that ends it.
    async fn run(self, topic: Topic, pending: PendingSubscriptionSink) -> Answer<()> {
        // The place is taken before the client hears of its subscription: what comes after that is news.
        let view = match self.reader.view().await {
            Ok(view) => view,
            Err(failure) => {
                pending.reject(ErrorObjectOwned::from(failure)).await;
                return Ok(());
            }
        };
        let cursor = Cursor::at_head(&view);
        let pooled = view.pool().subscribe();
        let Ok(sink) = pending.accept().await else { return Ok(()) };
        let open = &self.context.metrics.subscriptions;
        open.inc();
        let news = async {
            match topic {
                Topic::NewHeads => self.heads(&view, cursor, None, &sink).await,
                Topic::Logs(filter) => self.heads(&view, cursor, Some(Arc::from(filter)), &sink).await,
                Topic::Pending(full) => self.pooled(pooled, full, &sink).await,
                Topic::Syncing => self.syncing(&sink).await,
            }
        };
        let ended = tokio::select! {
            biased;
            failure = self.reader.lost(view.watch_head()) => Err(failure),
            ended = news => ended,
        };
        open.dec();
        ended
    }

    /// Headers, or with a filter the logs of blocks.
    async fn heads(
        &self,
        view: &View,
        mut cursor: Cursor,
        filter: Option<Arc<Filter>>,
        sink: &SubscriptionSink,
    ) -> Answer<()> {
        let mut head = view.watch_head();
        // A head that came between taking the place and watching has to be seen too.
        head.mark_changed();
        loop {
            tokio::select! {
                () = sink.closed() => return Ok(()),
                changed = head.changed() => if changed.is_err() { return Ok(()) },
            }
            loop {
                let view = self.reader.view().await?;
                let filter = filter.clone();
                let read = self.work.run_waiting(move || {
                    let messages = match filter {
                        None => headers(&mut cursor, &view)?,
                        Some(filter) => encode(&cursor.logs(&view, &filter)?)?,
                    };
                    Ok((messages, cursor))
                });
                let (messages, moved) = read.await?;
                let stands = moved == cursor;
                cursor = moved;
                if !send(sink, messages).await {
                    return Ok(());
                }
                if stands {
                    break;
                }
            }
        }
    }

    async fn pooled(
        &self,
        mut pooled: tokio::sync::broadcast::Receiver<aurum_pool::Newly>,
        full: bool,
        sink: &SubscriptionSink,
    ) -> Answer<()> {
        loop {
            let next = tokio::select! {
                () = sink.closed() => return Ok(()),
                next = pooled.recv() => next,
            };
            let pooled = match next {
                Ok(pooled) => pooled,
                // Faster than this client reads: it learns of those from the blocks.
                Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => return Ok(()),
            };
            self.reader.view().await?;
            for tx in pooled.iter() {
                let message = if full {
                    let view = TransactionView { transaction: tx.transaction().clone(), place: None };
                    to_raw_value(&transaction_json(view, false))
                } else {
                    to_raw_value(&tx.hash())
                };
                let message = message.map_err(|error| Failure::Internal(error.to_string()))?;
                if !send(sink, vec![message]).await {
                    return Ok(());
                }
            }
        }
    }

    async fn syncing(&self, sink: &SubscriptionSink) -> Answer<()> {
        let mut tick = tokio::time::interval(SYNC_CHECK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            tokio::select! {
                () = sink.closed() => return Ok(()),
                _ = tick.tick() => {}
            }
            let view = self.reader.view().await?;
            let now = Syncing::now(&self.context, view.head().latest.number);
            let started_or_ended =
                last.is_none_or(|last| matches!(last, Syncing::No(_)) != matches!(now, Syncing::No(_)));
            last = Some(now);
            if started_or_ended {
                let message =
                    to_raw_value(&SyncingNews::from(now)).map_err(|error| Failure::Internal(error.to_string()))?;
                if !send(sink, vec![message]).await {
                    return Ok(());
                }
            }
        }
    }
}

fn headers(cursor: &mut Cursor, view: &View) -> Answer<Messages> {
    let mut headers = Vec::new();
    for block in cursor.advance(view)?.enacted {
        if let Some((hash, header)) = view.header(block.hash.into())? {
            headers.push(HeaderJson::new(hash, &header));
        }
    }
    encode(&headers)
}

fn encode<T: Serialize>(values: &[T]) -> Answer<Messages> {
    values.iter().map(to_raw_value).collect::<Result<_, _>>().map_err(|error| Failure::Internal(error.to_string()))
}

/// Whether the client is still there.
async fn send(sink: &SubscriptionSink, messages: Messages) -> bool {
    for message in messages {
        if sink.send_timeout(message, SLOW_CLIENT).await.is_err() {
            return false;
        }
    }
    true
}
