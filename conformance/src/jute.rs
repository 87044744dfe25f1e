//! Jute, the encoding of ZooKeeper's protocol: the primitives alone, written for these tests and sharing nothing with the
//! model's codec, so that a mistake there cannot hide here.

use std::fmt;

/// Bytes being written. Everything is big-endian; lengths are signed 32-bit counts, −1 for a missing value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing written yet.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// What has been written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    #[must_use]
    pub fn byte(mut self, value: u8) -> Writer {
        self.bytes.push(value);
        self
    }

    /// A boolean: one byte, 0 or 1.
    #[must_use]
    pub fn boolean(self, value: bool) -> Writer {
        self.byte(u8::from(value))
    }

    /// A 32-bit number.
    #[must_use]
    pub fn int(mut self, value: i32) -> Writer {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A 64-bit number.
    #[must_use]
    pub fn long(mut self, value: i64) -> Writer {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A buffer, or a missing one.
    ///
    /// # Panics
    ///
    /// If the buffer is 2 GiB or longer.
    #[must_use]
    pub fn buffer(self, value: Option<&[u8]>) -> Writer {
        match value {
            None => self.int(-1),
            Some(bytes) => self.int(i32::try_from(bytes.len()).expect("buffers are below 2 GiB")).raw(bytes),
        }
    }

    /// A string in UTF-8.
    #[must_use]
    pub fn string(self, value: &str) -> Writer {
        self.buffer(Some(value.as_bytes()))
    }

    /// A missing string.
    #[must_use]
    pub fn null_string(self) -> Writer {
        self.buffer(None)
    }

    /// A vector of strings.
    ///
    /// # Panics
    ///
    /// If there are 2³¹ strings or more.
    #[must_use]
    pub fn strings<S: AsRef<str>>(self, values: &[S]) -> Writer {
        let count = i32::try_from(values.len()).expect("vectors are below 2 GiB");
        values.iter().fold(self.int(count), |writer, value| writer.string(value.as_ref()))
    }

    /// Bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Writer {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

/// What was read does not have the form that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What was to be read.
    pub wanted: &'static str,
    /// Where, in bytes from the start.
    pub offset: usize,
    /// How long the whole is, in bytes.
    pub length: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} at byte {} of {}", self.wanted, self.offset, self.length)
    }
}

impl std::error::Error for Malformed {}

/// Bytes being read, from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// If nothing is left.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take("byte", 1)?[0])
    }

    /// A boolean.
    ///
    /// # Errors
    ///
    /// If nothing is left.
    pub fn boolean(&mut self) -> Result<bool, Malformed> {
        Ok(self.take("boolean", 1)?[0] != 0)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    ///
    /// If fewer than four bytes are left.
    pub fn int(&mut self) -> Result<i32, Malformed> {
        let bytes = self.take("32-bit number", 4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A 64-bit number.
    ///
    /// # Errors
    ///
    /// If fewer than eight bytes are left.
    pub fn long(&mut self) -> Result<i64, Malformed> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take("64-bit number", 8)?);
        Ok(i64::from_be_bytes(bytes))
    }

    /// A buffer, or `None` for a missing one.
    ///
    /// # Errors
    ///
    /// If the length is below −1 or more than what is left.
    pub fn buffer(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        match self.length("length of a buffer")? {
            None => Ok(None),
            Some(length) => Ok(Some(self.take("buffer", length)?.to_vec())),
        }
    }

    /// A string, or `None` for a missing one. Bytes that are no UTF-8 are shown as replacement characters.
    ///
    /// # Errors
    ///
    /// If the length is below −1 or more than what is left.
    pub fn string(&mut self) -> Result<Option<String>, Malformed> {
        Ok(self.buffer()?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A vector: its elements, each read by `element`; `None` for a missing one.
    ///
    /// # Errors
    ///
    /// If the length is below −1, or an element cannot be read.
    pub fn vector<T>(
        &mut self,
        mut element: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        match self.length("length of a vector")? {
            None => Ok(None),
            Some(count) => (0..count).map(|_| element(self)).collect::<Result<Vec<T>, _>>().map(Some),
        }
    }

    fn length(&mut self, wanted: &'static str) -> Result<Option<usize>, Malformed> {
        let offset = self.offset;
        match self.int()? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| Malformed {
                wanted,
                offset,
                length: self.bytes.len(),
            }),
        }
    }

    fn take(&mut self, wanted: &'static str, count: usize) -> Result<&'a [u8], Malformed> {
        let taken = self.rest().get(..count).ok_or(Malformed {
            wanted,
            offset: self.offset,
            length: self.bytes.len(),
        })?;
        self.offset += count;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Writer::new()
            .byte(7)
            .boolean(true)
            .int(-5)
            .long(i64::MIN)
            .buffer(Some(b"ab"))
            .buffer(None)
            .string("ü")
            .strings(&["x", ""])
            .raw(b"end")
            .into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.byte(), Ok(7));
        assert_eq!(reader.boolean(), Ok(true));
        assert_eq!(reader.int(), Ok(-5));
        assert_eq!(reader.long(), Ok(i64::MIN));
        assert_eq!(reader.buffer(), Ok(Some(b"ab".to_vec())));
        assert_eq!(reader.buffer(), Ok(None));
        assert_eq!(reader.string(), Ok(Some("ü".to_owned())));
        assert_eq!(reader.vector(Reader::string), Ok(Some(vec![Some("x".to_owned()), Some(String::new())])));
        assert_eq!(reader.rest(), b"end");
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_and_say_where() {
        let short = Writer::new().int(1).int(9).byte(0).into_bytes();
        let mut reader = Reader::new(&short);
        assert_eq!(reader.int(), Ok(1));
        assert_eq!(reader.buffer(), Err(Malformed { wanted: "buffer", offset: 8, length: 9 }));
        let negative = Writer::new().int(-2).into_bytes();
        let refused = Reader::new(&negative).buffer().unwrap_err();
        assert_eq!(refused.to_string(), "no length of a buffer at byte 0 of 4");
    }
}
