//! Peers over libp2p: gossip, request and response sync, reserved peers
