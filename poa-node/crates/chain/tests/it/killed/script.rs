//! Blocks in the order in which they come, and where a node stands that took them in that order and was never killed.

use std::{fmt::Write as _, fs, path::Path};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
};
use aurum_aura::Signer as _;
use aurum_chain::Chain;
use aurum_types::{SealedBlock, Transaction};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::kit::{Kit, Node, import_all, key, standing, transaction, transfer};

/// slot[first word of the input] = second word.
const SETTER: [u8; 9] = [0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00, 0x00];
/// Slots that are set and cleared.
const SLOTS: u64 = 24;

/// A chain that is imported, and what a node is to be after each of its blocks.
pub struct Script {
    pub blocks: Vec<SealedBlock>,
    /// After none, the first, ... all of them.
    pub clean: Vec<String>,
}

impl Script {
    /// Imports the blocks into a node that nobody kills.
    pub fn of(kit: &Kit, blocks: Vec<SealedBlock>) -> (Self, Node) {
        let node = kit.node();
        let mut script = Self { blocks, clean: vec![stand(&node)] };
        script.wait(kit);
        for block in &script.blocks {
            node.import(block.clone()).unwrap();
            script.clean.push(stand(&node));
        }
        (script, node)
    }

    pub fn write(&self, path: &Path) {
        let mut text = format!("{}\n", self.clean[0]);
        for (block, stand) in self.blocks.iter().zip(&self.clean[1..]) {
            writeln!(text, "{} {stand}", block.block().encode()).unwrap();
        }
        fs::write(path, text).unwrap();
    }

    pub fn read(kit: &Kit, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut lines = text.lines();
        let mut clean = vec![lines.next().unwrap().to_owned()];
        let mut blocks = Vec::new();
        for line in lines {
            let (block, stand) = line.split_once(' ').unwrap();
            let bytes: Bytes = block.parse().unwrap();
            blocks.push(SealedBlock::decode(&bytes, &kit.spec.header_format()).unwrap());
            clean.push(stand.to_owned());
        }
        Self { blocks, clean }
    }

    /// Moves the clock to where none of the blocks is early.
    pub fn wait(&self, kit: &Kit) {
        let steps = self.blocks.iter().filter_map(|block| block.header().step());
        kit.clock.set(kit.schedule().start_of(steps.max().unwrap()));
    }

    /// How many of the blocks, from the first on, are in the database; those behind are not.
    pub fn stored(&self, chain: &Chain) -> usize {
        let here = |block: &SealedBlock| chain.block_bytes(block.hash()).unwrap().is_some();
        let stored = self.blocks.iter().take_while(|block| here(block)).count();
        assert!(!self.blocks[stored..].iter().any(here), "a block is here, and one that came before it is not");
        stored
    }

    /// After how many blocks this was one of them.
    pub fn place(&self, hash: B256) -> Option<usize> {
        self.blocks.iter().position(|block| block.hash() == hash).map(|place| place + 1)
    }

    /// Whether `ancestor`, at height `number`, is below or at the head after so many blocks.
    pub fn contains(&self, count: usize, (number, ancestor): (u64, B256)) -> bool {
        let head = self.clean[count].split(' ').nth(1).unwrap().parse().unwrap();
        let mut cursor: B256 = head;
        while let Some(block) = self.place(cursor).map(|place| &self.blocks[place - 1]) {
            if block.number() == number {
                return cursor == ancestor;
            }
            cursor = block.header().parent_hash;
        }
        // Genesis has no place.
        number == 0
    }
}

/// Head, final block, and digests of everything that is in the head's state, and of what its trie proves.
pub fn stand(chain: &Chain) -> String {
    let (latest, hash, finalized, final_hash) = standing(chain);
    let slots: Vec<_> = (0..SLOTS).map(U256::from).collect();
    let proofs = [0, 1].map(|sender| {
        let contract = key(sender).address().create(0);
        chain.view().proof(BlockId::number(latest), contract, &slots).unwrap()
    });
    let (state, proofs) = (digest(chain, latest).unwrap(), keccak256(format!("{proofs:?}")));
    format!("{latest} {hash} {finalized} {final_hash} {state} {proofs}")
}

