//! An entry: what was decided about one call, and what came of it.

use core::error::Error;
use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::attestation::{AttestationId, DenialReason, Denied, Timestamp};
use crate::quota::{Limits, Usage};

/// A SHA-256 digest of something that an entry refers to. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; Self::LEN_BYTES]);

impl Digest {
    /// The length of a digest in bytes.
    pub const LEN_BYTES: usize = 32;

    /// The digest that these bytes are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The digest of a list of parts, each with its length before it, so that no two lists have the same bytes.
    ///
    /// `tag` says what is digested, so that a list of arguments never has the digest of a result.
    #[must_use]
    pub fn of<'a>(tag: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = PartsDigest::new(tag);
        parts.into_iter().for_each(|part| digest.put(part));
        digest.finish()
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }
}

/// A [`Digest::of`] whose parts come one after another.
#[derive(Clone)]
pub(crate) struct PartsDigest(Sha256);

impl PartsDigest {
    pub(crate) fn new(tag: &str) -> Self {
        let mut digest = Self(Sha256::new());
        digest.put(tag.as_bytes());
        digest
    }

    pub(crate) fn put(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl From<AttestationId> for Digest {
    fn from(id: AttestationId) -> Self {
        Self(*id.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::attestation::hex::write(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Why a call was denied, or how it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    code: String,
    detail: String,
}

impl Reason {
    /// The longest code, in bytes.
    pub const MAX_CODE_BYTES: usize = 32;

    /// The longest detail, in bytes of UTF-8.
    pub const MAX_DETAIL_BYTES: usize = 1024;

    /// A stable code for programs, and a sentence for people. What is too long is cut off at its end: a record with
    /// most of its reason is better than none.
    #[must_use]
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: cut(code.into(), Self::MAX_CODE_BYTES),
            detail: cut(detail.into(), Self::MAX_DETAIL_BYTES),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence. It may repeat what a caller sent, so escape control characters where you show it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<&Denied> for Reason {
    /// The name of the check that failed, and all that is known about it, such as the link that it concerns.
    fn from(denied: &Denied) -> Self {
        let code = match denied.reason() {
            DenialReason::Missing => "missing",
            DenialReason::Malformed(_) => "malformed",
            DenialReason::NotSigned(_) => "not_signed",
            DenialReason::UnknownIssuer { .. } => "unknown_issuer",
            DenialReason::Escalation(_) => "escalation",
            DenialReason::BearerNotAccepted => "bearer_not_accepted",
            DenialReason::Expired { .. } => "expired",
            DenialReason::NotYetValid { .. } => "not_yet_valid",
            DenialReason::WrongAudience { .. } => "wrong_audience",
            DenialReason::AudienceRequired { .. } => "audience_required",
            DenialReason::Insufficient { .. } => "insufficient",
            DenialReason::Revoked(_) => "revoked",
            DenialReason::NoRevocationList { .. } => "no_revocation_list",
            DenialReason::StaleRevocationList { .. } => "stale_revocation_list",
            DenialReason::FutureRevocationList { .. } => "future_revocation_list",
            DenialReason::BadSignature { .. } => "bad_signature",
            DenialReason::HolderKey(_) => "holder_key",
            DenialReason::Possession(_) => "possession",
        };
        let detail = denied.source().map(ToString::to_string);
        Self::new(code, detail.unwrap_or_default())
    }
}

fn cut(mut text: String, max_bytes: usize) -> String {
    let end = (0..=max_bytes.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

/// Whether the call was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was.
    Allowed,
    /// It was not. The caller is told nothing of the reason.
    Denied(Reason),
}

/// How the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned a result.
    Succeeded,
    /// It returned an error, or was stopped.
    Failed(Reason),
}

/// What a call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Heap memory at its peak, in bytes; `None` where it was not metered.
    pub memory_bytes: Option<u64>,
    /// Processor time, in nanoseconds.
    pub cpu_ns: u64,
    /// Input and output operations.
    pub io_ops: u64,
    /// Bytes over the network, both ways together.
    pub network_bytes: u64,
}

impl From<&Usage> for Used {
    fn from(usage: &Usage) -> Self {
        Self {
            memory_bytes: usage.memory_peak_bytes,
            cpu_ns: usage.cpu_ns,
            io_ops: usage.io_ops,
            network_bytes: usage.network_bytes,
        }
    }
}

/// One record of the log.
///
/// A call has one entry when it is let in or denied, before anything runs, and another with the same call id when it has
/// ended. The second repeats the first, so that it alone is the call's receipt. Arguments and results are kept as
/// digests: whoever has the original can show that it is the one, and the log gives nothing else away. A digest of
/// something that can be guessed can be guessed as well.
///
/// [`encode`](Self::encode) is canonical: equal entries have equal bytes, and [`decode`](Self::decode) refuses every other
/// spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it was decided, by the clock of whoever decided. Entries of one log need not ascend in it.
    pub time: Timestamp,
    /// The number of the call.
    pub call_id: [u8; 16],
    /// The transaction that the call belongs to.
    pub transaction_id: Option<[u8; 16]>,
    /// What was called, as noun and verb: 1 to 256 bytes.
    pub verb: String,
    /// The digest of the grammar under which the arguments were understood.
    pub grammar: Option<Digest>,
    /// The digest of the arguments.
    pub arguments: Option<Digest>,
    /// The ids of the links of the attestation that was used, the root's first; at most 8.
    pub links: Vec<Digest>,
    /// Who acted, as the attestation has it: 1 to 256 bytes. Never what an attestation says that did not hold.
    pub subject: Option<String>,
    /// Whether the call was let in.
    pub decision: Decision,
    /// The declared budget; `None` where the function has none.
    pub budget: Option<Limits>,
    /// What the call used.
    pub used: Option<Used>,
    /// How the call ended; `None` in the entry that precedes it.
    pub outcome: Option<Outcome>,
    /// The digest of the result.
    pub result: Option<Digest>,
    /// The SHA-256 of the token's text that was presented, where the call or a function within it was denied.
    pub token: Option<Digest>,
    /// What becomes of the application's grammar, in an entry that is of no call: `grammar` is the one that comes into
    /// force, and `arguments` the overlay's digest.
    pub change: Option<GrammarChange>,
    /// The number of the earlier call whose reply this one was given, in the entry of its end: no handler ran for it.
    pub repeats: Option<[u8; 16]>,
}

/// That another grammar comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrammarChange {
    /// The digest of the grammar that was in force.
    pub before: Digest,
    /// What it means for callers.
    pub class: ChangeClass,
}

impl GrammarChange {
    /// The grammar that was in force, and what the change means.
    #[must_use]
    pub const fn new(before: Digest, class: ChangeClass) -> Self {
        Self { before, class }
    }
}

/// What another grammar means for callers that were written for the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeClass {
    /// Every call that was right is right, and means the same.
    Safe,
    /// Every call that was right is understood, and may do or cost something else.
    Caution,
    /// Some call that was right is refused.
    Breaking,
}

impl ChangeClass {
    const ALL: [Self; 3] = [Self::Safe, Self::Caution, Self::Breaking];

    /// The class in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Caution => "caution",
            Self::Breaking => "breaking",
        }
    }
}

