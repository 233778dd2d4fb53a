//! Flags of Parity and OpenEthereum that change nothing here, so that start scripts keep working; each is named in a warning.

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

/// Flags without a value (OpenEthereum `bin/oe/cli/mod.rs`, and Parity Ethereum's older ones).
const SWITCHES: &[&str] = &[
    "allow-missing-blocks",
    "can-restart",
    "disable-hardware-wallets",
    "enable-signing-queue",
    "fast-unlock",
    "force-direct",
    "force-ui",
    "geth",
    "infinite-pending-block",
    "ipc-disable",
    "ipc-off",
    "ipcdisable",
    "jsonrpc-allow-missing-blocks",
    "jsonrpc-experimental",
    "jsonrpc-no-keep-alive",
    "light",
    "no-ancient-blocks",
    "no-color",
    "no-config",
    "no-consensus",
    "no-dapps",
    "no-discovery",
    "no-download",
    "no-hardcoded-sync",
    "no-ipc",
    "no-periodic-snapshot",
    "no-persistent-txqueue",
    "no-secretstore",
    "no-secretstore-acl-check",
    "no-serve-light",
    "no-token-api",
    "no-ui",
    "no-warp",
    "nodiscover",
    "private-enabled",
    "public-node",
    "remove-solved",
    "rpc",
    "scale-verifiers",
    "stratum",
    "testnet",
    "tx-queue-no-early-reject",
    "tx-queue-no-unfamiliar-locals",
    "unsafe-expose",
    "whisper",
    "ws-tokens",
];

/// Flags with a value.
const WITH_VALUE: &[&str] = &[
    "allow-ips",
    "author",
    "auto-update",
    "auto-update-check-frequency",
    "auto-update-delay",
    "cache",
    "cache-size",
    "cache-size-blocks",
    "cache-size-db",
    "cache-size-queue",
    "coinbase",
    "db-compaction",
    "etherbase",
    "fat-db",
    "gas-cap",
    "gas-price-percentile",
    "ipc-apis",
    "ipc-chmod",
    "ipc-path",
    "jsonrpc-max-payload",
    "jsonrpc-poll-lifetime",
    "jsonrpc-server-threads",
    "jsonrpc-threads",
    "keys-iterations",
    "log-file",
    "max-pending-peers",
    "max-round-blocks-to-import",
    "metrics-prefix",
    "mode",
    "mode-alarm",
    "mode-timeout",
    "new-transactions-stats-period",
    "notify-work",
    "num-verifiers",
    "price-update-period",
    "pruning-memory",
    "relay-set",
    "release-track",
    "reseal-min-period",
    "snapshot-peers",
    "snapshot-threads",
    "tracing",
    "tx-gas-limit",
    "tx-queue-ban-count",
    "tx-queue-ban-time",
    "tx-queue-gas",
    "tx-queue-locals",
    "tx-queue-mem-limit",
    "tx-queue-strategy",
    "tx-time-limit",
    "usd-per-eth",
    "usd-per-tx",
    "work-queue-size",
    "ws-max-payload",
];

/// Those that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Their names, without the dashes.
    pub given: Vec<&'static str>,
}

impl clap::Args for Accepted {
    fn augment_args(command: Command) -> Command {
        let switches = SWITCHES.iter().map(|name| Arg::new(*name).long(*name).action(ArgAction::SetTrue));
        let valued =
            WITH_VALUE.iter().map(|name| Arg::new(*name).long(*name).value_name("VALUE").allow_hyphen_values(true));
        command.args(switches.chain(valued).map(|arg| arg.hide(true)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Accepted {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let typed = |name: &&&'static str| matches.value_source(name) == Some(ValueSource::CommandLine);
        Ok(Self { given: SWITCHES.iter().chain(WITH_VALUE).filter(typed).copied().collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
