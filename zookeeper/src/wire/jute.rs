//! Jute's primitive values, read from a frame and appended to one; what they mean together is left to others.

use super::text::{self, Surrogates};
use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What was to be read is not there, or cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unreadable;

/// The part of a frame that was not read yet. Java's `BinaryInputArchive` is the model: what is left over at the end is
/// nobody's business, and a null is a length of −1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    surrogates: Surrogates,
    missed: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8], surrogates: Surrogates) -> Self {
        Reader { rest: frame, surrogates, missed: false }
    }

    /// Whether there was a null where none may be. It was read as nothing, for what stands behind it can be read.
    pub(super) fn missed(&self) -> bool {
        self.missed
    }

    /// The same bytes, for a second look that has missed nothing yet.
    pub(super) fn afresh(&self) -> Self {
        Reader { missed: false, ..*self }
    }

    /// Goes on where `other` has stopped. What that one has missed it has told somebody else.
    pub(super) fn go_on_behind(&mut self, other: Self) {
        assert!(other.rest.len() <= self.rest.len(), "a reader does not go back");
        self.rest = other.rest;
    }

    fn or_nothing<T: Default>(&mut self, value: Option<T>) -> T {
        self.missed |= value.is_none();
        value.unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Unreadable> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn int(&mut self) -> Result<i32, Unreadable> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<i64, Unreadable> {
        self.array().map(i64::from_be_bytes)
    }

    /// Any byte but 0 is true.
    pub(super) fn boolean(&mut self) -> Result<bool, Unreadable> {
        self.array().map(|[byte]| byte != 0)
    }

    pub(super) fn buffer(&mut self) -> Result<Option<&'a [u8]>, Unreadable> {
        match self.int()? {
            -1 => Ok(None),
            length => self.take(usize::try_from(length).map_err(|_| Unreadable)?).map(Some),
        }
    }

    /// A string that may be null.
    pub(super) fn string_or_null(&mut self) -> Result<Option<Cow<'a, str>>, Unreadable> {
        let surrogates = self.surrogates;
        Ok(self.buffer()?.map(|bytes| text::read(bytes, surrogates)))
    }

    pub(super) fn string(&mut self) -> Result<Arc<str>, Unreadable> {
        let string = self.string_or_null()?;
        Ok(Arc::from(self.or_nothing(string)))
    }

    /// A string for which null is as good as empty.
    pub(super) fn string_or_empty(&mut self) -> Result<Arc<str>, Unreadable> {
        Ok(Arc::from(self.string_or_null()?.unwrap_or_default()))
    }

    /// A list that may be null. A negative length other than that of null is an empty list, as in Java. Room is made for
    /// no more elements than the frame can hold, each of which has at least `element_bytes`.
    pub(super) fn vector<T>(
        &mut self,
        element_bytes: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<Vec<T>>, Unreadable> {
        let length = match self.int()? {
            -1 => return Ok(None),
            length => usize::try_from(length).unwrap_or(0),
        };
        if length > self.rest.len() / element_bytes {
            return Err(Unreadable);
        }
        let mut elements = Vec::with_capacity(length);
        for _ in 0..length {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    pub(super) fn strings(&mut self) -> Result<Vec<Arc<str>>, Unreadable> {
        let strings = self.vector(4, Reader::string)?;
        Ok(self.or_nothing(strings))
    }
}

/// Who writes, and therefore how characters of two surrogates are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hand {
    /// A server, which writes as Java's does.
    Server,
    /// A client, which writes UTF-8, because it is all that a server reads back.
    Client,
}

/// The end of a frame that is being written. It has room for so many bytes; once something did not fit, nothing more is
/// written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    hand: Hand,
    start: usize,
    /// How many bytes may still be written. `None` when something did not fit.
    room: Option<usize>,
}

impl<'a> Writer<'a> {
    /// Appends to `bytes`, `room` bytes at most.
    pub(super) fn new(bytes: &'a mut Vec<u8>, hand: Hand, room: usize) -> Self {
        let start = bytes.len();
        Writer { bytes, hand, start, room: Some(room) }
    }

    /// How many bytes were written; `None` when there was no room for all.
    pub(super) fn written(&self) -> Option<usize> {
        self.room.map(|_| self.bytes.len() - self.start)
    }

    /// Whether something did not fit: whatever is written behind it is written in vain.
    pub(super) fn is_full(&self) -> bool {
        self.room.is_none()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.room = self.room.and_then(|room| room.checked_sub(bytes.len()));
        if !self.is_full() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn int(&mut self, value: i32) {
        self.write(&value.to_be_bytes());
    }

    pub(super) fn long(&mut self, value: i64) {
        self.write(&value.to_be_bytes());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.write(&[u8::from(value)]);
    }

    pub(super) fn buffer(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.int(-1),
            Some(value) => {
                self.length(value.len());
                self.write(value);
            }
        }
    }

    pub(super) fn string(&mut self, value: &str) {
        let is_java_utf8 = value.bytes().all(|byte| byte < 0xf0);
        if self.hand == Hand::Client || is_java_utf8 {
            return self.buffer(Some(value.as_bytes()));
        }
        let mut written = Vec::with_capacity(value.len() * 2);
        text::write_as_java(value, &mut written);
        self.buffer(Some(&written));
    }

    pub(super) fn string_or_null(&mut self, value: Option<&str>) {
        match value {
            None => self.null(),
            Some(value) => self.string(value),
        }
    }

    pub(super) fn null(&mut self) {
        self.int(-1);
    }

    pub(super) fn vector<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.length(elements.len());
        for each in elements {
            if self.is_full() {
                return;
            }
            element(self, each);
        }
    }

    pub(super) fn strings<'s>(&mut self, strings: impl Iterator<Item = &'s Arc<str>> + Clone) {
        self.length(strings.clone().count());
        for string in strings {
            if self.is_full() {
                return;
            }
            self.string(string);
        }
    }

    /// What is too long for its length does not fit either.
    fn length(&mut self, length: usize) {
        match i32::try_from(length) {
            Ok(length) => self.int(length),
            Err(_) => self.room = None,
        }
    }
}
