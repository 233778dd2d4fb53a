//! Carries transfers between two chains, exactly once
