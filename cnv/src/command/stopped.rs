//! Why a call ends before its work is done.

/// Why a call has to stop before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// The deadline of the call has passed. A retry needs a later deadline.
    #[error("the deadline passed")]
    Deadline,
    /// Whoever made the call took it back, or the server that serves it ends.
    #[error("the call was cancelled")]
    Cancelled,
}
