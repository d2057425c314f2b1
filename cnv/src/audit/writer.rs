//! One group after another: records, the tree over them, and its checkpoints.

use std::io;

use super::damage::LogFile;
use super::files::Storage;
use super::mac::RecordMac;
use super::note::{SignedCheckpoint, VerifierKey};
use super::queue::Queue;
use super::reader::Replay;
use super::record;
use super::tree::Frontier;
use crate::attestation::PrivateKey;

/// Appends groups of entries, each with the checkpoint that covers it.
pub(super) struct Writer<S> {
    storage: S,
    key: PrivateKey,
    mac: RecordMac,
    log: VerifierKey,
    frontier: Frontier,
    checkpoints: u64,
    last: Option<SignedCheckpoint>,
    syncs: bool,
    buffer: Vec<u8>,
}

impl<S: Storage> Writer<S> {
    pub(super) fn new(storage: S, key: PrivateKey, log: VerifierKey, syncs: bool) -> Self {
        Self {
            storage,
            mac: RecordMac::new(&key, &log),
            key,
            log,
            frontier: Frontier::new(),
            checkpoints: 0,
            last: None,
            syncs,
            buffer: Vec::new(),
        }
    }

    /// Goes on where this walk over the files ended.
    pub(super) fn resume(&mut self, found: Replay) {
        self.frontier = found.frontier;
        self.checkpoints = found.checkpoints;
        self.last = Some(found.last);
    }

    /// How many entries there are.
    pub(super) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// What gives the records their codes.
    pub(super) const fn mac(&self) -> &RecordMac {
        &self.mac
    }

    /// Where the records are written.
    pub(super) const fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Whether the disk is known to have less room than this.
    pub(super) fn has_less_than(&self, bytes: u64) -> bool {
        bytes > 0 && self.storage.free_bytes().is_some_and(|free| free < bytes)
    }

    /// The last checkpoint that was signed.
    pub(super) const fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Writes entries, which the next checkpoint covers. After an error of this or of another function nothing may be
    /// written any more: what is on disk is not known then, and a second `fdatasync` would report success for pages that
    /// the first one gave up.
    pub(super) fn write(&mut self, entries: &mut Queue) -> io::Result<()> {
        self.buffer.clear();
        entries.take_each(|entry, leaf| {
            let number = self.frontier.size();
            let code = self.mac.code(number, &leaf);
            record::put(&mut self.buffer, number, entry, &code);
            self.frontier.push(leaf);
        });
        self.storage.write(LogFile::Entries, &self.buffer)
    }

    /// Waits for the disk, and signs the tree as it is. Its entries are on disk before, so that no signed tree is larger
    /// than the one that the next start finds.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.syncs {
            self.storage.sync(LogFile::Entries)?;
        }
        let root = self.frontier.root();
        let signed = SignedCheckpoint::sign(self.frontier.size(), root, &self.log, &self.key);
        self.buffer.clear();
        record::put(
            &mut self.buffer,
            self.checkpoints,
            signed.to_string().as_bytes(),
            &[],
        );
        self.storage.write(LogFile::Checkpoints, &self.buffer)?;
        self.checkpoints += 1;
        self.last = Some(signed);
        Ok(())
    }

    /// Waits until the checkpoints are on disk as well. They are not waited for after each group, because the entries
    /// make the same tree again.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.syncs {
            self.storage.sync(LogFile::Checkpoints)?;
        }
        Ok(())
    }
}
