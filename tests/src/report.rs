//! The one list `make up` ends with.

use std::fmt::Write as _;

use crate::{
    bridge::Bridge,
    foreign::{DEV_ACCOUNTS, DEV_KEYS},
    ports::Ports,
};

/// Endpoints, accounts with different rights, and what to try, below `headline`. `companies` are the authorities' names.
pub fn endpoints(headline: &str, ports: Ports, companies: &[String], bridge: &Bridge) -> String {
    let home = format!("http://127.0.0.1:{}", ports.observer_http());
    let foreign = format!("http://127.0.0.1:{}", ports.foreign_http());
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{line}").unwrap_or_default();
    line(headline);
    line("");
    line("Endpoints");
    line(&format!("  Pages              http://127.0.0.1:{}   bridge, status, explorer", ports.ui()));
    line(&format!(
        "  Home chain         {home}   WebSocket ws://127.0.0.1:{}   chain id 2026, no fees",
        ports.observer_http() + 1
    ));
    line(&format!(
        "  Public chain       {foreign}   WebSocket ws://127.0.0.1:{}   a stand-in, chain id 1337",
        ports.foreign_http() + 1
    ));
    for (index, company) in (0..).zip(companies) {
        line(&format!("  Authority {}        http://127.0.0.1:{}   {company}", index + 1, ports.authority_http(index)));
    }
    for (index, _) in (0..).zip(companies) {
        line(&format!("  Relayer {}          http://127.0.0.1:{}/api/v1/status", index + 1, ports.relayer(index)));
    }
    line(&format!(
        "  Metrics            http://127.0.0.1:{}/metrics (observer), from {} the authorities",
        ports.metrics(0),
        ports.metrics(1)
    ));
    line("");
    line("Contracts");
    line(&format!("  RLC on the public chain   {}", bridge.foreign_token));
    line(&format!("  RLC on the home chain     {}", bridge.home_token));
    line(&format!("  Bridges                   {} (public), {} (home)", bridge.foreign_bridge, bridge.home_bridge));
    line("");
    line("Accounts on both chains. Their keys are known to everybody: never send anything of value to them.");
    for (index, rights) in [
        "holds all RLC on the public chain; default rights at home",
        "may read, send, call and create contracts at home",
        "may read, send and call at home, not create",
        "may only read at home",
    ]
    .iter()
    .enumerate()
    {
        line(&format!("  {}   {rights}", DEV_ACCOUNTS[index]));
        line(&format!("      key 0x{}", DEV_KEYS[index]));
    }
    line("");
    line("Try");
    line(&format!(
        "  open http://127.0.0.1:{} with a wallet holding the first key, and carry RLC to the home chain",
        ports.ui()
    ));
    line(&format!("  cast block-number --rpc-url {home}"));
    line(&format!("  cast send --rpc-url {home} --private-key 0x{} {} --value 0", DEV_KEYS[1], DEV_ACCOUNTS[2]));
    line(&format!("  the same with key 0x{}… is refused, and says why", &DEV_KEYS[3][..8]));
    line(&format!("  curl -s http://127.0.0.1:{}/api/v1/status", ports.relayer(0)));
    text
}
