//! A node that lies.
