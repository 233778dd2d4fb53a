//! The words for the permission contract's bits.

/// Bit and word of each right, in the contract's order.
const RIGHTS: [(u32, &str); 4] = [(1, "basic"), (2, "call"), (4, "create"), (16, "read")];

/// The words of the rights in `bits`; unknown bits have none.
pub(crate) fn names(bits: u32) -> Vec<&'static str> {
    RIGHTS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_follow_the_bits() {
        assert_eq!(super::names(0), Vec::<&str>::new());
        assert_eq!(super::names(4), ["create"]);
        assert_eq!(super::names(u32::MAX), ["basic", "call", "create", "read"]);
    }
}
