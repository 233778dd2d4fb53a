//! Who sent a request, as its listener found out. Asked anew at every use, since a login ends.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use alloy::primitives::Address;
use aurum_chain::Identity;

use crate::login::{ApiKey, Session};

/// A request's sender.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    proof: Proof,
    who: Who,
}

#[derive(Clone, Debug)]
enum Proof {
    /// For as long as the connection lasts.
    Fixed(Identity),
    /// Until the session ends.
    Session(Arc<Session>),
}

/// Whose share of the node a request takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// An account that logged in, however many sessions it has.
    Account(Address),
    /// A service.
    Key(Arc<str>),
    /// Somebody at this address; of IPv6 the network, since a host has 2^64 addresses.
    Ip(IpAddr),
}

impl Who {
    pub(crate) fn at(ip: IpAddr) -> Self {
        Self::Ip(match ip.to_canonical() {
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            ip => ip,
        })
    }
}

impl Caller {
    /// Somebody at `ip` who proved nothing more than `identity`.
    pub(crate) fn at(ip: IpAddr, identity: Identity) -> Self {
        Self { proof: Proof::Fixed(identity), who: Who::at(ip) }
    }

    /// Somebody who logged in.
    pub(crate) fn session(session: Arc<Session>) -> Self {
        Self { who: Who::Account(session.address()), proof: Proof::Session(session) }
    }

    /// A service.
    pub(crate) fn api_key(key: &ApiKey) -> Self {
        Self::service(Arc::clone(&key.name), key.address)
    }

    /// A service of this name with the rights of `account`.
    pub(crate) const fn service(name: Arc<str>, account: Address) -> Self {
        Self { proof: Proof::Fixed(Identity::Address(account)), who: Who::Key(name) }
    }

    /// Who it is now: a stranger once its session is over.
    pub(crate) fn identity(&self) -> Identity {
        match &self.proof {
            Proof::Fixed(identity) => *identity,
            Proof::Session(session) if session.is_open() => Identity::Address(session.address()),
            Proof::Session(_) => Identity::Stranger,
        }
    }

    /// Whose share it takes.
    pub(crate) const fn who(&self) -> &Who {
        &self.who
    }

    /// Waits until its session is over; for ever where there is none.
    pub(crate) async fn ended(&self) {
        match &self.proof {
            Proof::Fixed(_) => std::future::pending().await,
            Proof::Session(session) => session.ended().await,
        }
    }
}

impl Caller {
    /// Who sent a request with these extensions; a stranger where no listener said.
    pub(crate) fn of(extensions: &jsonrpsee::Extensions) -> Self {
        let nobody = || Self::at(Ipv6Addr::UNSPECIFIED.into(), Identity::Stranger);
        extensions.get::<Self>().cloned().unwrap_or_else(nobody)
    }
}

#[cfg(test)]
mod tests {
    use super::Who;

    #[test]
    fn a_share_is_an_ipv4_address_or_an_ipv6_network() {
        let at = |ip: &str| Who::at(ip.parse().unwrap());
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
        assert_eq!(at("10.0.0.1"), at("::ffff:10.0.0.1"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }
}
