//! Authority Round as functions over values: steps, seals, proposers, scores, finality, epochs