/// What an encoded entry starts with: the version of the encoding.
const VERSION: u8 = 1;

/// The bits of the optional fields, in the order in which these stand.
mod present {
    pub(super) const TRANSACTION: u16 = 1;
    pub(super) const GRAMMAR: u16 = 1 << 1;
    pub(super) const ARGUMENTS: u16 = 1 << 2;
    pub(super) const SUBJECT: u16 = 1 << 3;
    pub(super) const DENIED: u16 = 1 << 4;
    pub(super) const BUDGET: u16 = 1 << 5;
    pub(super) const USED: u16 = 1 << 6;
    pub(super) const USED_MEMORY: u16 = 1 << 7;
    pub(super) const SUCCEEDED: u16 = 1 << 8;
    pub(super) const FAILED: u16 = 1 << 9;
    pub(super) const RESULT: u16 = 1 << 10;
    pub(super) const TOKEN: u16 = 1 << 11;
    pub(super) const CHANGE: u16 = 1 << 12;
    pub(super) const REPEATS: u16 = 1 << 13;
    pub(super) const ALL: u16 = (1 << 14) - 1;
}

impl AuditEntry {
    /// The longest encoding of an entry, in bytes.
    pub const MAX_LEN_BYTES: usize = 4096;

    /// The longest verb and the longest subject, in bytes of UTF-8.
    pub const MAX_NAME_BYTES: usize = 256;

