//! The chain spec: Parity's JSON file as values (aura.md §4).

mod accounts;
mod error;
mod json;
mod params;
mod parse;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};

pub use error::{SpecError, SpecWarning, SpecWarningKind};
pub use parse::ParseOptions;

use crate::{BlockNumber, HeaderFormat};

/// Transitions from here on are "never": specs write that as 2^55 − 1, 2^63 − 1 or 2^64 − 1, and a chain with a block each
/// second is at this height after 34,000 years. The same number as Unix time is in the year 36,812.
pub const NEVER: u64 = 1 << 40;

/// Everything the nodes of a chain must agree on before block 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// Name for people.
    pub name: String,
    /// Name of the folder under `chains/` and `keys/`; the name itself unless stated.
    pub data_dir: String,
    /// `engine.authorityRound.params`.
    pub engine: AuraParams,
    /// `params`.
    pub params: Params,
    /// `genesis`.
    pub genesis: GenesisSpec,
    /// `accounts`: state at genesis and precompiles.
    pub accounts: BTreeMap<Address, AccountSpec>,
    /// `nodes`: enode URLs of boot nodes, as written.
    pub nodes: Vec<String>,
}

impl ChainSpec {
    /// How this chain's headers are laid out.
    pub fn header_format(&self) -> HeaderFormat {
        HeaderFormat {
            base_fee_from: self.params.eip1559_transition,
            empty_steps_from: self.engine.empty_steps_transition,
            genesis_base_fee: self.genesis.base_fee_per_gas.is_some(),
        }
    }
}

/// Consensus parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuraParams {
    /// Step duration in seconds from each Unix time on; key 0 is always there.
    pub step_duration: BTreeMap<u64, u64>,
    /// A pinned step counter without a timer; tests only.
    pub start_step: Option<u64>,
    /// Who seals.
    pub validators: ValidatorsSpec,
    /// First block whose difficulty is checked exactly.
    pub validate_score_transition: BlockNumber,
    /// First block that may not go back in steps.
    pub validate_step_transition: BlockNumber,
    /// Whether validator changes apply at once, without epochs and finality.
    pub immediate_transitions: bool,
    /// Static reward in wei from each block on; empty = none.
    pub block_reward: BTreeMap<BlockNumber, U256>,
    /// Reward contract from each block on (all spec keys merged: aura.md §2.6).
    pub block_reward_contracts: BTreeMap<BlockNumber, RewardContract>,
    /// First block of [`Self::maximum_uncle_count`]; two before.
    pub maximum_uncle_count_transition: BlockNumber,
    /// How many uncles a block may have.
    pub maximum_uncle_count: u64,
    /// First block with a third seal field; `None` = never.
    pub empty_steps_transition: Option<BlockNumber>,
    /// Most empty-step messages before a block must be sealed.
    pub maximum_empty_steps: u64,
    /// First block whose empty steps must strictly increase.
    pub strict_empty_steps_transition: BlockNumber,
    /// First block that needs more than two thirds to be final; `None` = one half always.
    pub two_thirds_majority_transition: Option<BlockNumber>,
    /// Aurum extension: finality certificates are made for the blocks above this one; `None` = never, as on a chain of
    /// Parity's. Headers do not change.
    pub finality_certificates_transition: Option<BlockNumber>,
    /// POSDAO randomness contract from each block on.
    pub randomness_contracts: BTreeMap<BlockNumber, Address>,
    /// Contract that states the gas limit, from each block on.
    pub block_gas_limit_contracts: BTreeMap<BlockNumber, Address>,
    /// First POSDAO block; `None` = never.
    pub posdao_transition: Option<BlockNumber>,
    /// Code to put at addresses at the start of a block.
    pub rewrite_bytecode: BTreeMap<BlockNumber, BTreeMap<Address, Bytes>>,
}

/// `validators` of the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidatorsSpec {
    /// A fixed list.
    List(Vec<Address>),
    /// `getValidators()` of a contract, without reports.
    SafeContract(Address),
    /// The same, with misbehaviour reported to it.
    Contract(Address),
    /// Another source from each block on; key 0 is always there, nothing nests twice.
    Multi(BTreeMap<BlockNumber, Self>),
}

/// Where block rewards come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewardContract {
    /// A contract in the state.
    Address(Address),
    /// Code that is run without being deployed.
    Code(Bytes),
}

