//! Files of blocks as Parity's `export blocks` writes them: the RLP of each block right behind the other, or, with
//! `--format hex`, one block a line in hex (OpenEthereum `bin/oe/blockchain.rs`).

use std::io::{self, BufRead, Read as _};

use alloy::primitives::hex;

/// Largest block read, in bytes of RLP: far above what a gas limit allows, so that a damaged length asks for no memory.
pub const MAX_BLOCK: u64 = 128 << 20;

/// How blocks stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// RLP behind RLP
    #[default]
    #[value(alias = "bin")]
    Binary,
    /// A line of hex a block
    Hex,
}

/// Why a file of blocks cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum BlockFileError {
    /// The system.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// The file ends inside a block.
    #[error("the file ends inside its block {index} (counted from 1)")]
    Truncated {
        /// Place in the file.
        index: u64,
    },
    /// What comes next is no block.
    #[error("block {index} of the file (counted from 1): {reason}")]
    Malformed {
        /// Place in the file.
        index: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The blocks of a file, one after the other, each as the bytes of its RLP.
#[derive(Debug)]
pub struct BlockFile<R> {
    input: R,
    format: Option<Format>,
    index: u64,
}

impl<R: BufRead> BlockFile<R> {
    /// A file of the given format; without one its first byte tells: a list of RLP is binary.
    pub const fn new(input: R, format: Option<Format>) -> Self {
        Self { input, format, index: 0 }
    }

    /// How many blocks were read.
    pub const fn count(&self) -> u64 {
        self.index
    }

    /// The next block, or `None` at the end.
    ///
    /// # Errors
    /// [`BlockFileError`].
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, BlockFileError> {
        let Some(first) = self.input.fill_buf()?.first().copied() else { return Ok(None) };
        let guess = if first >= 0xc0 { Format::Binary } else { Format::Hex };
        let format = *self.format.get_or_insert(guess);
        self.index += 1;
        match format {
            Format::Binary => self.binary().map(Some),
            Format::Hex => self.hex(),
        }
    }

    fn binary(&mut self) -> Result<Vec<u8>, BlockFileError> {
        let mut block = vec![self.byte()?];
        let length = match block[0] {
            head @ 0xc0..=0xf7 => u64::from(head - 0xc0),
            head @ 0xf8..=0xff => {
                let mut length = 0_u64;
                for _ in 0..head - 0xf7 {
                    let byte = self.byte()?;
                    block.push(byte);
                    // Lengths of more than 63 bits are refused below in any case.
                    length = length.checked_mul(256).map_or(u64::MAX, |length| length.saturating_add(u64::from(byte)));
                }
                length
            }
            head => return Err(self.malformed(format!("starts with {head:#04x}, which begins no RLP list"))),
        };
        if length > MAX_BLOCK {
            return Err(self.malformed(format!("{length} bytes long, at most {MAX_BLOCK} are read")));
        }
        let read = (&mut self.input).take(length).read_to_end(&mut block)?;
        if u64::try_from(read) != Ok(length) {
            return Err(BlockFileError::Truncated { index: self.index });
        }
        Ok(block)
    }

    /// The next line that is not empty.
    fn hex(&mut self) -> Result<Option<Vec<u8>>, BlockFileError> {
        loop {
            let mut line = Vec::new();
            let most = MAX_BLOCK * 2 + 4;
            (&mut self.input).take(most).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                self.index -= 1;
                return Ok(None);
            }
            let digits = line.trim_ascii();
            if digits.is_empty() {
                continue;
            }
            return hex::decode(digits).map(Some).map_err(|error| self.malformed(error.to_string()));
        }
    }

    fn byte(&mut self) -> Result<u8, BlockFileError> {
        let mut byte = [0];
        self.input.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BlockFileError::Truncated { index: self.index },
            _ => BlockFileError::Read(error),
        })?;
        Ok(byte[0])
    }

    const fn malformed(&self, reason: String) -> BlockFileError {
        BlockFileError::Malformed { index: self.index, reason }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], format: Option<Format>) -> Result<Vec<Vec<u8>>, BlockFileError> {
        let mut file = BlockFile::new(bytes, format);
        let mut blocks = Vec::new();
        while let Some(block) = file.next_block()? {
            blocks.push(block);
        }
        assert_eq!(file.count(), blocks.len() as u64);
        Ok(blocks)
    }

    /// An RLP list of `length` bytes.
    fn list(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        alloy::rlp::Header { list: true, payload_length: length }.encode(&mut out);
        out.extend(std::iter::repeat_n(7, length));
        out
    }

    #[test]
    fn binary_and_hex_files_are_told_apart() {
        let blocks = [list(0), list(55), list(56), list(70_000)];
        assert_eq!(all(&blocks.concat(), None).unwrap(), blocks);
        let lines: Vec<_> = blocks.iter().map(hex::encode).collect();
        assert_eq!(all(lines.join("\n").as_bytes(), None).unwrap(), blocks);
        assert_eq!(all(format!("0x{}\r\n\n", lines.join("\r\n0x")).as_bytes(), None).unwrap(), blocks);
        assert_eq!(all(b"", None).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_truncated_or_damaged_file_names_the_block() {
        let bytes = [list(60), list(60)].concat();
        for end in [63, 64, 100, bytes.len() - 1] {
            assert!(matches!(all(&bytes[..end], None), Err(BlockFileError::Truncated { index: 2 })), "{end}");
        }
        assert!(matches!(
            all(&[&list(3)[..], &[0x80]].concat(), None),
            Err(BlockFileError::Malformed { index: 2, .. })
        ));
        // A length of 2^64 - 1 bytes asks for nothing.
        assert!(matches!(all(&[0xff; 9], None), Err(BlockFileError::Malformed { index: 1, .. })));
        assert!(matches!(all(b"f9zz", None), Err(BlockFileError::Malformed { index: 1, .. })));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = all(&bytes, None);
            let _ = all(&bytes, Some(Format::Binary));
            let _ = all(&bytes, Some(Format::Hex));
        }
    }
}
