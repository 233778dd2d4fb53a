//! One block through revm: system calls, permission checks, transactions, rewards
