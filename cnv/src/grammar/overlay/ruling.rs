//! Whether an overlay may take the place of the one before.

use super::{Overlay, OverlayError, OverlayFault};
use crate::grammar::delta::{Change, Delta};
use crate::grammar::model::{Grammar, VerbGrammar};

/// So many digits of a digest name a grammar.
const DIGEST_DIGITS: usize = 12;

impl Overlay {
    /// What changes for callers, where `new`, with this overlay, takes the place of `old`. A change that breaks them has to
    /// be declared: a verb that is gone by `enabled = false`, everything else by `breaks` with the digest of `old`, which is
    /// good for that one change.
    ///
    /// # Errors
    ///
    /// With each change that breaks callers and is not declared, at the verb that it is of.
    pub fn replacing(&self, old: &Grammar, new: &Grammar) -> Result<Delta, OverlayError> {
        let delta = Delta::between(old, new);
        let digest = old.digest().to_string();
        let is_declared = self.file.breaks.as_ref().is_some_and(|declared| {
            let declared = declared.get_ref();
            declared.len() >= DIGEST_DIGITS && digest.starts_with(declared.as_str())
        });
        if is_declared {
            return Ok(delta);
        }
        let broken = delta
            .undeclared()
            .filter(|change| !self.switches_off(change));
        let mut faults: Vec<OverlayFault> =
            broken.map(|change| self.breaks(change, &digest)).collect();
        if faults.is_empty() {
            return Ok(delta);
        }
        faults.sort_by_key(|fault| fault.place.start);
        Err(OverlayError { faults })
    }

    fn switches_off(&self, change: &Change) -> bool {
        let mut verbs = self.file.verbs.iter();
        let verb = verbs.find(|(name, _)| *name.get_ref() == change.verb);
        verb.is_some_and(|(_, overlay)| overlay.enabled == Some(false))
    }

    fn breaks(&self, change: &Change, digest: &str) -> OverlayFault {
        let mut verbs = self.file.verbs.keys();
        let verb = verbs.find(|name| *name.get_ref() == change.verb);
        let place = verb.map_or_else(|| self.file.schema.span(), toml::Spanned::span);
        let Change {
            verb, part, what, ..
        } = change;
        let declared = &digest[..DIGEST_DIGITS];
        OverlayFault::at(place, format!("`{verb}`: {part} {what}, which breaks its callers")).with_help(
            format!("keep what they rely on, or declare that they break: `breaks = \"{declared}\"` under `schema`"),
        )
    }
}

/// The arguments of a verb that are called otherwise than before: old and new names.
pub(crate) fn migrations(grammar: &Grammar) -> impl Iterator<Item = (&VerbGrammar, &str)> {
    let verbs = grammar.verbs.iter();
    verbs.flat_map(|verb| verb.renamed.keys().map(move |old| (verb, old.as_str())))
}
