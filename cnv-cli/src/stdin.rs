//! Standard input that can be given up while it is waited for.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use cnv::prelude::Context;
use cnv::quota::Metered;

const BLOCK_BYTES: usize = 64 << 10;

/// How long an interrupt or a passed deadline may go unnoticed while nothing arrives.
const POLL: Duration = Duration::from_millis(50);

/// The process's standard input, read by a thread of its own: a read that waits for a terminal or a
/// pipe cannot be stopped, but waiting for the thread can. At most three blocks are held.
pub(crate) struct Stdin {
    cx: Context,
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    /// What has been taken of `block`.
    start: usize,
    is_over: bool,
}

impl Stdin {
    /// Starts to read. One block is one I/O operation of the call.
    pub(crate) fn open(cx: &Context) -> io::Result<Metered<Self>> {
        let (sender, blocks) = sync_channel(1);
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || forward(&sender))?;
        Ok(Metered::new(Self {
            cx: cx.clone(),
            blocks,
            block: Vec::new(),
            start: 0,
            is_over: false,
        }))
    }

    /// Waits for the next block, and for as long as the call may go on.
    fn next_block(&mut self) -> io::Result<()> {
        loop {
            match self.blocks.recv_timeout(POLL) {
                Ok(block) => {
                    self.block = block?;
                    self.start = 0;
                    self.is_over = self.block.is_empty();
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) => self.cx.checkpoint().map_err(io::Error::other)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the reader of standard input is gone"));
                }
            }
        }
    }
}

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start == self.block.len() && !self.is_over {
            self.next_block()?;
        }
        let read = (&self.block[self.start..]).read(buffer)?;
        self.start += read;
        Ok(read)
    }
}

/// Passes on what arrives, an empty block at the end, until nobody takes it any more.
fn forward(sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let read = match stdin.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let is_last = !matches!(read, Ok(len) if len > 0);
        let block = read.map(|len| {
            block.truncate(len);
            block
        });
        if sender.send(block).is_err() || is_last {
            return;
        }
    }
}
