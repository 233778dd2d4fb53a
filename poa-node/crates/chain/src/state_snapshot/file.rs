//! Chunks with checksums.

use std::io::{self, Read, Write};

use alloy::primitives::{B256, Keccak256, keccak256};

use super::SnapshotError;

/// First bytes of a file; the last of them is the version.
const MAGIC: &[u8; 16] = b"AURUM SNAPSHOT\0\x02";
/// Largest payload read: a damaged length asks for no memory.
const MAX_PAYLOAD: u32 = 256 << 20;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Manifest = 1,
    Block = 2,
    Code = 3,
    State = 4,
    End = 5,
}

impl Kind {
    const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Manifest,
            2 => Self::Block,
            3 => Self::Code,
            4 => Self::State,
            5 => Self::End,
            _ => return None,
        })
    }
}

fn checksum(before: B256, head: [u8; 5], payload: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(before);
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

fn head(kind: u8, length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

/// Writes chunks.
pub(super) struct ChunkWriter<W> {
    out: W,
    before: B256,
    bytes: u64,
}

impl<W: Write> ChunkWriter<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self { out, before: keccak256(MAGIC), bytes: MAGIC.len() as u64 })
    }

    pub(super) fn write(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= MAX_PAYLOAD);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a chunk is too large"))?;
        let head = head(kind as u8, length);
        self.before = checksum(self.before, head, payload);
        self.out.write_all(&head)?;
        self.out.write_all(payload)?;
        self.out.write_all(self.before.as_slice())?;
        self.bytes += (head.len() + payload.len() + 32) as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.bytes)
    }
}

/// Reads chunks and checks their checksums.
pub(super) struct ChunkReader<R> {
    input: R,
    before: B256,
    chunk: u64,
    offset: u64,
    next: u64,
}

impl<R: Read> ChunkReader<R> {
    pub(super) fn new(mut input: R) -> Result<Self, SnapshotError> {
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            Ok(()) if magic == *MAGIC => {}
            _ => return Err(SnapshotError::Magic),
        }
        let start = MAGIC.len() as u64;
        Ok(Self { input, before: keccak256(MAGIC), chunk: 0, offset: start, next: start })
    }

    /// The next chunk. There is always one: the last is [`Kind::End`], after which [`Self::finish`] is called.
    pub(super) fn read(&mut self) -> Result<(Kind, Vec<u8>), SnapshotError> {
        self.chunk += 1;
        self.offset = self.next;
        let mut start = [0; 5];
        self.exact(&mut start)?;
        let length = u32::from_be_bytes([start[1], start[2], start[3], start[4]]);
        let kind = Kind::of(start[0]).ok_or_else(|| self.damaged(format!("unknown kind {}", start[0])))?;
        if length > MAX_PAYLOAD {
            return Err(self.damaged(format!("{length} bytes long")));
        }
        let mut payload = Vec::new();
        let read = (&mut self.input).take(u64::from(length)).read_to_end(&mut payload)?;
        if u32::try_from(read) != Ok(length) {
            return Err(self.damaged("the file ends inside it"));
        }
        let mut found = B256::ZERO;
        self.exact(found.as_mut_slice())?;
        let expected = checksum(self.before, head(start[0], length), &payload);
        if found != expected {
            return Err(self.damaged("its checksum does not match"));
        }
        self.before = expected;
        self.next = self.offset + 5 + u64::from(length) + 32;
        Ok((kind, payload))
    }

    /// After the last chunk: the file's size, if nothing comes behind it.
    pub(super) fn finish(mut self) -> Result<u64, SnapshotError> {
        if self.input.read(&mut [0])? != 0 {
            return Err(self.damaged("bytes come after the end"));
        }
        Ok(self.next)
    }

    /// This chunk is not what it should be.
    pub(super) fn damaged(&self, reason: impl Into<String>) -> SnapshotError {
        SnapshotError::Damaged { chunk: self.chunk, offset: self.offset, reason: reason.into() }
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), SnapshotError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("the file ends here"),
            _ => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(Kind, Vec<u8>)>, SnapshotError> {
        let mut reader = ChunkReader::new(bytes)?;
        let mut chunks = Vec::new();
        loop {
            let chunk = reader.read()?;
            chunks.push(chunk.clone());
            if chunk.0 == Kind::End {
                assert_eq!(reader.finish()?, bytes.len() as u64);
                return Ok(chunks);
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let chunks = [(Kind::Manifest, vec![1, 2, 3]), (Kind::State, vec![4; 70]), (Kind::End, vec![])];
        let mut bytes = Vec::new();
        let mut writer = ChunkWriter::new(&mut bytes).unwrap();
        for (kind, payload) in &chunks {
            writer.write(*kind, payload).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), bytes.len() as u64);
        assert_eq!(all(&bytes).unwrap(), chunks);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(all(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).is_err(), "cut at {end}");
        }
        bytes.push(0);
        assert!(all(&bytes).is_err(), "a byte more");
    }
}
