//! The import pipeline, fork choice, head, and reads of the chain at a block
