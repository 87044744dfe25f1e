//! Cuts a stream of bytes into frames, and puts frames together; what is in them is left to others.

use super::WireError;
use super::jute::{Hand, Writer};
use alloc::vec::Vec;

/// The greatest length of a frame: `jute.maxbuffer`, as it is unless it was configured. The length itself is not counted.
pub const FRAME_BYTES_MAX: usize = 0xf_ffff;

/// The greatest length of a frame that is written. A real server writes an answer of any length, up to the two gibibytes
/// of a Java array: a request of 30 kB can ask for as much. This limit is that of the memory for one answer; a list of a
/// million children keeps within it.
pub const WRITTEN_BYTES_MAX: usize = 32 << 20;

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

/// Appends a frame to `bytes`: what `body` writes, behind its length.
///
/// # Errors
/// When it would be longer than [`WRITTEN_BYTES_MAX`]. Then nothing is appended, and no more than that was ever held.
pub(super) fn frame(
    bytes: &mut Vec<u8>,
    hand: Hand,
    body: impl FnOnce(&mut Writer<'_>),
) -> Result<(), WireError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    let mut writer = Writer::new(bytes, hand, WRITTEN_BYTES_MAX);
    body(&mut writer);
    let length = writer.written().and_then(|length| i32::try_from(length).ok());
    let Some(length) = length else {
        bytes.truncate(start);
        return Err(WireError::TooLong { most: WRITTEN_BYTES_MAX });
    };
    bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a frame of two buffers comes to, behind two bytes that are there already.
    fn written(first: usize, second: usize) -> (Result<(), WireError>, usize) {
        let (buffer, mut bytes) = (alloc::vec![7; first.max(second)], alloc::vec![1, 2]);
        let result = frame(&mut bytes, Hand::Server, |writer| {
            writer.buffer(Some(&buffer[..first]));
            writer.buffer(Some(&buffer[..second]));
        });
        assert_eq!(bytes[..2], [1, 2], "what was there before stays");
        (result, bytes.len() - 2)
    }

    #[test]
    fn a_frame_is_as_long_as_the_limit_or_nothing_of_it_is_written() {
        let room = WRITTEN_BYTES_MAX - 2 * LENGTH_BYTES;
        assert_eq!(written(room, 0), (Ok(()), LENGTH_BYTES + WRITTEN_BYTES_MAX));
        let too_long = Err(WireError::TooLong { most: WRITTEN_BYTES_MAX });
        for (first, second) in [(room, 1), (0, room + 1), (room + LENGTH_BYTES + 1, 0), (room, room)] {
            assert_eq!(written(first, second), (too_long, 0));
        }
    }

    #[test]
    fn nothing_is_written_behind_what_did_not_fit() {
        let (long, mut bytes) = (alloc::vec![7; WRITTEN_BYTES_MAX], Vec::new());
        let mut asked = 0;
        let result = frame(&mut bytes, Hand::Server, |writer| {
            writer.buffer(Some(&long));
            writer.vector(&[(); 1000], |writer, ()| {
                asked += 1;
                writer.int(1);
            });
        });
        assert!(result.is_err() && bytes.is_empty());
        assert_eq!(asked, 0, "the elements of a list are not even looked at");
        assert!(bytes.capacity() <= 2 * WRITTEN_BYTES_MAX);
    }
}
