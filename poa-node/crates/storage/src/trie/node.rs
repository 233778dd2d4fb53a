//! One node of a trie, decoded, and its RLP form (Ethereum yellow paper, appendix D).

use std::sync::Arc;

use alloy::{
    primitives::{B256, keccak256},
    rlp::{BufMut, EMPTY_LIST_CODE, EMPTY_STRING_CODE, Encodable, Header as RlpHeader},
};
use alloy_trie::{Nibbles, nodes::encode_path_leaf};

/// Children of a branch, by nibble.
pub(crate) type Children = [Option<Link>; 16];

/// A node. Keys are 32 bytes all, so a branch never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// The only key below here.
    Leaf {
        /// The rest of the key.
        path: Nibbles,
        /// What is stored.
        value: Vec<u8>,
    },
    /// A path that all keys below share, at least one nibble long; its child is a branch.
    Extension {
        /// The shared nibbles.
        path: Nibbles,
        /// The branch.
        child: Link,
    },
    /// At least two children.
    Branch(Box<Children>),
}

/// How a node names another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// By hash, where its RLP has 32 bytes or more.
    Hash(B256),
    /// Whole, where it has fewer.
    Inline(Arc<Node>),
}

impl Node {
    /// The node's RLP.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(match self {
            Self::Branch(_) => 544,
            Self::Leaf { value, .. } => value.len() + 48,
            Self::Extension { .. } => 80,
        });
        self.encode_to(&mut out);
        out
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        RlpHeader { list: true, payload_length: self.payload_length() }.encode(out);
        match self {
            Self::Leaf { path, value } => {
                encode_path_leaf(path, true).as_slice().encode(out);
                value.as_slice().encode(out);
            }
            Self::Extension { path, child } => {
                encode_path_leaf(path, false).as_slice().encode(out);
                child.encode_to(out);
            }
            Self::Branch(children) => {
                for child in children.iter() {
                    match child {
                        Some(child) => child.encode_to(out),
                        None => out.put_u8(EMPTY_STRING_CODE),
                    }
                }
                out.put_u8(EMPTY_STRING_CODE);
            }
        }
    }

    fn payload_length(&self) -> usize {
        match self {
            Self::Leaf { path, value } => encode_path_leaf(path, true).as_slice().length() + value.as_slice().length(),
            Self::Extension { path, child } => encode_path_leaf(path, false).as_slice().length() + child.length(),
            Self::Branch(children) => {
                children.iter().map(|child| child.as_ref().map_or(1, Link::length)).sum::<usize>() + 1
            }
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let node = Self::decode_from(&mut bytes)?;
        bytes.is_empty().then_some(node)
    }

    fn decode_from(bytes: &mut &[u8]) -> Option<Self> {
        let mut items = RlpHeader::decode_bytes(bytes, true).ok()?;
        let first = take_item(&mut items)?;
        let second = take_item(&mut items)?;
        if items.is_empty() {
            let (path, leaf) = decode_path(first)?;
            return Some(if leaf {
                let value = RlpHeader::decode_bytes(&mut { second }, false).ok()?.to_vec();
                Self::Leaf { path, value }
            } else {
                Self::Extension { path, child: Link::decode(second)?? }
            });
        }
        let mut children = Children::default();
        children[0] = Link::decode(first)?;
        children[1] = Link::decode(second)?;
        for child in &mut children[2..] {
            *child = Link::decode(take_item(&mut items)?)?;
        }
        (items == [EMPTY_STRING_CODE]).then(|| Self::Branch(Box::new(children)))
    }
}

impl Link {
    /// The link to a node whose RLP is `rlp`.
    pub(crate) fn to(node: &Arc<Node>, rlp: &[u8]) -> Self {
        if rlp.len() < 32 { Self::Inline(Arc::clone(node)) } else { Self::Hash(keccak256(rlp)) }
    }

    fn length(&self) -> usize {
        match self {
            Self::Hash(_) => 33,
            Self::Inline(node) => {
                let payload_length = node.payload_length();
                RlpHeader { list: true, payload_length }.length() + payload_length
            }
        }
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hash(hash) => hash.encode(out),
            Self::Inline(node) => node.encode_to(out),
        }
    }

    /// Outer `None`: malformed. Inner `None`: no child.
    fn decode(item: &[u8]) -> Option<Option<Self>> {
        match item {
            [EMPTY_STRING_CODE] => Some(None),
            [first, hash @ ..] if *first == EMPTY_STRING_CODE + 32 => {
                Some(Some(Self::Hash(B256::try_from(hash).ok()?)))
            }
            [first, ..] if *first >= EMPTY_LIST_CODE && item.len() < 32 => {
                Some(Some(Self::Inline(Arc::new(Node::decode(item)?))))
            }
            _ => None,
        }
    }
}

/// Splits one RLP item, with its prefix, off the front.
fn take_item<'a>(items: &mut &'a [u8]) -> Option<&'a [u8]> {
    let whole = *items;
    let mut rest = whole;
    let header = RlpHeader::decode(&mut rest).ok()?;
    // A single byte below 0x80 is its own payload; the header decoder leaves it in `rest`.
    let length = whole.len() - rest.len() + header.payload_length;
    let (item, rest) = whole.split_at_checked(length)?;
    *items = rest;
    Some(item)
}

/// Undoes the hex-prefix encoding: the path, and whether it is a leaf's.
fn decode_path(mut item: &[u8]) -> Option<(Nibbles, bool)> {
    let bytes = RlpHeader::decode_bytes(&mut item, false).ok()?;
    let (first, rest) = bytes.split_first()?;
    if first >> 4 > 3 || rest.len() > 32 {
        return None;
    }
    let odd = first & 0x10 != 0;
    if (odd && rest.len() == 32) || (!odd && first & 0x0f != 0) {
        return None;
    }
    let mut path = Nibbles::new();
    if odd {
        path.push(first & 0x0f);
    }
    for byte in rest {
        path.push(byte >> 4);
        path.push(byte & 0x0f);
    }
    Some((path, first & 0x20 != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nibbles(max: usize) -> impl Strategy<Value = Nibbles> {
        proptest::collection::vec(0u8..16, 1..=max).prop_map(Nibbles::from_nibbles)
    }

    fn link() -> impl Strategy<Value = Link> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|hash| Link::Hash(hash.into())),
            (nibbles(6), proptest::collection::vec(any::<u8>(), 1..8))
                .prop_map(|(path, value)| Link::Inline(Arc::new(Node::Leaf { path, value }))),
        ]
    }

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            (nibbles(64), proptest::collection::vec(any::<u8>(), 1..120))
                .prop_map(|(path, value)| Node::Leaf { path, value }),
            (nibbles(64), link()).prop_map(|(path, child)| Node::Extension { path, child }),
            proptest::array::uniform16(proptest::option::of(link()))
                .prop_map(|children| Node::Branch(Box::new(children))),
        ]
    }

    proptest! {
        #[test]
        fn nodes_round_trip(node in node()) {
            prop_assert_eq!(Node::decode(&node.encode()), Some(node));
        }

        #[test]
        fn decoding_garbage_never_panics(bytes: Vec<u8>) {
            let _ = Node::decode(&bytes);
        }
    }
}
