//! `tracestate`: what each tracing system on the way has to say, the last one first.

use core::fmt;
use core::iter::{self, Take};

use super::ows;

/// Members of a list, at most.
const MAX_MEMBERS: usize = 32;

/// Characters of a key, and of a value, at most.
const MAX_CHARACTERS: usize = 256;

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
}

impl<'a> TraceState<'a> {
    /// Nothing.
    pub const EMPTY: Self = Self {
        first: None,
        text: "",
    };

    /// Reads a `tracestate`. Several header lines are one text, with a comma between them.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong, a key that stands there twice, or the 33rd member; empty ones count. A retry does not
    /// help.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, TraceStateError> {
        let bytes = text.as_ref();
        let mut keys: [&[u8]; MAX_MEMBERS] = [&[]; MAX_MEMBERS];
        let mut start = 0;
        for (index, piece) in bytes.split(|byte| *byte == b',').enumerate() {
            let Some(key) = keys.get_mut(index) else {
                return Err(TraceStateError::new(start, TraceStateFault::TooManyMembers));
            };
            let lead = ows::lead(piece);
            let member = ows::trim(piece);
            if !member.is_empty() {
                *key = check_member(member).map_err(|error| error.after(start + lead))?;
                let (before, this) = keys.split_at(index);
                if before.contains(&this[0]) {
                    let fault = TraceStateFault::KeyTwice;
                    return Err(TraceStateError::new(start + lead, fault));
                }
            }
            start += piece.len() + 1;
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            TraceStateError::new(error.valid_up_to(), TraceStateFault::ValueCharacter)
        })?;
        Ok(Self { first: None, text })
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
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().next().is_none()
    }

    /// The members that are sent, a bit for each.
    fn sent(&self) -> u32 {
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
        let sent = self.sent();
        let mut comma = "";
        for (index, member) in self.members().enumerate() {
            if sent & 1 << index != 0 {
                write!(f, "{comma}{}={}", member.key, member.value)?;
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

/// The key of a member that is as it has to be.
fn check_member(member: &[u8]) -> Result<&[u8], TraceStateError> {
    let equals = member.iter().position(|byte| *byte == b'=');
    let (key, value) = match equals {
        Some(at) => (&member[..at], Some(&member[at + 1..])),
        None => (member, None),
    };
    check_key(key)?;
    let value = value.ok_or(TraceStateError::new(member.len(), TraceStateFault::NoValue))?;
    check_value(value).map_err(|error| error.after(key.len() + 1))?;
    Ok(key)
}

fn check_key(key: &[u8]) -> Result<(), TraceStateError> {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_other = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    let wrong = match key {
        [] => Some(0),
        [first, ..] if !is_first(*first) => Some(0),
        _ => key.iter().position(|byte| !is_other(*byte)),
    };
    let error = |at| Err(TraceStateError::new(at, TraceStateFault::KeyCharacter));
    wrong.map_or(Ok(()), error)?;
    if key.len() > MAX_CHARACTERS {
        let fault = TraceStateFault::KeyTooLong;
        return Err(TraceStateError::new(MAX_CHARACTERS, fault));
    }
    Ok(())
}

fn check_value(value: &[u8]) -> Result<(), TraceStateError> {
    let is_good = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b',' && byte != b'=';
    let fault = |at, fault| Err(TraceStateError::new(at, fault));
    if let Some(at) = value.iter().position(|byte| !is_good(*byte)) {
        return fault(at, TraceStateFault::ValueCharacter);
    }
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