/// `params`: limits, and from which block (or Unix time) on each EIP applies. `None` = never.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each eipN_transition is the first block of EIP-N; the others have their own line")]
pub struct Params {
    /// Network id of the p2p layer.
    pub network_id: u64,
    /// Chain id of EIP-155; the network id unless stated.
    pub chain_id: u64,
    /// Most bytes of `extraData`.
    pub maximum_extra_data_size: u64,
    /// Least gas limit of a block.
    pub min_gas_limit: u64,
    /// The gas limit may move by less than a block's `limit / divisor`.
    pub gas_limit_bound_divisor: u64,
    /// Nonce of a new account.
    pub account_start_nonce: u64,
    /// Most bytes of a transaction's RLP.
    pub max_transaction_size: u64,
    /// Most bytes of a contract's code; `None` = unlimited (EIP-170 is opt-in).
    pub max_code_size: Option<u64>,
    /// First block of [`Self::max_code_size`].
    pub max_code_size_transition: BlockNumber,
    /// Registrar contract, if any.
    pub registrar: Option<Address>,
    /// Node permission contract.
    pub node_permission_contract: Option<Address>,
    /// Transaction permission contract.
    pub transaction_permission_contract: Option<Address>,
    /// First block the transaction permission contract decides about.
    pub transaction_permission_contract_transition: BlockNumber,
    /// First block in which uncertified zero-price transactions are invalid.
    pub validate_service_transactions_transition: Option<BlockNumber>,
    /// Aurum extension `restrictInternalCreationTransition`: first block in which contracts create contracts only for
    /// senders with the right to.
    pub restrict_internal_creation_transition: Option<BlockNumber>,
    /// Aurum extension `restrictInternalCallsTransition`: first block in which contracts call others only for senders with
    /// the right to.
    pub restrict_internal_calls_transition: Option<BlockNumber>,
    /// A pinned block hash: `(forkBlock, forkCanonHash)`.
    pub fork: Option<(BlockNumber, B256)>,
    pub eip98_transition: Option<BlockNumber>,
    pub eip140_transition: Option<BlockNumber>,
    pub eip145_transition: Option<BlockNumber>,
    pub eip150_transition: Option<BlockNumber>,
    pub eip155_transition: Option<BlockNumber>,
    pub eip160_transition: Option<BlockNumber>,
    pub eip161abc_transition: Option<BlockNumber>,
    pub eip161d_transition: Option<BlockNumber>,
    pub eip211_transition: Option<BlockNumber>,
    pub eip214_transition: Option<BlockNumber>,
    pub eip658_transition: Option<BlockNumber>,
    pub eip1014_transition: Option<BlockNumber>,
    pub eip1052_transition: Option<BlockNumber>,
    pub eip1283_transition: Option<BlockNumber>,
    pub eip1283_disable_transition: Option<BlockNumber>,
    pub eip1283_reenable_transition: Option<BlockNumber>,
    pub eip1344_transition: Option<BlockNumber>,
    pub eip1559_transition: Option<BlockNumber>,
    pub eip1706_transition: Option<BlockNumber>,
    pub eip1884_transition: Option<BlockNumber>,
    pub eip2028_transition: Option<BlockNumber>,
    pub eip2929_transition: Option<BlockNumber>,
    pub eip2930_transition: Option<BlockNumber>,
    pub eip3198_transition: Option<BlockNumber>,
    pub eip3529_transition: Option<BlockNumber>,
    pub eip3541_transition: Option<BlockNumber>,
    pub eip3607_transition: Option<BlockNumber>,
    pub validate_chain_id_transition: Option<BlockNumber>,
    pub validate_receipts_transition: Option<BlockNumber>,
    /// After London EIPs switch on by Unix time, in Nethermind's key names (`eip3855TransitionTimestamp` …): EIP number
    /// → first timestamp.
    pub eip_timestamps: BTreeMap<u64, u64>,
    /// The same by block number (`eip3855Transition` …), as older Nethermind specs state them. Ask
    /// [`Self::later_eip_active`], which looks at both.
    pub eip_transitions: BTreeMap<u64, BlockNumber>,
    /// EIP-1559 initial base fee in wei.
    pub eip1559_base_fee_initial_value: Option<u64>,
    /// EIP-1559 change denominator.
    pub eip1559_base_fee_max_change_denominator: Option<u64>,
    /// EIP-1559 elasticity.
    pub eip1559_elasticity_multiplier: Option<u64>,
    /// Least base fee in wei.
    pub eip1559_base_fee_min_value: Option<u64>,
    /// First block of the least base fee.
    pub eip1559_base_fee_min_value_transition: Option<BlockNumber>,
    /// Who receives the base fee, instead of burning it.
    pub eip1559_fee_collector: Option<Address>,
    /// First block of the collector.
    pub eip1559_fee_collector_transition: Option<BlockNumber>,
    /// Aurum extension `gasFree`: fees are neither required nor charged and the base fee stays zero.
    pub gas_free: bool,
    /// Aurum extension `fixedBaseFee`: the base fee is this many wei in every block.
    pub fixed_base_fee: Option<u64>,
    pub eip210_transition: Option<BlockNumber>,
    pub eip2315_transition: Option<BlockNumber>,
    /// First block of dust protection (EIP-168, EIP-169).
    pub dust_protection_transition: Option<BlockNumber>,
    /// First block in which code that begins as wasm runs as wasm, in Parity.
    pub wasm_activation_transition: Option<BlockNumber>,
    /// First block in which it does no longer.
    pub wasm_disable_transition: Option<BlockNumber>,
    /// Total difficulty at which the chain leaves AuRa (Nethermind).
    pub terminal_total_difficulty: Option<U256>,
}

