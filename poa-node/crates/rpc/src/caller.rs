//! Who sent a request, as its listener found out. Asked anew at every use, since a login ends.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use alloy::primitives::Address;
use aurum_chain::Identity;

use crate::{
    error::Failure,
    login::{Listed, Session},
};

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
    /// As long as the service's key or certificate is listed.
    Service(Arc<Listed>),
}

/// Whose share of the node a request takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// An account that logged in, however many sessions it has.
    Account(Address),
    /// A service, by its name.
    Service(Arc<str>),
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
    pub(crate) fn service(listed: Listed) -> Self {
        Self { who: Who::Service(Arc::clone(&listed.service().name)), proof: Proof::Service(Arc::new(listed)) }
    }

    /// Who it is now: a stranger once what proved it is worth nothing.
    pub(crate) fn identity(&self) -> Identity {
        match &self.proof {
            Proof::Fixed(identity) => *identity,
            Proof::Session(session) if session.is_open() => Identity::Address(session.address()),
            Proof::Service(listed) if listed.is_listed() => Identity::Address(listed.service().address),
            Proof::Session(_) | Proof::Service(_) => Identity::Stranger,
        }
    }

    /// Whose share it takes.
    pub(crate) const fn who(&self) -> &Who {
        &self.who
    }

    /// Whether it proved an account, which a connection may outlive.
    pub(crate) const fn is_proved(&self) -> bool {
        !matches!(self.proof, Proof::Fixed(_))
    }

    /// Waits until what proved it is worth nothing, and says what that was; for ever where nothing did.
    pub(crate) async fn ended(&self) -> Failure {
        match &self.proof {
            Proof::Fixed(_) => std::future::pending().await,
            Proof::Session(session) => {
                session.ended().await;
                Failure::Login {
                    reason: "SESSION_ENDED",
                    message: "The session of this connection has ended: log in again".to_owned(),
                }
            }
            Proof::Service(listed) => {
                listed.ended().await;
                Failure::Login {
                    reason: "SERVICE_REMOVED",
                    message: format!(
                        "The key or certificate of {:?} was changed or taken out of this node's list",
                        listed.service().name
                    ),
                }
            }
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