    /// The most links that an entry names.
    pub const MAX_LINKS: usize = 8;

    /// An entry with what every entry has.
    #[must_use]
    pub fn new(
        time: Timestamp,
        call_id: [u8; 16],
        verb: impl Into<String>,
        decision: Decision,
    ) -> Self {
        Self {
            time,
            call_id,
            transaction_id: None,
            verb: verb.into(),
            grammar: None,
            arguments: None,
            links: Vec::new(),
            subject: None,
            decision,
            budget: None,
            used: None,
            outcome: None,
            result: None,
            token: None,
            change: None,
            repeats: None,
        }
    }

    /// The entry's bytes: big-endian numbers, texts with their length before them.
    ///
    /// # Errors
    ///
    /// [`EntryError::Length`] or [`EntryError::Links`] for a field that is too long or empty; no retry helps.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let mut out = Vec::with_capacity(320);
        self.encode_into(&mut out)?;
        Ok(out)
    }

    /// Puts its [bytes](Self::encode) behind what is in `out`, or nothing.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), EntryError> {
        check_len("verb", self.verb.len(), 1, Self::MAX_NAME_BYTES)?;
        if let Some(subject) = &self.subject {
            check_len("subject", subject.len(), 1, Self::MAX_NAME_BYTES)?;
        }
        if self.links.len() > Self::MAX_LINKS {
            return Err(EntryError::Links {
                count: self.links.len(),
            });
        }
        out.push(VERSION);
        out.extend(self.present().to_be_bytes());
        out.extend(self.time.as_unix_seconds().to_be_bytes());
        out.extend(self.call_id);
        put_text(out, &self.verb);
        out.push(self.links.len() as u8);
        for link in &self.links {
            out.extend(link.0);
        }
        if let Some(id) = self.transaction_id {
            out.extend(id);
        }
        for digest in [self.grammar, self.arguments].into_iter().flatten() {
            out.extend(digest.0);
        }
        if let Some(subject) = &self.subject {
            put_text(out, subject);
        }
        if let Decision::Denied(reason) = &self.decision {
            put_reason(out, reason);
        }
        if let Some(budget) = &self.budget {
            put_numbers(
                out,
                [
                    budget.memory_bytes,
                    budget.cpu_ns,
                    budget.io_ops,
                    budget.network_bytes,
                ],
            );
        }
        if let Some(used) = &self.used {
            put_numbers(out, used.memory_bytes);
            put_numbers(out, [used.cpu_ns, used.io_ops, used.network_bytes]);
        }
        if let Some(Outcome::Failed(reason)) = &self.outcome {
            put_reason(out, reason);
        }
        for digest in [self.result, self.token].into_iter().flatten() {
            out.extend(digest.0);
        }
        if let Some(GrammarChange { before, class }) = self.change {
            out.extend(before.0);
            out.push(class as u8);
        }
        if let Some(id) = self.repeats {
            out.extend(id);
        }
        Ok(())
    }

    fn present(&self) -> u16 {
        let bit = |is_present: bool, bit: u16| if is_present { bit } else { 0 };
        bit(self.transaction_id.is_some(), present::TRANSACTION)
            | bit(self.grammar.is_some(), present::GRAMMAR)
            | bit(self.arguments.is_some(), present::ARGUMENTS)
            | bit(self.subject.is_some(), present::SUBJECT)
            | bit(self.decision != Decision::Allowed, present::DENIED)
            | bit(self.budget.is_some(), present::BUDGET)
            | bit(self.used.is_some(), present::USED)
            | bit(
                self.used.is_some_and(|used| used.memory_bytes.is_some()),
                present::USED_MEMORY,
            )
            | match self.outcome {
                None => 0,
                Some(Outcome::Succeeded) => present::SUCCEEDED,
                Some(Outcome::Failed(_)) => present::FAILED,
            }
            | bit(self.result.is_some(), present::RESULT)
            | bit(self.token.is_some(), present::TOKEN)
            | bit(self.change.is_some(), present::CHANGE)
            | bit(self.repeats.is_some(), present::REPEATS)
    }

    /// Reads an entry from exactly these bytes.
    ///
    /// # Errors
    ///
    /// [`EntryError`], with the byte at which the fault stands where that says more than the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut input = Input { bytes, at: 0 };
        let [version] = input.array()?;
        if version != VERSION {
            return Err(EntryError::Version { version });
        }
        let bits = u16::from_be_bytes(input.array()?);
        let has = |bit: u16| bits & bit != 0;
        let is_sound = bits & !present::ALL == 0
            && !(has(present::SUCCEEDED) && has(present::FAILED))
            && (has(present::USED) || !has(present::USED_MEMORY));
        if !is_sound {
            return Err(EntryError::Fields { bits });
        }
        let time = Timestamp::from_unix_seconds(input.number()?);
        let call_id = input.array()?;
        let verb = input.text("verb", 1, Self::MAX_NAME_BYTES)?;
        let [count] = input.array()?;
        if usize::from(count) > Self::MAX_LINKS {
            return Err(EntryError::Links {
                count: count.into(),
            });
        }
        let links = (0..count)
            .map(|_| input.array().map(Digest))
            .collect::<Result<_, _>>()?;
        let entry = Self {
            time,
            call_id,
            verb,
            links,
            transaction_id: has(present::TRANSACTION)
                .then(|| input.array())
                .transpose()?,
            grammar: input.digest(has(present::GRAMMAR))?,
            arguments: input.digest(has(present::ARGUMENTS))?,
            subject: has(present::SUBJECT)
                .then(|| input.text("subject", 1, Self::MAX_NAME_BYTES))
                .transpose()?,
            decision: if has(present::DENIED) {
                Decision::Denied(input.reason()?)
            } else {
                Decision::Allowed
            },
            budget: has(present::BUDGET).then(|| input.limits()).transpose()?,
            used: has(present::USED)
                .then(|| input.used(has(present::USED_MEMORY)))
                .transpose()?,
            outcome: match (has(present::SUCCEEDED), has(present::FAILED)) {
                (false, false) => None,
                (true, _) => Some(Outcome::Succeeded),
                (false, true) => Some(Outcome::Failed(input.reason()?)),
            },
            result: input.digest(has(present::RESULT))?,
            token: input.digest(has(present::TOKEN))?,
            change: has(present::CHANGE).then(|| input.change()).transpose()?,
            repeats: has(present::REPEATS).then(|| input.array()).transpose()?,
        };
        if input.at < bytes.len() {
            return Err(EntryError::Trailing { at: input.at });
        }
        Ok(entry)
    }
}

