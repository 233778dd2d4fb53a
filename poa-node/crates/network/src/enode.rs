//! Names of nodes: 64-byte ids and `enode://` lines, and how libp2p names the same node.

use std::{fmt, str::FromStr};

use alloy::primitives::hex;
use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, secp256k1},
};

/// A node's id: its uncompressed secp256k1 public key without the leading 0x04, as in enode URLs and in Parity's
/// node-permission contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 64]);

impl NodeId {
    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The key as it is handed to `connectionAllowed`: first and last 32 bytes (aura.md §3.2).
    pub fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let (mut low, mut high) = ([0; 32], [0; 32]);
        low.copy_from_slice(&self.0[..32]);
        high.copy_from_slice(&self.0[32..]);
        (low, high)
    }

    pub(crate) fn of_key(key: &secp256k1::PublicKey) -> Self {
        let mut id = [0; 64];
        id.copy_from_slice(&key.to_bytes_uncompressed()[1..]);
        Self(id)
    }

    /// The id behind a libp2p name; `None` unless the name holds a secp256k1 key.
    pub(crate) fn of_peer(peer: &PeerId) -> Option<Self> {
        // A secp256k1 key is short enough that the name is the key itself (identity multihash).
        let key = PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
        Some(Self::of_key(&key.try_into_secp256k1().ok()?))
    }

    pub(crate) fn peer_id(&self) -> Result<PeerId, EnodeError> {
        let mut uncompressed = [4; 65];
        uncompressed[1..].copy_from_slice(&self.0);
        let key = secp256k1::PublicKey::try_from_bytes(&uncompressed).map_err(|_| EnodeError::NotAKey)?;
        Ok(PublicKey::from(key).to_peer_id())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

/// The secret a node proves its id with.
#[derive(Clone)]
pub struct NodeKey(secp256k1::Keypair);

impl NodeKey {
    /// From the 32 secret bytes, which are wiped.
    ///
    /// # Errors
    /// [`EnodeError::NotAKey`] for zero and for numbers above the group order.
    pub fn from_bytes(mut secret: [u8; 32]) -> Result<Self, EnodeError> {
        let secret = secp256k1::SecretKey::try_from_bytes(&mut secret).map_err(|_| EnodeError::NotAKey)?;
        Ok(Self(secret.into()))
    }

    /// The public id.
    pub fn id(&self) -> NodeId {
        NodeId::of_key(self.0.public())
    }

    pub(crate) fn keypair(&self) -> Keypair {
        self.0.clone().into()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(***)")
    }
}

/// Where a node is and who it must be: `enode://<128 hex digits>@host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enode {
    /// Who.
    pub id: NodeId,
    /// IP address or DNS name; names are looked up anew at each dial.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why text is no enode, or bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnodeError {
    /// Another scheme, or no `@`.
    #[error("not of the form enode://<128 hex digits>@host:port")]
    Form,
    /// The id is not 128 hex digits.
    #[error("the node id must be 128 hex digits")]
    Id,
    /// The digits are no point of the curve, or the secret no number of the group.
    #[error("not a secp256k1 key")]
    NotAKey,
    /// No port, or none of 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
}

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(text: &str) -> Result<Self, EnodeError> {
        let rest = text.trim().strip_prefix("enode://").ok_or(EnodeError::Form)?;
        let (id, place) = rest.split_once('@').ok_or(EnodeError::Form)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(id, &mut bytes).map_err(|_| EnodeError::Id)?;
        let id = NodeId(bytes);
        id.peer_id()?;
        // `?discport=` tells a discovery port, of which there is none here.
        let place = place.split_once('?').map_or(place, |(place, _)| place);
        let (host, port) = place.rsplit_once(':').ok_or(EnodeError::Port)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(EnodeError::Port)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(EnodeError::Form);
        }
        Ok(Self { id, host: host.to_owned(), port })
    }
}

impl fmt::Display for Enode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, host, port } = self;
        if host.contains(':') {
            write!(f, "enode://{id}@[{host}]:{port}")
        } else {
            write!(f, "enode://{id}@{host}:{port}")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn key(byte: u8) -> NodeKey {
        NodeKey::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn parses_what_it_prints_for_names_and_both_kinds_of_address() {
        for host in ["127.0.0.1", "::1", "validator-1.acme.example"] {
            let enode = Enode { id: key(7).id(), host: host.to_owned(), port: 30_303 };
            assert_eq!(enode.to_string().parse(), Ok(enode));
        }
    }

    #[test]
    fn accepts_a_discovery_port_and_refuses_what_is_no_enode() {
        let id = key(7).id();
        assert_eq!(format!("enode://{id}@h:1?discport=0").parse::<Enode>().unwrap().port, 1);
        for (text, error) in [
            (format!("http://{id}@h:1"), EnodeError::Form),
            ("enode://12@h:1".to_owned(), EnodeError::Id),
            (format!("enode://{}@h:1", "00".repeat(64)), EnodeError::NotAKey),
            (format!("enode://{id}@h"), EnodeError::Port),
            (format!("enode://{id}@h:0"), EnodeError::Port),
            (format!("enode://{id}@:1"), EnodeError::Form),
        ] {
            assert_eq!(text.parse::<Enode>(), Err(error), "{text}");
        }
    }

    #[test]
    fn node_id_and_libp2p_name_are_the_same_key() {
        let key = key(9);
        let peer = key.keypair().public().to_peer_id();
        assert_eq!(NodeId::of_peer(&peer), Some(key.id()));
        assert_eq!(key.id().peer_id().unwrap(), peer);
        assert_eq!(NodeId::of_peer(&PeerId::random()), None);
        assert_eq!(format!("{key:?}"), "NodeKey(***)");
    }

    #[test]
    fn public_key_of_secret_one_is_the_generator() {
        let mut one = [0; 32];
        one[31] = 1;
        let id = NodeKey::from_bytes(one).unwrap().id().to_string();
        assert!(id.starts_with("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada77"), "{id}");
    }
}