/// Digest of every account, code and slot after the block at `number`; `None` where states are no longer kept.
pub fn digest(chain: &Chain, number: u64) -> Option<B256> {
    let state = chain.view().state(BlockId::number(number)).ok()?.unwrap();
    let mut all = String::new();
    let senders = [key(0).address(), key(1).address()];
    let contracts = senders.map(|sender| sender.create(0));
    for address in (0..6).map(Address::repeat_byte).chain(senders).chain(contracts) {
        write!(all, "{address} {:?} {}", state.account(address).unwrap(), state.code(address).unwrap()).unwrap();
        for slot in 0..SLOTS {
            write!(all, " {}", state.storage(address, U256::from(slot)).unwrap()).unwrap();
        }
    }
    Some(keccak256(all))
}

/// What a block does to the state of `chain`'s head: contracts made, slots set and cleared, transfers, contracts that end
/// in the transaction that makes them, failures.
pub fn body(chain: &Chain, dice: &mut StdRng) -> Vec<Transaction> {
    let state = chain.view().state(BlockId::latest()).unwrap().unwrap();
    let mut nonces = [0, 1].map(|sender| state.account(key(sender).address()).unwrap().nonce);
    (0..dice.random_range(0..5))
        .map(|_| {
            let sender = dice.random_range(0..2);
            let (from, nonce) = (key(sender), nonces[sender]);
            nonces[sender] += 1;
            let setter = from.address().create(0);
            match (nonce, dice.random_range(0..8)) {
                (0, _) => transaction(&from, 0, TxKind::Create, 0, creation(&SETTER)),
                (_, 0) => {
                    transfer(&from, nonce, Address::repeat_byte(dice.random_range(0..6)), dice.random_range(0..9))
                }
                // CALLER SELFDESTRUCT
                (_, 1) => transaction(&from, nonce, TxKind::Create, 3, Bytes::from_static(&[0x33, 0xff])),
                (_, 2) => transaction(&from, nonce, TxKind::Create, 0, Bytes::from_static(&[0xfe])),
                _ => {
                    let value = if dice.random() { 0 } else { dice.random_range(1..1_000_u64) };
                    let words = [dice.random_range(0..SLOTS), value].map(|word| B256::from(U256::from(word)).0);
                    transaction(&from, nonce, TxKind::Call(setter), 0, words.concat().into())
                }
            }
        })
        .collect()
}

fn creation(runtime: &[u8]) -> Bytes {
    let length = u8::try_from(runtime.len()).unwrap();
    [&[0x60, length, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, length, 0x60, 0x00, 0xf3], runtime].concat().into()
}

/// `count` blocks of `who` in turn.
fn mine(kit: &Kit, node: &Node, who: &[Address], count: usize, dice: &mut StdRng) -> Vec<SealedBlock> {
    (0..count)
        .map(|_| {
            let transactions = body(node, dice);
            kit.mine_by(node, who, &transactions)
        })
        .collect()
}

/// A chain that nobody leaves.
pub fn straight(kit: &Kit, length: usize) -> Vec<SealedBlock> {
    mine(kit, &kit.node(), &kit.validators, length, &mut StdRng::seed_from_u64(1))
}

/// A common beginning, then again and again a branch of two blocks that is head until another one of three comes.
pub fn forks(kit: &Kit, beginning: usize, times: usize) -> Vec<SealedBlock> {
    let mut dice = StdRng::seed_from_u64(2);
    let (left, right) = (kit.node(), kit.node());
    let mut blocks = mine(kit, &left, &kit.validators, beginning, &mut dice);
    import_all(&right, &blocks);
    for _ in 0..times {
        let common = mine(kit, &left, &kit.validators, 4, &mut dice);
        import_all(&right, &common);
        let lost = mine(kit, &right, &kit.validators[..2], 2, &mut dice);
        let won = mine(kit, &left, &kit.validators[2..], 3, &mut dice);
        import_all(&right, &won);
        blocks.extend([common, lost, won].concat());
    }
    blocks
}

/// Half of the authorities seal on for so long that blocks are persisted which are not final; then a longer branch of the
/// other half comes, and in the end both seal together.
pub fn stalled(kit: &Kit, length: usize) -> Vec<SealedBlock> {
    let mut dice = StdRng::seed_from_u64(3);
    let (left, right) = (kit.node(), kit.node());
    let common = mine(kit, &left, &kit.validators, 6, &mut dice);
    import_all(&right, &common);
    let lost = mine(kit, &left, &kit.validators[..2], length, &mut dice);
    let won = mine(kit, &right, &kit.validators[2..], length + 2, &mut dice);
    let end = mine(kit, &right, &kit.validators, 12, &mut dice);
    [common, lost, won, end].concat()
}