fn check_len(
    field: &'static str,
    len_bytes: usize,
    min_bytes: usize,
    max_bytes: usize,
) -> Result<(), EntryError> {
    if (min_bytes..=max_bytes).contains(&len_bytes) {
        return Ok(());
    }
    Err(EntryError::Length {
        field,
        len_bytes,
        max_bytes,
    })
}

/// A text of at most 65535 bytes; every field's limit is below that.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn put_reason(out: &mut Vec<u8>, reason: &Reason) {
    put_text(out, &reason.code);
    put_text(out, &reason.detail);
}

fn put_numbers(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u64>) {
    out.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn take(&mut self, len: usize) -> Result<&[u8], EntryError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(EntryError::Truncated {
            len_bytes: self.bytes.len(),
        })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn number(&mut self) -> Result<u64, EntryError> {
        self.array().map(u64::from_be_bytes)
    }

    fn digest(&mut self, is_present: bool) -> Result<Option<Digest>, EntryError> {
        is_present.then(|| self.array().map(Digest)).transpose()
    }

    fn text(&mut self, field: &'static str, min: usize, max: usize) -> Result<String, EntryError> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        check_len(field, len, min, max)?;
        let at = self.at;
        let text =
            str::from_utf8(self.take(len)?).map_err(|_| EntryError::NotUtf8 { field, at })?;
        Ok(text.to_owned())
    }

    fn reason(&mut self) -> Result<Reason, EntryError> {
        Ok(Reason {
            code: self.text("code", 0, Reason::MAX_CODE_BYTES)?,
            detail: self.text("detail", 0, Reason::MAX_DETAIL_BYTES)?,
        })
    }

    fn change(&mut self) -> Result<GrammarChange, EntryError> {
        let before = Digest(self.array()?);
        let [class] = self.array()?;
        match ChangeClass::ALL.get(usize::from(class)) {
            Some(class) => Ok(GrammarChange::new(before, *class)),
            None => Err(EntryError::Class { class }),
        }
    }

    fn limits(&mut self) -> Result<Limits, EntryError> {
        Ok(Limits {
            memory_bytes: self.number()?,
            cpu_ns: self.number()?,
            io_ops: self.number()?,
            network_bytes: self.number()?,
        })
    }

    fn used(&mut self, has_memory: bool) -> Result<Used, EntryError> {
        Ok(Used {
            memory_bytes: has_memory.then(|| self.number()).transpose()?,
            cpu_ns: self.number()?,
            io_ops: self.number()?,
            network_bytes: self.number()?,
        })
    }
}

