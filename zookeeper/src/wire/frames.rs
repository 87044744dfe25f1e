//! Cuts a stream of bytes into frames, and puts frames together; what is in them is left to others.

use super::WireError;
use alloc::vec::Vec;

/// The greatest length of a frame: `jute.maxbuffer`, as it is unless it was configured. The length itself is not counted.
pub const FRAME_BYTES_MAX: usize = 0xf_ffff;

/// The four bytes before each frame, which give its length.
pub(super) const LENGTH_BYTES: usize = 4;

/// The room that is kept for what arrives next. An idle connection does not need that of the longest frame it has seen.
const KEPT_BYTES_MAX: usize = 4096;

/// Bytes that have arrived and were not taken yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    taken: usize,
    most: usize,
}

impl Frames {
    /// Nothing has arrived; frames have at most `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        Frames { bytes: Vec::new(), taken: 0, most }
    }

    /// Takes what has arrived.
    pub(super) fn arrived(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// The first four bytes that wait, which are a length unless they are a word.
    pub(super) fn peek(&self) -> Option<[u8; LENGTH_BYTES]> {
        self.bytes[self.taken..].first_chunk().copied()
    }

    /// The next frame without its length; `None` while it is not complete.
    ///
    /// # Errors
    /// When its length is not acceptable. That is known before any more of it has arrived.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, WireError> {
        if self.waiting() == 0 && self.bytes.capacity() > KEPT_BYTES_MAX {
            (self.bytes, self.taken) = (Vec::new(), 0);
        }
        let Some(announced) = self.peek().map(i32::from_be_bytes) else { return Ok(None) };
        let length = usize::try_from(announced)
            .ok()
            .filter(|length| *length <= self.most)
            .ok_or(WireError::FrameLength { announced, most: self.most })?;
        let start = self.taken + LENGTH_BYTES;
        if self.bytes.len() - start < length {
            return Ok(None);
        }
        self.taken = start + length;
        Ok(Some(&self.bytes[start..self.taken]))
    }
}

/// Appends a frame to `bytes`: what `body` appends, behind its length.
pub(super) fn frame(bytes: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    body(bytes);
    let length = bytes.len() - start - LENGTH_BYTES;
    let length = i32::try_from(length).expect("nobody puts two gibibytes into one message");
    bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}
