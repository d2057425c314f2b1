//! Input and output that is counted, and held to the budget.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::ledger::{self, HeldResource};
use crate::quota::exceeded::BudgetExceeded;

pin_project_lite::pin_project! {
    /// A reader or writer whose use is charged to the [measured](super::measure) work around it.
    ///
    /// [`new`](Self::new) counts operations: each call of `read`, `write` or `seek` is one.
    /// [`network`](Self::network) counts bytes instead. Where the innermost budget, or one around it, has
    /// nothing left, the call is not made and fails with a [`BudgetExceeded`] inside an
    /// [`io::Error`] of kind [`QuotaExceeded`](io::ErrorKind::QuotaExceeded). Each call is a
    /// [`checkpoint`](super::checkpoint), too. Outside any budget nothing is refused.
    ///
    /// The wrapper belongs next to the operating system, and a buffer around it:
    /// `BufReader::new(Metered::new(pipe))`. The other way round would count what never leaves the buffer.
    ///
    /// # Costs
    /// Under 10 ns for a call, next to the microsecond or so that the system call itself takes.
    ///
    /// ```
    /// use std::io::Read;
    /// use cnv::quota::{BudgetExceeded, Limits, Metered, measure};
    ///
    /// let mut input = Metered::new(&b"four bytes, then more"[..]);
    /// let limits = Limits { io_ops: 1, ..Limits::unlimited() };
    /// let (result, usage) = measure("peek", limits, || {
    ///     let mut start = [0; 4];
    ///     input.read_exact(&mut start)?;
    ///     input.read_exact(&mut start)
    /// });
    /// assert_eq!(
    ///     BudgetExceeded::in_chain(&result.unwrap_err()).unwrap().to_string(),
    ///     "over budget in `peek`: io: 1 asked for, none left of 1",
    /// );
    /// assert_eq!(usage.io_ops, 1);
    /// ```
    #[derive(Debug)]
    pub struct Metered<T> {
        #[pin]
        pub(super) inner: T,
        pub(super) unit: HeldResource,
    }
}

impl<T> Metered<T> {
    /// Counts I/O operations.
    #[must_use]
    pub const fn new(inner: T) -> Self {
        Self {
            inner,
            unit: HeldResource::Io,
        }
    }

    /// Counts network bytes, and no I/O operations.
    ///
    /// A read is shortened to what is left. A write that is larger than what is left is refused
    /// whole.
    #[must_use]
    pub const fn network(inner: T) -> Self {
        Self {
            inner,
            unit: HeldResource::Network,
        }
    }

    /// What is wrapped. What is done with it there is not counted.
    pub const fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is wrapped. What is done with it there is not counted.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Takes the wrapper off.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Makes one call that moves up to `len` bytes, if that is allowed whole.
    #[inline]
    pub(crate) fn whole(
        &mut self,
        len: usize,
        call: impl FnOnce(&mut T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        // An operation is one whether it fails or not, so that it can be charged at once.
        if let HeldResource::Io = self.unit {
            ledger::take(HeldResource::Io, 1)?;
            return call(&mut self.inner);
        }
        self.unit.ask_for(len)?;
        let moved = call(&mut self.inner);
        self.unit.charge(&moved);
        moved
    }
}

impl HeldResource {
    /// How much one call of up to `wanted` bytes may move.
    #[inline]
    pub(super) fn ask_for_part(self, wanted: usize) -> Result<usize, BudgetExceeded> {
        match self {
            Self::Io => ledger::require(self, 1).map(|()| wanted),
            Self::Network => {
                let allowed = ledger::allowance(self, wanted as u64)?;
                Ok(usize::try_from(allowed).unwrap_or(usize::MAX))
            }
        }
    }

    /// Whether one call may move `len` bytes.
    #[inline]
    pub(super) fn ask_for(self, len: usize) -> Result<(), BudgetExceeded> {
        let amount = match self {
            Self::Io => 1,
            Self::Network => len as u64,
        };
        ledger::require(self, amount)
    }

