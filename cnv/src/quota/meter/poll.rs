//! The wrappers under tokio's traits.
//!
//! A call that is not ready did nothing, so it is not counted; the one that is ready is counted on the
//! thread and in the work that polls it then.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use super::io::{Metered, total};

/// As for [`Read`](io::Read). A poll that is not ready is not counted.
impl<T: AsyncRead> AsyncRead for Metered<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let wanted = buffer.remaining();
        let allowed = this.unit.ask_for_part(wanted)?;
        let before = buffer.filled().len();
        let read = if allowed == wanted {
            ready!(this.inner.poll_read(context, buffer))
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
            let read = ready!(this.inner.poll_read(context, &mut part));
            let len = part.filled().len();
            buffer.advance(len);
            read
        };
        let moved = read.map(|()| buffer.filled().len() - before);
        this.unit.charge(&moved);
        Poll::Ready(moved.map(|_| ()))
    }
}

/// As for [`Write`](io::Write). A poll that is not ready is not counted, and neither are flush and shutdown.
impl<T: AsyncWrite> AsyncWrite for Metered<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.unit.ask_for(buffer.len())?;
        let moved = ready!(this.inner.poll_write(context, buffer));
        this.unit.charge(&moved);
        Poll::Ready(moved)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.unit.ask_for(total(buffers))?;
        let moved = ready!(this.inner.poll_write_vectored(context, buffers));
        this.unit.charge(&moved);
        Poll::Ready(moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(context)
    }
}

/// As for [`Seek`](io::Seek): to start one is the operation.
impl<T: AsyncSeek> AsyncSeek for Metered<T> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let this = self.project();
        this.unit.charge_empty()?;
        this.inner.start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.project().inner.poll_complete(context)
    }
}
