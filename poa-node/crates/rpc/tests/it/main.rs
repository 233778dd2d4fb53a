//! The server as clients meet it: a real chain behind real sockets.

mod common;
mod news;
mod reads;
mod sends;
mod serving;
