//! The chain as a whole, on a clock and with keys in our hands.

mod epochs;
mod import;
mod kit;
mod order;
mod permissions;
mod restart;
mod stall;