/// `genesis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisSpec {
    /// Seal fields, raw RLP items.
    pub seal: Vec<Bytes>,
    /// Difficulty.
    pub difficulty: U256,
    /// Gas limit.
    pub gas_limit: u64,
    /// Author.
    pub author: Address,
    /// Unix seconds.
    pub timestamp: u64,
    /// Parent hash.
    pub parent_hash: B256,
    /// Extra data.
    pub extra_data: Bytes,
    /// Gas used.
    pub gas_used: u64,
    /// Transactions root.
    pub transactions_root: B256,
    /// Receipts root.
    pub receipts_root: B256,
    /// A trusted state root, when the spec states one.
    pub state_root: Option<B256>,
    /// Base fee, when the spec states one.
    pub base_fee_per_gas: Option<u64>,
}

/// One entry of `accounts`. `None` where the key is absent (aura.md §4.4: an account exists at genesis only if at least
/// one of balance, nonce, code and storage is present).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSpec {
    /// Balance in wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Runtime code.
    pub code: Option<Bytes>,
    /// Storage.
    pub storage: Option<BTreeMap<U256, U256>>,
    /// Creation code that is run at genesis.
    pub constructor: Option<Bytes>,
    /// A precompile at this address.
    pub builtin: Option<Builtin>,
}

/// A precompile that exists from some block on, at prices that may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Parity's name: `ecrecover`, `sha256`, `ripemd160`, `identity`, `modexp`, `alt_bn128_add`, `alt_bn128_mul`,
    /// `alt_bn128_pairing`, `blake2_f`, and for EIP-2537 `bls12_381_{g1_add,g1_mul,g1_multiexp,g2_add,g2_mul,g2_multiexp,
    /// pairing,fp_to_g1,fp2_to_g2}`.
    pub name: String,
    /// Price from each block on; the first key is the activation.
    pub pricing: BTreeMap<BlockNumber, Pricing>,
}

/// What a precompile costs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "field names are the spec's")]
pub enum Pricing {
    /// `base + word · ceil(len / 32)`.
    Linear { base: u64, word: u64 },
    /// EIP-198 with this divisor.
    Modexp { divisor: u64 },
    /// EIP-2565.
    Modexp2565,
    /// Pairing: `base + pair · pairs`.
    AltBn128Pairing { base: u64, pair: u64 },
    /// A fixed price (`alt_bn128_const_operations`).
    Constant { price: u64 },
    /// `gas_per_round · rounds`.
    Blake2F { gas_per_round: u64 },
    /// EIP-2537 operations, priced as the EIP says (`eip2537`, an Aurum extension of the file format).
    Bls12,
    /// EIP-2537 as OpenEthereum had it, a draft that was never live: read, and never executed.
    Bls12Draft,
}
