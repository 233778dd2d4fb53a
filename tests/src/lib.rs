//! Stories over a whole running system, and the network that make up starts
