//! `baggage`: what the application's own parts tell each other on the way.

use core::fmt;
use std::borrow::Cow;

use super::ows;

/// Members, at most.
const MAX_MEMBERS: usize = 64;

/// Bytes of the text, at most.
pub(super) const MAX_BYTES: usize = 8192;

/// Members of keys and values, checked, in the text that they came in.
///
/// `Display` prints what is to be sent: without white space, and without the members that may not pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baggage<'a> {
    text: &'a str,
    /// The keys that pass; every key where there is no list.
    only: Option<&'a [&'a str]>,
}

impl<'a> Baggage<'a> {
    /// Nothing.
    pub const EMPTY: Self = Self {
        text: "",
        only: None,
    };

    /// Reads a `baggage`. Several header lines are one text, with a comma between them.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong, the 65th member or the byte 8192; more than the text can say is refused as a whole. A
    /// retry does not help.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, BaggageError> {
        let bytes = text.as_ref();
        if bytes.len() > MAX_BYTES {
            return Err(BaggageError::new(MAX_BYTES, BaggageFault::TooLong));
        }
        let mut start = 0;
        for (index, member) in bytes.split(|byte| *byte == b',').enumerate() {
            if index == MAX_MEMBERS {
                return Err(BaggageError::new(start, BaggageFault::TooManyMembers));
            }
            let mut part_start = start;
            for (part, pair) in member.split(|byte| *byte == b';').enumerate() {
                check_pair(pair, part == 0).map_err(|error| error.after(part_start))?;
                part_start += pair.len() + 1;
            }
            start += member.len() + 1;
        }
        let text = str::from_utf8(bytes).map_err(|error| {
            BaggageError::new(error.valid_up_to(), BaggageFault::ValueCharacter)
        })?;
        Ok(Self { text, only: None })
    }

    /// These members as a boundary lets them in: only those with one of `keys`, in place of an earlier list.
    #[must_use]
    pub(super) const fn only(self, keys: &'a [&'a str]) -> Self {
        Self {
            only: Some(keys),
            ..self
        }
    }

    /// The members that may pass, in their order; one key may be there several times.
    #[must_use]
    pub const fn members(&self) -> BaggageMembers<'a> {
        BaggageMembers {
            rest: Some(self.text),
            only: self.only,
        }
    }

    /// The value of the last member with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        self.members()
            .filter(|member| member.key == key)
            .last()
            .map(|member| member.value())
    }

    /// Whether there is no member.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() || self.members().next().is_none()
    }
}

impl fmt::Display for Baggage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for member in self.members() {
            write!(f, "{comma}{member}")?;
            comma = ",";
        }
        Ok(())
    }
}

/// The members of a baggage: see [`Baggage::members`].
#[derive(Clone, Debug)]
pub struct BaggageMembers<'a> {
    rest: Option<&'a str>,
    only: Option<&'a [&'a str]>,
}

impl<'a> Iterator for BaggageMembers<'a> {
    type Item = BaggageMember<'a>;

    fn next(&mut self) -> Option<BaggageMember<'a>> {
        loop {
            let (member, rest) = ows::split(self.rest?, ',');
            self.rest = rest;
            let (pair, properties) = ows::split(member, ';');
            if let Some((key, value)) = pair_of(pair)
                && self.only.is_none_or(|only| only.contains(&key))
            {
                return Some(BaggageMember {
                    key,
                    value,
                    properties,
                });
            }
        }
    }
}

/// One key and its value.
///
/// `Display` prints it as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaggageMember<'a> {
    key: &'a str,
    value: &'a str,
    properties: Option<&'a str>,
}

impl<'a> BaggageMember<'a> {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'a str {
        self.key
    }

    /// The value, decoded. Escaped bytes that are no UTF-8 come out as U+FFFD, and a `%` that begins no escape as itself.
    #[must_use]
    pub fn value(&self) -> Cow<'a, str> {
        decode(self.value)
    }

    /// The value as it was sent, with its escapes.
    #[must_use]
    pub const fn raw_value(&self) -> &'a str {
        self.value
    }

    /// What is said of the value, in its order.
    #[must_use]
    pub const fn properties(&self) -> BaggageProperties<'a> {
        BaggageProperties {
            rest: self.properties,
        }
    }
}

impl fmt::Display for BaggageMember<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)?;
        for property in self.properties() {
            write!(f, ";{}", property.key)?;
            if let Some(value) = property.value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// The properties of a member: see [`BaggageMember::properties`].
#[derive(Clone, Debug)]
pub struct BaggageProperties<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for BaggageProperties<'a> {
    type Item = BaggageProperty<'a>;

    fn next(&mut self) -> Option<BaggageProperty<'a>> {
        let (property, rest) = ows::split(self.rest?, ';');
        self.rest = rest;
        Some(match pair_of(property) {
            Some((key, value)) => BaggageProperty {
                key,
                value: Some(value),
            },
            None => BaggageProperty {
                key: property,
                value: None,
            },
        })
    }
}

