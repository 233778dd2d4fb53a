//! One node of a trie, decoded, and its RLP form (Ethereum yellow paper, appendix D).

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

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
        value: Box<[u8]>,
        /// Where the value is an account whose storage trie is (or was) in memory: that trie's root. Not part of the
        /// encoding, which names the root by hash inside the value.
        below: Option<Arc<Held>>,
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
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// By the hash of its RLP, which has 32 bytes or more; to be read from the database.
    Stored(B256),
    /// By the hash of its RLP, which has 32 bytes or more; it is or was in memory.
    Held(Arc<Held>),
    /// A leaf, by the hash of its RLP, which has 32 bytes or more. It comes and goes with its parent, in memory and in the
    /// database, and is shared by every trie that has it.
    Leaf(B256, Arc<Node>),
    /// Whole, where its RLP has fewer than 32 bytes.
    Inline(Arc<Node>),
}

/// How a node's children are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By their hashes, where they are not embedded: what is hashed, and proven.
    Named,
    /// Leaves whole: what the database holds.
    Record,
}

/// A node in memory, shared by every trie that has it. Its content is let go to save memory once the database has it.
#[derive(Debug)]
pub(crate) struct Held {
    hash: B256,
    /// The generation of the update that made it; no less than that of any node below.
    born: u64,
    /// Whether the database has it at its place, and with it everything below.
    saved: AtomicBool,
    node: Mutex<Option<Arc<Node>>>,
}

impl Held {
    /// A node the database does not have.
    pub(crate) fn new(hash: B256, node: Node, born: u64) -> Self {
        Self { hash, born, saved: AtomicBool::new(false), node: Mutex::new(Some(Arc::new(node))) }
    }

    /// keccak256 of its RLP.
    pub(crate) const fn hash(&self) -> B256 {
        self.hash
    }

    pub(crate) const fn born(&self) -> u64 {
        self.born
    }

    pub(crate) fn is_saved(&self) -> bool {
        self.saved.load(Ordering::Acquire)
    }

    /// To be called when the database has the node and all below it.
    pub(crate) fn set_saved(&self) {
        self.saved.store(true, Ordering::Release);
    }

    /// The node, unless it was let go.
    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the node go, with what only it held. It must be saved.
    pub(crate) fn let_go(&self) {
        // Dropped outside the lock: much may hang on it.
        let _gone = self.node.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Link {
    /// Whether the database has a record of the node for itself, once it has the trie.
    pub(crate) const fn has_record(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::Held(_))
    }

    /// Whether it is a node in memory for itself, which is not a part of its parent.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Held(held) if held.node().is_some())
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Held {}

impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(a), Self::Inline(b)) => a == b,
            _ => self.hash().is_some() && self.hash() == other.hash(),
        }
    }
}

impl Eq for Link {}

impl Node {
    /// About how many bytes of memory it takes, with what names it and with those of its children that are parts of it.
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Held>() + 32 + self.size()
    }

    /// [`Self::footprint`] without what names it.
    fn size(&self) -> usize {
        let own = size_of::<Self>() + 16;
        own + match self {
            Self::Leaf { value, .. } => value.len() + 16,
            Self::Extension { .. } => 0,
            Self::Branch(children) => {
                let parts = children.iter().map(|child| match child {
                    Some(Link::Leaf(_, node) | Link::Inline(node)) => node.size(),
                    _ => 0,
                });
                size_of::<Children>() + 16 + parts.sum::<usize>()
            }
        }
    }

    /// The node's RLP.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.encode_as(Form::Named)
    }

    /// What the database holds of it: its RLP, but with its children that are leaves whole, where they would be named by
    /// their hashes.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        self.encode_as(Form::Record)
    }

    fn encode_as(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::with_capacity(match self {
            Self::Branch(_) => 544,
            Self::Leaf { value, .. } => value.len() + 48,
            Self::Extension { .. } => 80,
        });
        self.encode_to(form, &mut out);
        out
    }

    fn encode_to(&self, form: Form, out: &mut Vec<u8>) {
        RlpHeader { list: true, payload_length: self.payload_length(form) }.encode(out);
        match self {
            Self::Leaf { path, value, .. } => {
                encode_path_leaf(path, true).as_slice().encode(out);
                value.as_ref().encode(out);
            }
            Self::Extension { path, child } => {
                encode_path_leaf(path, false).as_slice().encode(out);
                child.encode_to(form, out);
            }
            Self::Branch(children) => {
                for child in children.iter() {
                    match child {
                        Some(child) => child.encode_to(form, out),
                        None => out.put_u8(EMPTY_STRING_CODE),
                    }
                }
                out.put_u8(EMPTY_STRING_CODE);
            }
        }
    }

    fn payload_length(&self, form: Form) -> usize {
        match self {
            Self::Leaf { path, value, .. } => {
                encode_path_leaf(path, true).as_slice().length() + value.as_ref().length()
            }
            Self::Extension { path, child } => encode_path_leaf(path, false).as_slice().length() + child.length(form),
            Self::Branch(children) => {
                children.iter().map(|child| child.as_ref().map_or(1, |child| child.length(form))).sum::<usize>() + 1
            }
        }
    }

    fn length(&self, form: Form) -> usize {
        let payload_length = self.payload_length(form);
        RlpHeader { list: true, payload_length }.length() + payload_length
    }

    /// Reads what [`Self::to_record`] wrote, or [`Self::encode`]; `None` for what neither could have written.
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
            return if leaf {
                Self::leaf(path, second)
            } else {
                Some(Self::Extension { path, child: Link::decode(second)?? })
            };
        }
        let mut children = Children::default();
        children[0] = Link::decode(first)?;
        children[1] = Link::decode(second)?;
        for child in &mut children[2..] {
            *child = Link::decode(take_item(&mut items)?)?;
        }
        (items == [EMPTY_STRING_CODE]).then(|| Self::Branch(Box::new(children)))
    }

    fn decode_leaf(mut bytes: &[u8]) -> Option<Self> {
        let mut items = RlpHeader::decode_bytes(&mut bytes, true).ok()?;
        let (path, leaf) = decode_path(take_item(&mut items)?)?;
        let value = take_item(&mut items)?;
        if leaf && items.is_empty() { Self::leaf(path, value) } else { None }
    }

    fn leaf(path: Nibbles, mut value: &[u8]) -> Option<Self> {
        let value = RlpHeader::decode_bytes(&mut value, false).ok()?.into();
        Some(Self::Leaf { path, value, below: None })
    }
}