    /// Counts a call that was made. One that failed is an operation, too.
    #[inline]
    pub(super) fn charge(self, moved: &io::Result<usize>) {
        let amount = match (self, moved) {
            (Self::Io, _) => 1,
            (Self::Network, Ok(len)) => *len as u64,
            (Self::Network, Err(_)) => 0,
        };
        ledger::count(self, amount);
    }

    /// Charges a call that moves nothing, before it is made.
    pub(super) fn charge_empty(self) -> Result<(), BudgetExceeded> {
        match self {
            Self::Io => ledger::take(self, 1),
            Self::Network => Ok(()),
        }
    }
}

impl<T: Read> Read for Metered<T> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let HeldResource::Io = self.unit {
            ledger::take(HeldResource::Io, 1)?;
            return self.inner.read(buffer);
        }
        let len = self.unit.ask_for_part(buffer.len())?;
        let moved = self.inner.read(&mut buffer[..len]);
        self.unit.charge(&moved);
        moved
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self.unit {
            HeldResource::Io => self.whole(0, |inner| inner.read_vectored(buffers)),
            HeldResource::Network => match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
                Some(buffer) => self.read(buffer),
                None => self.read(&mut []),
            },
        }
    }
}

/// The bytes of all buffers, of which several may be the same.
pub(super) fn total(buffers: &[IoSlice<'_>]) -> usize {
    let lens = buffers.iter().map(|buffer| buffer.len());
    lens.fold(0, usize::saturating_add)
}

impl<T: Write> Write for Metered<T> {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.whole(buffer.len(), |inner| inner.write(buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = total(buffers);
        self.whole(len, |inner| inner.write_vectored(buffers))
    }

    /// Not counted: the operations that matter are the writes.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Seek> Seek for Metered<T> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.unit.charge_empty()?;
        self.inner.seek(position)
    }
}

/// A file whose operations are counted: opening it is one, and each read, write and seek.
///
/// ```
/// use std::io::{BufReader, Read};
/// use cnv::quota::{File, Limits, measure};
///
/// let (text, usage) = measure("load", Limits::unlimited(), || {
///     let mut text = String::new();
///     BufReader::new(File::open("Cargo.toml")?).read_to_string(&mut text)?;
///     std::io::Result::Ok(text)
/// });
/// assert!(text?.contains("[package]"));
/// assert!(usage.io_ops >= 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub type File = Metered<fs::File>;

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// What [`std::fs::File::open`] fails with, or [`BudgetExceeded`] where no operation is left.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(OpenOptions::new().read(true), path)
    }

    /// Opens a file for writing, emptied if there is one and made if there is none.
    ///
    /// # Errors
    /// What [`std::fs::File::create`] fails with, or [`BudgetExceeded`] where no operation is left;
    /// the file is as it was then.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(
            OpenOptions::new().write(true).create(true).truncate(true),
            path,
        )
    }

    /// Opens a file as `options` say.
    ///
    /// # Errors
    /// What [`OpenOptions::open`] fails with, or [`BudgetExceeded`] where no operation is left.
    pub fn open_with(options: &OpenOptions, path: impl AsRef<Path>) -> io::Result<Self> {
        charge_io(1)?;
        options.open(path).map(Self::new)
    }
}

/// Charges I/O operations that are made without a wrapper, such as listing a directory, before they
/// are made. It is a [`checkpoint`](super::checkpoint), too.
///
/// # Errors
/// Where the innermost budget on this thread, or one around it, has fewer left; nothing is taken.
pub fn charge_io(operations: u64) -> Result<(), BudgetExceeded> {
    ledger::take(HeldResource::Io, operations)
}

/// Charges network bytes that are moved without a wrapper, before they are moved. It is a
/// [`checkpoint`](super::checkpoint), too.
///
/// # Errors
/// Where the innermost budget on this thread, or one around it, has fewer left; nothing is taken.
pub fn charge_network(bytes: u64) -> Result<(), BudgetExceeded> {
    ledger::take(HeldResource::Network, bytes)
}
