//! The ports a system listens on, checked before anything starts.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::{Result, bail};

/// A port and what it is for.
#[derive(Clone, Debug)]
pub struct Port {
    /// What listens there, for people.
    pub purpose: String,
    /// The TCP port on 127.0.0.1.
    pub number: u16,
}

/// Every port of the system of `make up` (`base` 0), or of one that runs beside it.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    shift: u16,
}

impl Ports {
    /// The ports people know: home RPC on 8545, pages on 8080.
    pub const STANDARD: Self = Self { shift: 0 };

    /// The same ports, `shift` higher, for a system beside the standard one. Tests use one shift each.
    pub const fn shifted(shift: u16) -> Self {
        Self { shift }
    }

    /// HTTP JSON-RPC of the observer: the home chain's public endpoint. WebSocket is one higher.
    pub const fn observer_http(self) -> u16 {
        8_545 + self.shift
    }

    /// HTTP JSON-RPC of authority `index`; WebSocket is one higher.
    pub const fn authority_http(self, index: u16) -> u16 {
        18_545 + self.shift + 10 * index
    }

    /// Peer-to-peer port of authority `index`; the observer's is that of the index after the last authority.
    pub const fn p2p(self, index: u16) -> u16 {
        30_303 + self.shift + index
    }

    /// Metrics of the observer (index 0) and the authorities (from 1).
    pub const fn metrics(self, index: u16) -> u16 {
        9_545 + self.shift + index
    }

    /// HTTP JSON-RPC of the stand-in for the public chain; WebSocket is one higher.
    pub const fn foreign_http(self) -> u16 {
        28_545 + self.shift
    }

    /// HTTP API of relayer `index`.
    pub const fn relayer(self, index: u16) -> u16 {
        8_580 + self.shift + index
    }

    /// The web pages.
    pub const fn ui(self) -> u16 {
        8_080 + self.shift
    }

    /// All ports of a system with that many authorities.
    pub fn all(self, authorities: u16) -> Vec<Port> {
        let mut ports = Vec::new();
        let mut add = |purpose: String, number| ports.push(Port { purpose, number });
        add("home chain JSON-RPC".into(), self.observer_http());
        add("home chain WebSocket".into(), self.observer_http() + 1);
        for index in 0..authorities {
            let node = index + 1;
            add(format!("authority {node} JSON-RPC"), self.authority_http(index));
            add(format!("authority {node} WebSocket"), self.authority_http(index) + 1);
            add(format!("relayer {node}"), self.relayer(index));
        }
        for index in 0..=authorities {
            add(format!("peer-to-peer {}", index + 1), self.p2p(index));
            add(format!("metrics {}", index + 1), self.metrics(index));
        }
        add("stand-in public chain JSON-RPC".into(), self.foreign_http());
        add("stand-in public chain WebSocket".into(), self.foreign_http() + 1);
        add("web pages".into(), self.ui());
        ports
    }
}

/// Checks that nobody listens on any of `ports`.
///
/// # Errors
/// Names every port that is taken and what it was wanted for.
pub fn check_free(ports: &[Port]) -> Result<()> {
    let taken: Vec<String> = ports
        .iter()
        .filter(|port| TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port.number)).is_err())
        .map(|port| format!("  {} ({})", port.number, port.purpose))
        .collect();
    if !taken.is_empty() {
        bail!("these ports of 127.0.0.1 are taken, so nothing was started:\n{}", taken.join("\n"));
    }
    Ok(())
}

/// Shifts of the stories, one each: in whatever order they run, none waits for a port of another.
pub mod shift {
    /// `bridge_roundtrip`.
    pub const ROUNDTRIP: u16 = 100;
    /// `bridge_faults`.
    pub const FAULTS: u16 = 180;
    /// `clients`.
    pub const CLIENTS: u16 = 260;
    /// `membership`.
    pub const MEMBERSHIP: u16 = 340;
    /// `restart`.
    pub const RESTART: u16 = 420;
    /// `browser`.
    pub const BROWSER: u16 = 520;
    /// `make_up`.
    pub const MAKE_UP: u16 = 620;
    /// `readme`.
    pub const README: u16 = 700;
    /// `certificates`.
    pub const CERTIFICATES: u16 = 940;
    /// `bench`, and the program of that name.
    pub const BENCH: u16 = 1_040;
    /// `snapshot_join`.
    pub const SNAPSHOT_JOIN: u16 = 1_130;
    /// All of them.
    pub const ALL: [u16; 11] =
        [ROUNDTRIP, FAULTS, CLIENTS, MEMBERSHIP, RESTART, BROWSER, MAKE_UP, README, CERTIFICATES, BENCH, SNAPSHOT_JOIN];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_taken_port_and_its_purpose() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = listener.local_addr().unwrap().port();
        let error = check_free(&[Port { purpose: "web pages".into(), number }]).unwrap_err().to_string();
        assert!(error.contains(&number.to_string()) && error.contains("web pages"), "{error}");
    }

    #[test]
    fn no_two_programs_of_any_system_share_a_port() {
        let systems = shift::ALL.map(Ports::shifted).into_iter().chain([Ports::STANDARD]);
        let mut numbers: Vec<_> = systems.flat_map(|ports| ports.all(7)).map(|port| port.number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
