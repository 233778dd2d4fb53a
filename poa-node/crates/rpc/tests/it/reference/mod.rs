//! The reference is true: its examples are answers of a real chain, and its errors are those that methods answer.

mod asked;
mod book;
mod provoked;
mod schemas;
mod votes;
pub mod words;
mod world;