impl Link {
    /// The link to a new child.
    pub(crate) fn to(node: Node, born: u64) -> Self {
        let rlp = node.encode();
        match node {
            node if rlp.len() < 32 => Self::Inline(Arc::new(node)),
            leaf @ Node::Leaf { .. } => Self::Leaf(keccak256(&rlp), Arc::new(leaf)),
            node => Self::Held(Arc::new(Held::new(keccak256(&rlp), node, born))),
        }
    }

    /// The node's hash; `None` where it is embedded.
    pub(crate) fn hash(&self) -> Option<B256> {
        match self {
            Self::Stored(hash) | Self::Leaf(hash, _) => Some(*hash),
            Self::Held(held) => Some(held.hash),
            Self::Inline(_) => None,
        }
    }

    fn length(&self, form: Form) -> usize {
        match self {
            Self::Inline(node) => node.length(form),
            Self::Leaf(_, leaf) if form == Form::Record => leaf.length(form),
            Self::Stored(_) | Self::Held(_) | Self::Leaf(..) => 33,
        }
    }

    fn encode_to(&self, form: Form, out: &mut Vec<u8>) {
        match self {
            Self::Inline(node) => node.encode_to(form, out),
            Self::Leaf(_, leaf) if form == Form::Record => leaf.encode_to(form, out),
            Self::Stored(hash) | Self::Leaf(hash, _) => hash.encode(out),
            Self::Held(held) => held.hash.encode(out),
        }
    }

    /// Outer `None`: malformed. Inner `None`: no child.
    fn decode(item: &[u8]) -> Option<Option<Self>> {
        match item {
            [EMPTY_STRING_CODE] => Some(None),
            [first, hash @ ..] if *first == EMPTY_STRING_CODE + 32 => {
                Some(Some(Self::Stored(B256::try_from(hash).ok()?)))
            }
            [first, ..] if *first >= EMPTY_LIST_CODE && item.len() < 32 => {
                Some(Some(Self::Inline(Arc::new(Node::decode(item)?))))
            }
            [first, ..] if *first >= EMPTY_LIST_CODE => {
                Some(Some(Self::Leaf(keccak256(item), Arc::new(Node::decode_leaf(item)?))))
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

    fn leaf(path: Nibbles, value: Vec<u8>) -> Node {
        Node::Leaf { path, value: value.into(), below: None }
    }

    fn link() -> impl Strategy<Value = Link> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|hash| Link::Stored(hash.into())),
            (nibbles(64), proptest::collection::vec(any::<u8>(), 32..120))
                .prop_map(|(path, value)| Link::to(leaf(path, value), 0)),
            (nibbles(6), proptest::collection::vec(any::<u8>(), 1..8))
                .prop_map(|(path, value)| Link::Inline(Arc::new(leaf(path, value)))),
        ]
    }

    fn node() -> impl Strategy<Value = Node> {
        prop_oneof![
            (nibbles(64), proptest::collection::vec(any::<u8>(), 1..120)).prop_map(|(path, value)| leaf(path, value)),
            (nibbles(64), link()).prop_map(|(path, child)| Node::Extension { path, child }),
            proptest::array::uniform16(proptest::option::of(link()))
                .prop_map(|children| Node::Branch(Box::new(children))),
        ]
    }

    proptest! {
        #[test]
        fn nodes_round_trip(node in node()) {
            prop_assert_eq!(Node::decode(&node.encode()), Some(node.clone()));
            let again = Node::decode(&node.to_record()).expect("a record");
            prop_assert_eq!(again.encode(), node.encode());
            prop_assert_eq!(&again, &node);
        }

        #[test]
        fn decoding_garbage_never_panics(bytes: Vec<u8>) {
            let _ = Node::decode(&bytes);
        }
    }
}
