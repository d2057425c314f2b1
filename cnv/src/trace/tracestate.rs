//! `tracestate`: what each tracing system on the way has to say, the last one first.

use core::fmt;
use core::iter::{self, Take};

use super::ows;

/// Members of a list, at most.
const MAX_MEMBERS: usize = 32;

/// Characters of a key, and of a value, at most.
const MAX_CHARACTERS: usize = 256;

/// Bytes of the text, at most: as many as the longest members and the commas between them have.
pub(super) const MAX_BYTES: usize = MAX_MEMBERS * (MAX_CHARACTERS + 1 + MAX_CHARACTERS + 1) - 1;

/// Characters that are sent, at most.
const MAX_SENT: usize = 512;

/// A longer member is dropped before others when there is more to send than that.
const LONG_MEMBER: usize = 128;

/// A list of members, checked, in the text that it came in.
///
/// `Display` prints what is to be sent: without white space and empty members, and at most 512 characters. Of more, whole
/// members are left out until it fits: first those of more than 128 characters, then any, in both cases the last first.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceState<'a> {
    first: Option<TraceStateMember<'a>>,
    text: &'a str,
    /// The text has something that is not to be sent.
    is_untidy: bool,
}

impl<'a> TraceState<'a> {
    /// Nothing.
    pub const EMPTY: Self = Self {
        first: None,
        text: "",
        is_untidy: false,
    };

    /// Reads a `tracestate`. Several header lines are one text, with a comma between them.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong, a key that stands there twice, the 33rd member, where empty ones count, or the byte
    /// 16447: more is all white space, or wrong. A retry does not help.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, TraceStateError> {
        let bytes = text.as_ref();
        if bytes.len() > MAX_BYTES {
            return Err(TraceStateError::new(MAX_BYTES, TraceStateFault::TooLong));
        }
        let mut keys: [&[u8]; MAX_MEMBERS] = [&[]; MAX_MEMBERS];
        let mut is_untidy = false;
        let mut start = 0;
        for index in 0.. {
            let Some(key) = keys.get_mut(index) else {
                return Err(TraceStateError::new(start, TraceStateFault::TooManyMembers));
            };
            let at = start + ows::lead(&bytes[start..]);
            let member = check_member(&bytes[at..]).map_err(|error| error.after(at))?;
            *key = member.key;
            is_untidy |= at > start || !member.is_tidy;
            let (before, this) = keys.split_at(index);
            if !this[0].is_empty() && before.contains(&this[0]) {
                return Err(TraceStateError::new(at, TraceStateFault::KeyTwice));
            }
            start = at + member.len + 1;
            if start > bytes.len() {
                break;
            }
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            TraceStateError::new(error.valid_up_to(), TraceStateFault::ValueCharacter)
        })?;
        Ok(Self {
            first: None,
            text,
            is_untidy: is_untidy && !bytes.is_empty(),
        })
    }

    /// This list with `member` before all others, in place of the one with its key. An application has one key: a second
    /// member takes the place of the first.
    #[must_use]
    pub const fn with_member(self, member: TraceStateMember<'a>) -> Self {
        Self {
            first: Some(member),
            ..self
        }
    }

    /// The members, the last system's first; at most 32.
    #[must_use]
    pub fn members(&self) -> TraceStateMembers<'a> {
        let others = Others {
            rest: Some(self.text),
            without: self.first.map(|first| first.key),
        };
        TraceStateMembers {
            members: self.first.into_iter().chain(others).take(MAX_MEMBERS),
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.members()
            .find(|member| member.key == key)
            .map(|member| member.value)
    }

    /// Whether there is no member.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && (self.text.is_empty() || self.members().next().is_none())
    }

    /// The members that are sent, a bit for each.
    fn sent(&self) -> u32 {
        let own = self.first.map_or(0, |first| first.len() + 1);
        if own + self.text.len() <= MAX_SENT {
            return u32::MAX;
        }
        let mut lens = [0; MAX_MEMBERS];
        let mut total = 0;
        for (len, member) in lens.iter_mut().zip(self.members()) {
            *len = member.len() + 1;
            total += *len;
        }
        // A comma stands between members, and none behind the last.
        let mut over = total.saturating_sub(MAX_SENT + 1);
        let mut sent = u32::MAX;
        for longer_than in [LONG_MEMBER, 0] {
            for (index, len) in lens.iter().enumerate().rev() {
                let bit = 1 << index;
                if over > 0 && sent & bit != 0 && len.saturating_sub(1) > longer_than {
                    sent &= !bit;
                    over = over.saturating_sub(*len);
                }
            }
        }
        sent
    }
}