/// Why an entry cannot be encoded, or bytes are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A text is empty where it may not be, or too long.
    #[error("the {field} has {len_bytes} bytes; it has to have at least 1 and at most {max_bytes}")]
    Length {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        len_bytes: usize,
        /// The most that it may have.
        max_bytes: usize,
    },
    /// It names too many links.
    #[error("{count} links, where at most {} are allowed", AuditEntry::MAX_LINKS)]
    Links {
        /// How many.
        count: usize,
    },
    /// The encoding is of another version.
    #[error("the encoding has version {version}, and only {VERSION} is known here")]
    Version {
        /// The version.
        version: u8,
    },
    /// The bits that say which fields there are contradict each other, or are unknown.
    #[error("the bits {bits:#06x} stand for no set of fields")]
    Fields {
        /// The bits.
        bits: u16,
    },
    /// The number of the class of a change stands for none.
    #[error("the number {class} stands for no class of a change")]
    Class {
        /// The number.
        class: u8,
    },
    /// The bytes end within the entry.
    #[error("the entry goes on where its {len_bytes} bytes end")]
    Truncated {
        /// How many bytes there are.
        len_bytes: usize,
    },
    /// A text is not UTF-8.
    #[error("the {field} at byte {at} of the entry is not UTF-8")]
    NotUtf8 {
        /// The field.
        field: &'static str,
        /// Where it starts, from the entry's first byte.
        at: usize,
    },
    /// Something follows the entry.
    #[error("the entry ends at byte {at}, and something follows")]
    Trailing {
        /// Where the entry ends.
        at: usize,
    },
}
