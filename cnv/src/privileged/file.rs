//! Files and directories, behind a permit: to look needs [`ReadOnly`], to change needs [`ReadWrite`].
//!
//! Each call is charged as one I/O operation, and so is each read, write and seek of an open [`File`]. Every function
//! fails with what its namesake in [`std::fs`] fails with, or with [`BudgetExceeded`](crate::quota::BudgetExceeded) where
//! no operation is left; nothing is done then.

use std::fs::{self, Metadata, OpenOptions, ReadDir};
use std::io;
use std::path::Path;

use crate::attestation::{Covers, Permit, ReadOnly, ReadWrite};
use crate::quota::{File, charge_io};

/// Opens a file for reading.
///
/// # Errors
///
/// As the [module](self) says.
pub fn open(_: &Permit<'_, impl Covers<ReadOnly>>, path: impl AsRef<Path>) -> io::Result<File> {
    File::open(path)
}

/// Opens a file for writing, emptied if there is one and made if there is none.
///
/// # Errors
///
/// As the [module](self) says.
pub fn create(_: &Permit<'_, impl Covers<ReadWrite>>, path: impl AsRef<Path>) -> io::Result<File> {
    File::create(path)
}

/// Opens a file as `options` say, which may be for writing.
///
/// # Errors
///
/// As the [module](self) says.
pub fn open_with(
    _: &Permit<'_, impl Covers<ReadWrite>>,
    options: &OpenOptions,
    path: impl AsRef<Path>,
) -> io::Result<File> {
    File::open_with(options, path)
}

/// What is known about a file, of its target where it is a link.
///
/// # Errors
///
/// As the [module](self) says.
pub fn metadata(
    _: &Permit<'_, impl Covers<ReadOnly>>,
    path: impl AsRef<Path>,
) -> io::Result<Metadata> {
    charge_io(1)?;
    fs::metadata(path)
}

/// The entries of a directory, in no order. The list is one operation, however long it is.
///
/// # Errors
///
/// As the [module](self) says.
pub fn read_dir(
    _: &Permit<'_, impl Covers<ReadOnly>>,
    path: impl AsRef<Path>,
) -> io::Result<ReadDir> {
    charge_io(1)?;
    fs::read_dir(path)
}

/// Makes a directory, with those above it that are missing.
///
/// # Errors
///
/// As the [module](self) says.
pub fn create_dir_all(
    _: &Permit<'_, impl Covers<ReadWrite>>,
    path: impl AsRef<Path>,
) -> io::Result<()> {
    charge_io(1)?;
    fs::create_dir_all(path)
}

/// Moves a file or directory within its file system, over a file that is there.
///
/// # Errors
///
/// As the [module](self) says.
pub fn rename(
    _: &Permit<'_, impl Covers<ReadWrite>>,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> io::Result<()> {
    charge_io(1)?;
    fs::rename(from, to)
}

/// Takes a file or a link away.
///
/// # Errors
///
/// As the [module](self) says.
pub fn remove_file(
    _: &Permit<'_, impl Covers<ReadWrite>>,
    path: impl AsRef<Path>,
) -> io::Result<()> {
    charge_io(1)?;
    fs::remove_file(path)
}
