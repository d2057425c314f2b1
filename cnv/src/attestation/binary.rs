//! Reads the fixed binary forms: from the front of a slice, never beyond its end, and nothing before it is there.

use super::Timestamp;

/// The bytes end too early.
#[derive(Debug)]
pub(super) struct Truncated {
    /// How many bytes the field that was being read still needs.
    pub(super) missing_bytes: u64,
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], Truncated> {
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let Some((taken, rest)) = taken else {
            return Err(Truncated {
                missing_bytes: len - self.rest.len() as u64,
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    /// `count` fields of `N` bytes. Nothing is allocated, so a count may say what it likes.
    pub(super) fn arrays<const N: usize>(
        &mut self,
        count: u32,
    ) -> Result<&'a [[u8; N]], Truncated> {
        let (arrays, _) = self.take(u64::from(count) * N as u64)?.as_chunks();
        Ok(arrays)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn moment(&mut self) -> Result<Timestamp, Truncated> {
        self.u64().map(Timestamp::from_unix_seconds)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }
}