impl fmt::Display for TraceState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_none() && !self.is_untidy && self.text.len() <= MAX_SENT {
            return f.write_str(self.text);
        }
        let sent = self.sent();
        let mut comma = "";
        for (index, member) in self.members().enumerate() {
            if sent & 1 << index != 0 {
                for part in [comma, member.key, "=", member.value] {
                    f.write_str(part)?;
                }
                comma = ",";
            }
        }
        Ok(())
    }
}

/// What one tracing system has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceStateMember<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> TraceStateMember<'a> {
    /// A member of this key and value.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong in `key=value`. A value has no space at its end.
    pub fn new(key: &'a str, value: &'a str) -> Result<Self, TraceStateError> {
        check_key(key.as_bytes())?;
        check_value(value.as_bytes()).map_err(|error| error.after(key.len() + 1))?;
        Ok(Self { key, value })
    }

    /// The system's key. One for many customers has theirs before an `@`.
    #[must_use]
    pub const fn key(&self) -> &'a str {
        self.key
    }

    /// What it says. Spaces at the beginning are a part of it.
    #[must_use]
    pub const fn value(&self) -> &'a str {
        self.value
    }

    /// Characters of `key=value`.
    const fn len(&self) -> usize {
        self.key.len() + 1 + self.value.len()
    }
}

/// The members of a list: see [`TraceState::members`].
#[derive(Clone, Debug)]
pub struct TraceStateMembers<'a> {
    members: Take<iter::Chain<core::option::IntoIter<TraceStateMember<'a>>, Others<'a>>>,
}

impl<'a> Iterator for TraceStateMembers<'a> {
    type Item = TraceStateMember<'a>;

    fn next(&mut self) -> Option<TraceStateMember<'a>> {
        self.members.next()
    }
}

/// Those that were received, but for the one with a key.
#[derive(Clone, Debug)]
struct Others<'a> {
    rest: Option<&'a str>,
    without: Option<&'a str>,
}

impl<'a> Iterator for Others<'a> {
    type Item = TraceStateMember<'a>;

    fn next(&mut self) -> Option<TraceStateMember<'a>> {
        loop {
            let (piece, rest) = ows::split(self.rest?, ',');
            self.rest = rest;
            if let Some((key, value)) = piece.split_once('=')
                && self.without != Some(key)
            {
                return Some(TraceStateMember { key, value });
            }
        }
    }
}

/// A member that is as it has to be.
struct Checked<'a> {
    /// Empty if the member is.
    key: &'a [u8],
    /// All of it, and the white space behind it.
    len: usize,
    /// There is a member, and no white space behind it.
    is_tidy: bool,
}

/// Checks what `text` begins with, up to a comma or its end. White space before it is skipped already.
fn check_member(text: &[u8]) -> Result<Checked<'_>, TraceStateError> {
    let is_end = |at: usize| text.get(at).is_none_or(|byte| *byte == b',');
    let after_white = |at: usize| at + ows::lead(&text[at..]);
    let count = |from: usize, class| {
        text[from..]
            .iter()
            .take_while(|byte| is(**byte, class))
            .count()
    };
    if is_end(0) {
        return Ok(Checked {
            key: &[],
            len: 0,
            is_tidy: false,
        });
    }
    let key = &text[..count(0, KEY)];
    check_key_ends(key)?;
    if text.get(key.len()) != Some(&b'=') {
        let fault = if is_end(after_white(key.len())) {
            TraceStateFault::NoValue
        } else {
            TraceStateFault::KeyCharacter
        };
        return Err(TraceStateError::new(key.len(), fault));
    }
    let start = key.len() + 1;
    let value_end = start + count(start, VALUE);
    let len = after_white(value_end);
    if !is_end(len) {
        let fault = TraceStateFault::ValueCharacter;
        return Err(TraceStateError::new(value_end, fault));
    }
    let value = ows::trim_end(&text[start..value_end]);
    check_value_ends(value).map_err(|error| error.after(start))?;
    Ok(Checked {
        key,
        len,
        is_tidy: len == start + value.len(),
    })
}

