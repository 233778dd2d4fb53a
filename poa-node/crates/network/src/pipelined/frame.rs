//! Frames of a pipelined stream.
//!
//! A frame is the length of what follows (4 bytes, big endian), the number of the request (8 bytes, big endian), a mark (one
//! byte: 1 = bytes follow, 0 = declined, nothing follows) and the bytes. Requests and answers look the same; a request is
//! never marked as declined.

use std::io;

use tokio_util::{
    bytes::{Buf, BufMut, Bytes, BytesMut},
    codec::{Decoder, Encoder},
};

const LENGTH: usize = 4;
const HEAD: usize = 8 + 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u64,
    /// `None`: the request was declined.
    pub(super) bytes: Option<Bytes>,
}

/// Reads frames of up to `limit` bytes, and writes any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frames {
    pub(super) limit: usize,
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Decoder for Frames {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Frame>> {
        let Some((length, _)) = source.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|error| invalid(error.to_string()))?;
        if length < HEAD || length - HEAD > self.limit {
            return Err(invalid(format!("frame of {length} bytes, where {HEAD} to {} are allowed", HEAD + self.limit)));
        }
        let missing = (LENGTH + length).saturating_sub(source.len());
        if missing > 0 {
            source.reserve(missing);
            return Ok(None);
        }
        source.advance(LENGTH);
        let mut frame = source.split_to(length).freeze();
        let number = frame.get_u64();
        match (frame.get_u8(), frame.is_empty()) {
            (0, true) => Ok(Some(Frame { number, bytes: None })),
            (1, _) => Ok(Some(Frame { number, bytes: Some(frame) })),
            (mark, _) => Err(invalid(format!("frame is marked {mark}"))),
        }
    }
}

impl Encoder<Frame> for Frames {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, sink: &mut BytesMut) -> io::Result<()> {
        let bytes = frame.bytes.as_deref().unwrap_or_default();
        let length = u32::try_from(HEAD + bytes.len()).map_err(|error| invalid(error.to_string()))?;
        sink.reserve(LENGTH + HEAD + bytes.len());
        sink.put_u32(length);
        sink.put_u64(frame.number);
        sink.put_u8(u8::from(frame.bytes.is_some()));
        sink.put_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let bytes = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64));
        (any::<u64>(), bytes).prop_map(|(number, bytes)| Frame { number, bytes: bytes.map(Bytes::from) })
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            frames in proptest::collection::vec(frame(), 0..8),
            cut in 1_usize..40,
        ) {
            let mut codec = Frames { limit: 64 };
            let mut wire = BytesMut::new();
            for frame in &frames {
                codec.encode(frame.clone(), &mut wire).unwrap();
            }
            let (mut received, mut buffer) = (Vec::new(), BytesMut::new());
            for piece in wire.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                    received.push(frame);
                }
            }
            prop_assert_eq!(received, frames);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = (Frames { limit: 16 }).decode(&mut buffer) {}
        }
    }

    #[test]
    fn a_frame_that_is_too_long_or_too_short_is_refused_by_its_length_alone() {
        let decode = |length: u32| Frames { limit: 16 }.decode(&mut BytesMut::from(&length.to_be_bytes()[..]));
        for length in [0, 8, 26, u32::MAX] {
            assert_eq!(decode(length).unwrap_err().kind(), io::ErrorKind::InvalidData, "{length}");
        }
        for length in [9, 25] {
            assert_eq!(decode(length).unwrap(), None, "{length}");
        }
    }
}
