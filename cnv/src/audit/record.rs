//! How entries and checkpoints stand in their files: records that tell a write that was cut short from a byte that
//! changed.
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the body, big-endian |
//! | 4 | CRC32C of the body |
//! | 4 | CRC32C of the record's number (8 bytes) and the eight bytes before |
//! | .. | the body: a checkpoint, or an entry and the 16 bytes of its [authentication code](super::mac) |
//! | 1 | a line feed |
//!
//! The checksum of the header makes its length trustworthy, so that a record which ends beyond the file was cut short and
//! cannot be one whose length changed. A crash may leave space that was never written, which reads as zeros: zeros at the
//! end of a file are no part of it, and no record ends in one. After a loss of power such space may also lie before bytes
//! that were written later: a *hole*. The number keeps a record to its place.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::AuditEntry;
use super::damage::{Damage, Fault, LogFile, ReadError};
use super::mac::RecordMac;
use super::note::SignedCheckpoint;
use crate::frame::crc32c;

const HEADER_LEN: usize = 12;

/// What a record ends with: not zero, and two bits away from it.
const END: u8 = b'\n';

/// The longest body.
const fn max_body_len(file: LogFile) -> usize {
    match file {
        LogFile::Entries => AuditEntry::MAX_LEN_BYTES + RecordMac::LEN_BYTES,
        LogFile::Checkpoints => SignedCheckpoint::MAX_LEN_BYTES,
    }
}

/// How many bytes of a body are the record's code.
const fn code_len(file: LogFile) -> usize {
    match file {
        LogFile::Entries => RecordMac::LEN_BYTES,
        LogFile::Checkpoints => 0,
    }
}

fn header_crc(number: u64, header: &[u8]) -> u32 {
    let mut covered = [0; 16];
    covered[..8].copy_from_slice(&number.to_be_bytes());
    covered[8..].copy_from_slice(&header[..8]);
    crc32c(&covered)
}

/// Appends record `number` to `out`: a checkpoint, or an entry with its code behind it.
pub(super) fn put(out: &mut Vec<u8>, number: u64, body: &[u8], code: &[u8]) {
    let start = out.len();
    out.extend([0; HEADER_LEN]);
    out.extend(body);
    out.extend(code);
    let (len, crc) = (body.len() + code.len(), crc32c(&out[start + HEADER_LEN..]));
    let header = &mut out[start..start + HEADER_LEN];
    header[..4].copy_from_slice(&(len as u32).to_be_bytes());
    header[4..8].copy_from_slice(&crc.to_be_bytes());
    let crc = header_crc(number, header);
    header[8..].copy_from_slice(&crc.to_be_bytes());
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
    /// The body that was read last, and where its record starts.
    body: Vec<u8>,
    body_offset: u64,
    is_at_hole: bool,
}

/// What comes next in a file.
pub(super) enum Next<'a> {
    /// A whole record, and where it stands.
    Record {
        number: u64,
        offset: u64,
        body: &'a [u8],
        /// An entry's code; empty for a checkpoint.
        code: &'a [u8],
    },
    /// Nothing, the first part of a record, or a hole: what lies behind [`Records::offset`].
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
            body_offset: start,
            is_at_hole: false,
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

    /// Whether it is a hole that ended the records.
    pub(super) const fn is_at_hole(&self) -> bool {
        self.is_at_hole
    }

    pub(super) fn next(&mut self) -> Result<Next<'_>, ReadError> {
        Ok(match self.advance()? {
            true => self.current(),
            false => Next::End,
        })
    }

    /// As [`next`](Self::next), where a hole ends the records as the end of the file does.
    pub(super) fn next_up_to_hole(&mut self) -> Result<Next<'_>, ReadError> {
        match self.advance() {
            Ok(true) => Ok(self.current()),
            Ok(false) => Ok(Next::End),
            Err(ReadError::Damaged(damage)) if self.is_hole(&damage.fault)? => {
                self.is_at_hole = true;
                self.written = self.offset;
                Ok(Next::End)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the next record, if there is one.
    fn advance(&mut self) -> Result<bool, ReadError> {
        let rest = self.written.saturating_sub(self.offset);
        if rest < HEADER_LEN as u64 {
            return Ok(false);
        }
        let mut header = [0; HEADER_LEN];
        self.read(|reader| reader.read_exact(&mut header))?;
        let word = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (len, crc) = (word(0) as usize, word(4));
        self.body.clear();
        if word(8) != header_crc(self.number, &header) || len > max_body_len(self.file) {
            return Err(self.damage(Fault::Header));
        }
        let total = (HEADER_LEN + len + 1) as u64;
        if rest < total {
            return Ok(false);
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(len + 1, 0);
        let read = self.read(|reader| reader.read_exact(&mut body));
        self.body = body;
        read?;
        if self.body.last() != Some(&END) || crc32c(&self.body[..len]) != crc {
            return Err(self.damage(Fault::Body));
        }
        self.body.pop();
        if len < code_len(self.file) {
            return Err(self.damage(Fault::Code));
        }
        self.body_offset = self.offset;
        self.number += 1;
        self.offset += total;
        Ok(true)
    }

    /// The record that was read last.
    fn current(&self) -> Next<'_> {
        let (body, code) = self.body.split_at(self.body.len() - code_len(self.file));
        Next::Record {
            number: self.number - 1,
            offset: self.body_offset,
            body,
            code,
        }
    }

    /// Whether the record at which reading failed lies in a hole: whether it has zeros up to the end of a sector, more
    /// than a record has by itself, or from its start. Where its header is damaged, its length is not known, and the
    /// header alone is looked at.
    fn is_hole(&mut self, fault: &Fault) -> Result<bool, ReadError> {
        /// What a disk writes at once, or a part of it.
        const SECTOR: u64 = 512;
        /// A record has three digests in a row at most, and no digest is zeros; numbers have 15 zeros together.
        const MIN_ZEROS: usize = 32;
        /// The first three bytes of a header are zeros anyway.
        const MIN_ZEROS_AT_START: usize = 4;

        if !matches!(fault, Fault::Header | Fault::Body) {
            return Ok(false);
        }
        let start = self.offset;
        let end = start + (HEADER_LEN + self.body.len()) as u64;
        // Sectors that lie before the last byte that was written, which is where a crash would have ended the file.
        let end = end.next_multiple_of(SECTOR);
        let end = end.min(self.written / SECTOR * SECTOR);
        let mut bytes = vec![0; end.saturating_sub(start) as usize];
        self.read(|reader| {
            reader.seek(SeekFrom::Start(start))?;
            reader.read_exact(&mut bytes)
        })?;
        let first = (start.next_multiple_of(SECTOR) - start) as usize;
        let (first, rest) = bytes.split_at(first.min(bytes.len()));
        let zeros = |sector: &[u8]| sector.iter().rev().take_while(|&&byte| byte == 0).count();
        let is_start = first.len() >= MIN_ZEROS_AT_START && zeros(first) == first.len();
        let mut sectors = rest.chunks(SECTOR as usize);
        Ok(is_start
            || zeros(first) >= MIN_ZEROS
            || sectors.any(|sector| zeros(sector) >= MIN_ZEROS))
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