/// What may stand first in a key, anywhere in one, and in a value.
const FIRST: u8 = 1;
const KEY: u8 = 2;
const VALUE: u8 = 4;

/// What each byte may be.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' => FIRST | KEY | VALUE,
            b'_' | b'-' | b'*' | b'/' | b'@' => KEY | VALUE,
            b',' | b'=' => 0,
            b' '..=b'~' => VALUE,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

fn check_key(key: &[u8]) -> Result<(), TraceStateError> {
    check_key_ends(key)?;
    match key.iter().position(|byte| !is(*byte, KEY)) {
        Some(at) => Err(TraceStateError::new(at, TraceStateFault::KeyCharacter)),
        None => Ok(()),
    }
}

/// The first character and the length.
fn check_key_ends(key: &[u8]) -> Result<(), TraceStateError> {
    if !key.first().is_some_and(|byte| is(*byte, FIRST)) {
        return Err(TraceStateError::new(0, TraceStateFault::KeyCharacter));
    }
    if key.len() > MAX_CHARACTERS {
        let fault = TraceStateFault::KeyTooLong;
        return Err(TraceStateError::new(MAX_CHARACTERS, fault));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), TraceStateError> {
    check_value_ends(value)?;
    match value.iter().position(|byte| !is(*byte, VALUE)) {
        Some(at) => Err(TraceStateError::new(at, TraceStateFault::ValueCharacter)),
        None => Ok(()),
    }
}

/// The last character and the length.
fn check_value_ends(value: &[u8]) -> Result<(), TraceStateError> {
    let fault = |at, fault| Err(TraceStateError::new(at, fault));
    match value {
        [] => fault(0, TraceStateFault::NoValue),
        [.., b' '] => fault(value.len() - 1, TraceStateFault::ValueCharacter),
        _ if value.len() > MAX_CHARACTERS => fault(MAX_CHARACTERS, TraceStateFault::ValueTooLong),
        _ => Ok(()),
    }
}

/// A text is no `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the tracestate {fault}")]
pub struct TraceStateError {
    at: usize,
    fault: TraceStateFault,
}

/// What is wrong with a `tracestate`, after "byte 7 of the tracestate ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceStateFault {
    /// It may not stand in a key, or not first.
    #[error("may not stand there in a key")]
    KeyCharacter,
    /// The key is longer than 256 characters.
    #[error("is one too many for a key, which has at most 256")]
    KeyTooLong,
    /// The key is that of another member.
    #[error("begins a key that is there already")]
    KeyTwice,
    /// There is no value.
    #[error("should begin a value")]
    NoValue,
    /// It may not stand in a value, or not last.
    #[error("may not stand there in a value")]
    ValueCharacter,
    /// The value is longer than 256 characters.
    #[error("is one too many for a value, which has at most 256")]
    ValueTooLong,
    /// There are more than 32 members.
    #[error("begins a member more than the 32 that a list may have")]
    TooManyMembers,
    /// There are more than 16447 bytes, which 32 of the longest members have.
    #[error("is one more than the 16447 that are taken")]
    TooLong,
}

impl TraceStateError {
    const fn new(at: usize, fault: TraceStateFault) -> Self {
        Self { at, fault }
    }

    const fn after(self, start: usize) -> Self {
        Self::new(start + self.at, self.fault)
    }

    /// Which byte is wrong, counted from 0.
    #[must_use]
    pub const fn at(self) -> usize {
        self.at
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(self) -> TraceStateFault {
        self.fault
    }
}
