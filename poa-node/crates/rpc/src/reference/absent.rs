//! Methods that other nodes have and this one has not, with the reason: what is missing on purpose is said.

/// Methods that are not there.
pub(super) struct Absent {
    /// Their names; one that ends in `*` stands for all that begin so.
    pub(super) names: &'static [&'static str],
    /// Why, and what to use.
    pub(super) why: &'static str,
}

pub(super) const ABSENT: &[Absent] = &[
    Absent {
        names: &["parity_set*", "parity_clearEngineSigner", "parity_startNetwork", "parity_stopNetwork"],
        why: "A node is changed by its configuration and a restart, not over the network. Who seals elsewhere than before starts the other node; a key that was seen at work twice stops sealing by itself.",
    },
    Absent {
        names: &["parity_addReservedPeer", "parity_removeReservedPeer", "parity_dropNonReservedPeers", "admin_*"],
        why: "Peers are those of the configuration and of the node permission contract.",
    },
    Absent {
        names: &[
            "personal_newAccount",
            "personal_unlockAccount",
            "personal_sendTransaction",
            "parity_newAccount*",
            "parity_post*",
            "parity_decryptMessage",
            "signer_*",
        ],
        why: "A node holds no account but the one it seals with: wallets sign. A development chain signs for its own accounts.",
    },
    Absent {
        names: &[
            "eth_getWork",
            "eth_submitWork",
            "eth_submitHashrate",
            "eth_submitTransaction",
            "eth_getCompilers",
            "eth_compile*",
        ],
        why: "Nothing is mined by work; transactions are sent by `eth_sendRawTransaction`; compilers left Ethereum's interface long ago.",
    },
    Absent {
        names: &["eth_getBlobSidecars", "engine_*"],
        why: "There are no blobs, and no second client decides on blocks.",
    },
    Absent {
        names: &["parity_subscribe", "parity_unsubscribe"],
        why: "Polled any method: `eth_subscribe`, or the method itself.",
    },
    Absent {
        names: &["parity_listAccounts", "parity_listStorageKeys"],
        why: "Needed a fat database: `debug_storageRangeAt` lists a contract's storage.",
    },
    Absent {
        names: &["parity_devLogs*", "parity_rpcSettings", "parity_nodeName", "parity_wsUrl", "parity_nodeStatus"],
        why: "The operator's own: the node's log, its configuration, `/health`, `/ready` and `/metrics`.",
    },
    Absent {
        names: &[
            "debug_getBadBlocks",
            "debug_setHead",
            "debug_chaindb*",
            "debug_dbGet",
            "debug_preimage",
            "debug_standardTrace*",
        ],
        why: "Of geth's database and files, which this node has not. The log names bad blocks.",
    },
    Absent {
        names: &["secretstore_*", "private_*", "shh_*", "les_*", "clique_*", "bzz_*"],
        why: "Protocols this node does not speak.",
    },
];
