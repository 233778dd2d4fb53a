//! Keys, ceremony and chain specs for a consortium
