//! A service for tests of what is around one.

use super::{Begun, Caller, Identity, Peer, Presented, Service};
use crate::session::close::Close;
use crate::session::message::Request;

/// Serves calls that never end, to everybody.
pub(super) struct Nothing;

impl Service for Nothing {
    type Authority = ();

    fn application(&self) -> &str {
        "nothing"
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn grammar(&self) -> String {
        String::new()
    }

    fn understands(&self, _: &str) -> bool {
        false
    }

    async fn authenticate(&self, _: Peer, _: Option<Presented>) -> Result<(), Close> {
        Ok(())
    }

    async fn not_theirs(&self, _: Peer, _: Option<&str>) {}

    fn identity(&self, peer: Peer, (): &()) -> Identity {
        match peer {
            Peer::User(user) => Identity::User(user),
            Peer::Parent | Peer::Anyone => Identity::Parent,
        }
    }

    fn call(&self, (): &(), _: Request, _: Caller) -> Begun {
        Begun {
            ending: Box::pin(std::future::pending()),
            ask: Box::new(|_| ()),
        }
    }
}
