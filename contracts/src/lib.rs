//! ABI, bytecode and bindings of Aurum's contracts