/// Something that is said of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaggageProperty<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

impl<'a> BaggageProperty<'a> {
    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'a str {
        self.key
    }

    /// The value, decoded as a member's is, if the property has one.
    #[must_use]
    pub fn value(&self) -> Option<Cow<'a, str>> {
        self.value.map(decode)
    }
}

/// Baggage that is put together here, as text that owns itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaggageBuf {
    text: String,
}

impl BaggageBuf {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: String::new(),
        }
    }

    /// Adds a member at the end. Of the value, whatever has to be is escaped.
    ///
    /// # Errors
    ///
    /// What is wrong with the key, or that there would be more than 64 members or 8192 bytes: nothing is added then.
    pub fn push(&mut self, key: &str, value: &str) -> Result<(), BaggageError> {
        let start = self.text.len();
        if start > 0 {
            self.text.push(',');
        }
        self.text.push_str(key);
        self.text.push('=');
        encode(value, &mut self.text);
        let key_start = start + usize::from(start > 0);
        let checked = check_key(key.as_bytes())
            .map_err(|error| error.after(key_start))
            .and_then(|()| Baggage::parse(&self.text).map(drop));
        if checked.is_err() {
            self.text.truncate(start);
        }
        checked
    }

    /// What there is.
    #[must_use]
    pub fn as_baggage(&self) -> Baggage<'_> {
        Baggage {
            text: &self.text,
            only: None,
        }
    }
}

/// Key and value, without the white space around them.
fn pair_of(pair: &str) -> Option<(&str, &str)> {
    let (key, value) = pair.split_once('=')?;
    Some((ows::trim_str(key), ows::trim_str(value)))
}

/// Checks `key=value`, or a key alone where that is enough.
fn check_pair(pair: &[u8], needs_value: bool) -> Result<(), BaggageError> {
    let lead = ows::lead(pair);
    let trimmed = ows::trim(pair);
    let Some(equals) = trimmed.iter().position(|byte| *byte == b'=') else {
        check_key(trimmed).map_err(|error| error.after(lead))?;
        let end = lead + trimmed.len();
        return if needs_value {
            Err(BaggageError::new(end, BaggageFault::NoValue))
        } else {
            Ok(())
        };
    };
    let (key, value) = (&trimmed[..equals], &trimmed[equals + 1..]);
    check_key(ows::trim(key)).map_err(|error| error.after(lead))?;
    let value_start = lead + equals + 1 + ows::lead(value);
    match ows::trim(value).iter().position(|byte| !is_octet(*byte)) {
        Some(at) => Err(BaggageError::new(
            value_start + at,
            BaggageFault::ValueCharacter,
        )),
        None => Ok(()),
    }
}

fn check_key(key: &[u8]) -> Result<(), BaggageError> {
    let wrong = match key {
        [] => Some(0),
        _ => key.iter().position(|byte| !is_token(*byte)),
    };
    let error = |at| Err(BaggageError::new(at, BaggageFault::KeyCharacter));
    wrong.map_or(Ok(()), error)
}

/// RFC 9110, section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What may stand in a value: all that can be seen, but for a quotation mark, a comma, a semicolon and a backslash.
const fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// A text without its escapes. Those that are no UTF-8 come out as U+FFFD, and a `%` that begins no escape as itself.
pub(super) fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (*first, after)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn encode(value: &str, text: &mut String) {
    for byte in value.bytes() {
        if is_octet(byte) && byte != b'%' {
            text.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value & 15)]);
            text.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
}

/// A text is no `baggage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the baggage {fault}")]
pub struct BaggageError {
    at: usize,
    fault: BaggageFault,
}

/// What is wrong with a `baggage`, after "byte 7 of the baggage ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaggageFault {
    /// It may not stand in a key, or there is none.
    #[error("may not stand there in a key")]
    KeyCharacter,
    /// A member is a key alone.
    #[error("should be the = before a value")]
    NoValue,
    /// It may not stand in a value.
    #[error("may not stand there in a value")]
    ValueCharacter,
    /// There are more than 64 members.
    #[error("begins a member more than the 64 that are taken")]
    TooManyMembers,
    /// There are more than 8192 bytes.
    #[error("is one more than the 8192 that are taken")]
    TooLong,
}

impl BaggageError {
    const fn new(at: usize, fault: BaggageFault) -> Self {
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
    pub const fn fault(self) -> BaggageFault {
        self.fault
    }
}
