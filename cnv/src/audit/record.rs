//! How entries and checkpoints stand in their files: records that tell a write that was cut short from a byte that
//! changed.
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the body, big-endian |
//! | 4 | CRC32C of the body |
//! | 4 | CRC32C of the record's number (8 bytes) and the eight bytes before |
//! | .. | the body |
//! | 1 | a line feed |
//!
//! The checksum of the header makes its length trustworthy, so that a record which ends beyond the file was cut short and
//! cannot be one whose length changed. A crash may leave space that was never written, which reads as zeros: zeros at the
//! end of a file are no part of it, and no record ends in one. The number keeps a record to its place.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::AuditEntry;
use super::damage::{Damage, Fault, LogFile, ReadError};
use super::note::SignedCheckpoint;
use crate::frame::crc32c;

const HEADER_LEN: usize = 12;

/// What a record ends with: not zero, and two bits away from it.
const END: u8 = b'\n';

/// The longest body: a checkpoint's, or an entry's.
const MAX_BODY_LEN: u32 = if SignedCheckpoint::MAX_LEN_BYTES > AuditEntry::MAX_LEN_BYTES {
    SignedCheckpoint::MAX_LEN_BYTES as u32
} else {
    AuditEntry::MAX_LEN_BYTES as u32
};

fn header_crc(number: u64, header: &[u8]) -> u32 {
    let mut covered = [0; 16];
    covered[..8].copy_from_slice(&number.to_be_bytes());
    covered[8..].copy_from_slice(&header[..8]);
    crc32c(&covered)
}

/// Appends record `number` to `out`. The body has at most [`MAX_BODY_LEN`] bytes.
pub(super) fn put(out: &mut Vec<u8>, number: u64, body: &[u8]) {
    let start = out.len();
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(crc32c(body).to_be_bytes());
    let crc = header_crc(number, &out[start..]);
    out.extend(crc.to_be_bytes());
    out.extend(body);
    out.push(END);
}

/// The records of one file, in order, in memory for one.
pub(super) struct Records {
    file: LogFile,
    reader: BufReader<File>,
    /// Where the bytes that were ever written end.
    written: u64,
    len: u64,
    offset: u64,
    number: u64,
    body: Vec<u8>,
}

/// What comes next in a file.
pub(super) enum Next<'a> {
    /// A whole record, and where it stands.
    Record {
        number: u64,
        offset: u64,
        body: &'a [u8],
    },
    /// Nothing, or the first part of a record: what lies behind [`Records::offset`].
    End,
}

impl Records {
    /// The records behind the first `start` bytes.
    pub(super) fn new(file: LogFile, mut input: File, start: u64) -> io::Result<Self> {
        let len = input.seek(SeekFrom::End(0))?;
        let written = written_len(&mut input, start, len)?;
        input.seek(SeekFrom::Start(start))?;
        Ok(Self {
            file,
            reader: BufReader::with_capacity(64 * 1024, input),
            written,
            len,
            offset: start,
            number: 0,
            body: Vec::new(),
        })
    }

    /// Where the records that were read end.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many records were read.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes lie behind the records that were read.
    pub(super) const fn rest_len(&self) -> u64 {
        self.len.saturating_sub(self.offset)
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, ReadError> {
        let rest = self.written.saturating_sub(self.offset);
        if rest < HEADER_LEN as u64 {
            return Ok(Next::End);
        }
        let mut header = [0; HEADER_LEN];
        self.read(|reader| reader.read_exact(&mut header))?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (len, crc) = (word(0), word(4));
        if word(8) != header_crc(self.number, &header) || len > MAX_BODY_LEN {
            return Err(self.damage(Fault::Header));
        }
        let total = HEADER_LEN as u64 + u64::from(len) + 1;
        if rest < total {
            return Ok(Next::End);
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(len as usize + 1, 0);
        self.read(|reader| reader.read_exact(&mut body))?;
        self.body = body;
        if self.body.pop() != Some(END) || crc32c(&self.body) != crc {
            return Err(self.damage(Fault::Body));
        }
        let (number, offset) = (self.number, self.offset);
        self.number += 1;
        self.offset += total;
        Ok(Next::Record {
            number,
            offset,
            body: &self.body,
        })
    }

    fn read(
        &mut self,
        read: impl FnOnce(&mut BufReader<File>) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let file = self.file;
        read(&mut self.reader).map_err(|source| ReadError::Io { file, source })
    }

    /// Damage at the record that comes next.
    pub(super) fn damage(&self, fault: Fault) -> ReadError {
        Damage {
            file: self.file,
            number: self.number,
            offset: self.offset,
            fault,
        }
        .into()
    }
}

/// Where the last byte stands that is not zero, plus one: looked for from the end, so that it costs one read unless there
/// are many.
fn written_len(input: &mut File, start: u64, len: u64) -> io::Result<u64> {
    let mut block = [0; 4096];
    let mut end = len;
    while end > start {
        let size = (end - start).min(block.len() as u64);
        input.seek(SeekFrom::Start(end - size))?;
        let block = &mut block[..size as usize];
        input.read_exact(block)?;
        if let Some(last) = block.iter().rposition(|&byte| byte != 0) {
            return Ok(end - size + last as u64 + 1);
        }
        end -= size;
    }
    Ok(start)
}
