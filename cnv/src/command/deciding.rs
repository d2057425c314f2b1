//! The verifier of an application: one for all of its calls, so that none of them starts from nothing. What was verified
//! is remembered, a list that is put in force reaches calls under way, and time and lists do not go back between calls.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::app::{App, RevocationPolicy};
use super::evidence::{REVOCATIONS, STATE, Unfit, kept};
use crate::attestation::revocation::{RevocationFile, RevocationSource, RevocationUpdate};
use crate::attestation::{Floors, RevocationSet, TrustStore, Verifier};

/// What an application decides by, once there was a call to decide about.
#[derive(Debug, Default)]
pub(super) struct Deciding {
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    floors: Option<Arc<Floors>>,
    /// With the file that its roots are from; `None` where they are the program's.
    verifier: Option<(Option<PathBuf>, Verifier)>,
}

impl Deciding {
    pub(super) const fn new() -> Self {
        Self {
            present: Mutex::new(Present {
                floors: None,
                verifier: None,
            }),
        }
    }

    /// The verifier, with the roots and the lists that the operator's files have now.
    pub(super) fn verifier(&self, app: &App, roots: Roots<'_>) -> Result<Verifier, Unfit> {
        let store = match roots {
            Roots::Programs(_) => None,
            Roots::Operators(path) => Some(TrustStore::load(path).map_err(kept)?),
        };
        // Nothing in it is half changed when a call ends early: what is made is put there in one step.
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let verifier = match (&present.verifier, store) {
            (Some((path, verifier)), store) if path.as_deref() == roots.path() => {
                if let Some(store) = store
                    && *verifier.trust_store() != store
                {
                    verifier.set_trust_store(store);
                }
                verifier.clone()
            }
            (_, store) => {
                let store = store.or_else(|| roots.programs().cloned());
                let verifier = present.begin(app, store.unwrap_or_default())?;
                present.verifier = Some((roots.path().map(Path::to_owned), verifier.clone()));
                verifier
            }
        };
        drop(present);
        if let (RevocationPolicy::Missing | RevocationPolicy::Unused, Some(paths)) =
            (&app.revocation, env::var_os(REVOCATIONS))
        {
            for path in env::split_paths(&paths) {
                let list = load_list(&path, &verifier)?;
                verifier.set_revocations(list).map_err(kept)?;
            }
        }
        Ok(verifier)
    }
}

impl Present {
    /// A verifier for these roots, at whose time the one before it has arrived.
    fn begin(&mut self, app: &App, store: TrustStore) -> Result<Verifier, Unfit> {
        let folder = match &app.state {
            Some(folder) => Some(folder.clone()),
            None => env::var_os(STATE).map(PathBuf::from),
        };
        if let (None, Some(folder)) = (&self.floors, folder) {
            self.floors = Some(Arc::new(Floors::open(folder).map_err(kept)?));
        }
        let mut builder = Verifier::builder(store, app.time()).audience(app.name);
        if let Some((_, before)) = &self.verifier {
            builder = builder.not_before(before.latest_moment());
        }
        if let Some(floors) = &self.floors {
            builder = builder.floors(Arc::clone(floors)).map_err(kept)?;
        }
        if app.accepts_bearer {
            builder = builder.accept_bearer();
        }
        if matches!(app.revocation, RevocationPolicy::Unused) && env::var_os(REVOCATIONS).is_none()
        {
            builder = builder.without_revocation();
        }
        let verifier = builder.build();
        if let RevocationPolicy::Live(live) = &app.revocation {
            verifier.follow(live).map_err(kept)?;
        }
        Ok(verifier)
    }
}

/// Where the roots of a call are.
#[derive(Clone, Copy)]
pub(super) enum Roots<'a> {
    Programs(&'a TrustStore),
    Operators(&'a Path),
}

impl<'a> Roots<'a> {
    const fn path(self) -> Option<&'a Path> {
        match self {
            Self::Programs(_) => None,
            Self::Operators(path) => Some(path),
        }
    }

    const fn programs(self) -> Option<&'a TrustStore> {
        match self {
            Self::Programs(store) => Some(store),
            Self::Operators(_) => None,
        }
    }
}

/// Reads the list in a file, which a root has to have signed.
fn load_list(path: &Path, verifier: &Verifier) -> Result<RevocationSet, Unfit> {
    let bytes = RevocationFile::new(path).load().map_err(kept)?;
    let about =
        |text: &str| Unfit::operators(format!("the revocation list `{}` {text}", path.display()));
    let list = match RevocationUpdate::read(&bytes.unwrap_or_default()) {
        Ok(RevocationUpdate::List(list)) => list,
        Ok(RevocationUpdate::Delta(_)) => return Err(about("is a delta; name the whole list")),
        Err(error) => return Err(about(&format!("is none: {error}"))),
    };
    let issuer = list.issuer();
    let roots = verifier.trust_store();
    let Some(root) = roots.find(&issuer) else {
        return Err(about(&format!(
            "was signed by the key {issuer}, which is not in the trust store"
        )));
    };
    RevocationSet::new(list, root.key(), verifier.latest_moment())
        .map_err(|error| about(&format!("cannot be used: {error}")))
}
