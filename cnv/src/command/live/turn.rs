//! One look at the overlay's file: read, check, compare, record, publish.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::file::{self, FileFault};
use super::last_good::{LastGood, Migration};
use super::recording::digest_of;
use super::{LiveState, PATIENCE, Shared, Why};
use crate::attestation::Timestamp;
use crate::audit::Digest;
use crate::command::evidence::with_causes;
use crate::grammar::{Delta, Grammar, Overlay, migrations};
use crate::recovery::Mode;

/// Since when each name that an argument had, after its verb, is on its way out.
type Since = BTreeMap<(String, String), Timestamp>;

/// What is known of the file between two looks.
pub(super) struct Turn {
    /// The overlay that is in force; `None` as long as the program's own grammar is.
    text: Option<String>,
    /// The program's grammar with it, before names have ended.
    laid: Grammar,
    since: Since,
    /// The modes of circuit breakers that the overlay in force says.
    modes: Vec<(String, Mode)>,
    /// The text that was judged last, whichever way.
    judged: Option<Digest>,
    /// The text that was refused last, which is in the audit log.
    refused: Option<String>,
}

/// An overlay that fits the program.
struct Candidate {
    text: String,
    overlay: Overlay,
    laid: Grammar,
}

/// What the next version is to be.
struct Next {
    live: Grammar,
    /// Verb, old name, new name.
    ended: Vec<(String, String, String)>,
    since: Since,
    /// When the next name ends.
    until: Option<Timestamp>,
}

impl Turn {
    pub(super) const fn new(compiled: Grammar) -> Self {
        Self {
            text: None,
            laid: compiled,
            since: Since::new(),
            modes: Vec::new(),
            judged: None,
            refused: None,
        }
    }
}

impl Shared {
    /// Puts in force what was so when the program ended, and then what the file says.
    ///
    /// # Errors
    ///
    /// Where there is a file that cannot be put in force, and it is not known what was before: the program's own grammar
    /// may allow what the operator had switched off.
    pub(super) async fn begin(&self) -> Result<(), String> {
        // No call waits for a look at the file but the first.
        if self.has_begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut turn = self.turn.lock().await;
        self.begin_in(&mut turn).await
    }

    async fn begin_in(&self, turn: &mut Turn) -> Result<(), String> {
        if self.has_begun.load(Ordering::Acquire) {
            return Ok(());
        }
        let kept = self
            .folder
            .as_ref()
            .map(|folder| LastGood::load(folder, self.application));
        let (kept, unknown) = match kept.transpose() {
            Ok(kept) => (kept.flatten(), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut unknown = unknown;
        let mut is_same_program = false;
        if let Some(kept) = kept {
            is_same_program = kept.program == self.compiled_digest.to_string();
            unknown = self.resume(turn, kept).err();
        }
        self.judge(turn, Why::Begins, is_same_program).await;
        if turn.text.is_none() {
            let why = match (&*self.state(), unknown) {
                (LiveState::Current | LiveState::Draining { .. }, None) => None,
                (LiveState::Current | LiveState::Draining { .. }, Some(why)) => Some(why),
                (LiveState::Candidate, _) => {
                    Some(format!("{} is being written", self.overlaid.path.display()))
                }
                (LiveState::Rejected { why } | LiveState::Stale { why }, _) => Some(why.clone()),
            };
            if let Some(why) = why {
                return Err(format!(
                    "no command is run, because the overlay cannot be put in force, and none was before:\n{why}"
                ));
            }
        }
        if !is_same_program {
            self.keep(turn);
        }
        self.has_begun.store(true, Ordering::Release);
        Ok(())
    }

    /// Looks at the file, and puts it in force where it is in order.
    pub(super) async fn look(&self, why: Why) {
        let mut turn = self.turn.lock().await;
        let had_begun = self.has_begun.load(Ordering::Acquire);
        if self.begin_in(&mut turn).await.is_ok() && had_begun {
            // There may be room for it by now.
            if self.unkept().is_some() {
                self.keep(&turn);
            }
            self.judge(&mut turn, why, true).await;
        }
    }

    /// What was in force when the program ended, where it fits the program that it is now.
    fn resume(&self, turn: &mut Turn, kept: LastGood) -> Result<(), String> {
        let candidate = self.compile(kept.overlay)?;
        turn.refused = kept.refused;
        for Migration {
            verb,
            old,
            since_unix_seconds,
        } in kept.migrations
        {
            let since = Timestamp::from_unix_seconds(since_unix_seconds);
            turn.since.insert((verb, old), since);
        }
        let next = self.next(&candidate.laid, &turn.since);
        self.set_modes(turn, &candidate.overlay);
        self.publish(turn, candidate.text, candidate.laid, next);
        Ok(())
    }

    async fn judge(&self, turn: &mut Turn, why: Why, is_same_program: bool) {
        let path = &self.overlaid.path;
        let text = match file::settled(path, turn.text.is_some(), PATIENCE).await {
            Ok(Some(text)) => text,
            Ok(None) => return self.missing(turn).await,
            Err(FileFault::Unsettled { .. }) => {
                turn.judged = None;
                return self.set_state(LiveState::Candidate);
            }
            Err(fault) => return self.refuse(turn, None, fault.to_string()).await,
        };
        let digest = digest_of(&text);
        if turn.text.as_ref() == Some(&text) {
            return self.unchanged(turn, why, digest).await;
        }
        if why == Why::Watched && turn.judged == Some(digest) {
            return self.end_names(turn).await;
        }
        self.set_state(LiveState::Candidate);
        let candidate = match self.compile(text) {
            Ok(candidate) => candidate,
            Err(why) => return self.refuse(turn, Some(digest), why).await,
        };
        let next = self.next(&candidate.laid, &turn.since);
        let old = self.published.current().grammar();
        let delta = if is_same_program {
            candidate.overlay.replacing(&old, &next.live)
        } else {
            // What another program breaks is that one's to declare.
            Ok(Delta::between(&old, &next.live))
        };
        match delta {
            Ok(delta) => self.accept(turn, candidate, next, &delta, digest).await,
            Err(error) => {
                let why = error.shown(&path.display().to_string(), &candidate.text);
                self.refuse(turn, Some(digest), why).await;
            }
        }
    }

    /// Checks a text against the program.
    fn compile(&self, text: String) -> Result<Candidate, String> {
        self.compilations.fetch_add(1, Ordering::Relaxed);
        let compiled = Overlay::parse(&text).and_then(|overlay| {
            let laid = overlay.over_program(&self.compiled, &*self.program)?;
            Ok((overlay, laid))
        });
        match compiled {
            Ok((overlay, laid)) => Ok(Candidate {
                text,
                overlay,
                laid,
            }),
            Err(error) => Err(error.shown(&self.overlaid.path.display().to_string(), &text)),
        }
    }

    /// The grammar as it is at this moment: without the names whose time is over.
    fn next(&self, laid: &Grammar, before: &Since) -> Next {
        let now = self.clock.now();
        let mut live = laid.clone();
        let (mut ended, mut since, mut until) = (Vec::new(), Since::new(), None);
        for (verb, old) in migrations(laid) {
            let key = (verb.to_string(), old.to_owned());
            let began = before.get(&key).copied().unwrap_or(now);
            let end = began.checked_add_seconds(self.overlaid.drain.as_secs());
            match end {
                Some(end) if end <= now => {
                    ended.push((key.0.clone(), key.1.clone(), verb.renamed[old].clone()));
                }
                Some(end) => until = Some(until.map_or(end, |other: Timestamp| other.min(end))),
                // Further ahead than the clock goes.
                None => {}
            }
            since.insert(key, began);
        }
        for verb in &mut live.verbs {
            let name = verb.to_string();
            let is_ended = |old: &String| {
                ended
                    .iter()
                    .any(|(verb, name_, _)| *verb == name && name_ == old)
            };
            verb.renamed.retain(|old, _| !is_ended(old));
        }
        Next {
            live,
            ended,
            since,
            until,
        }
    }

    async fn accept(
        &self,
        turn: &mut Turn,
        candidate: Candidate,
        next: Next,
        delta: &Delta,
        digest: Digest,
    ) {
        let recorded = self.record_change(digest, next.live.digest(), delta).await;
        if let Err(why) = recorded {
            // Not the file's fault: the next look tries again.
            turn.judged = None;
            let why = format!("the change cannot be recorded: {why}");
            return self.set_state(LiveState::Rejected { why });
        }
        turn.judged = Some(digest);
        turn.refused = None;
        self.set_modes(turn, &candidate.overlay);
        self.publish(turn, candidate.text, candidate.laid, next);
        self.keep(turn);
    }

    /// Sets the circuit breakers as the overlay says, and those that it names no more to their rules.
    fn set_modes(&self, turn: &mut Turn, overlay: &Overlay) {
        for policy in self.policies.iter() {
            let name = policy.name();
            let said = overlay.modes().find(|(named, _)| *named == name);
            let was_said = turn.modes.iter().find(|(named, _)| *named == name);
            let (mode, before) = (said.map(|(_, mode)| mode), was_said.map(|(_, mode)| *mode));
            // To set a mode begins its counts anew, and the program may set others itself.
            if mode != before {
                policy.set_mode(mode.unwrap_or_default());
            }
        }
        turn.modes = overlay
            .modes()
            .map(|(name, mode)| (name.to_owned(), mode))
            .collect();
    }

    fn publish(&self, turn: &mut Turn, text: String, laid: Grammar, next: Next) {
        let before = self.published.current();
        let number = before.number() + 1;
        self.supersede(before.digest());
        let version = self.program.with_grammar(number, &next.live, &next.ended);
        self.published.publish(Arc::new(version));
        turn.text = Some(text);
        turn.laid = laid;
        turn.since = next.since;
        self.set_state(match next.until {
            Some(until) => LiveState::Draining {
                until: until.as_unix_seconds(),
            },
            None => LiveState::Current,
        });
    }

    /// The file says what is in force.
    async fn unchanged(&self, turn: &mut Turn, why: Why, digest: Digest) {
        turn.judged = Some(digest);
        let next = self.next(&turn.laid, &turn.since);
        self.set_state(match next.until {
            Some(until) => LiveState::Draining {
                until: until.as_unix_seconds(),
            },
            None => LiveState::Current,
        });
        self.end_names(turn).await;
        if why == Why::Asked {
            let grammar = self.published.current();
            let delta = Delta::between(&grammar.grammar(), &grammar.grammar());
            if let Err(why) = self.record_change(digest, grammar.digest(), &delta).await {
                let why = format!("that it was read again cannot be recorded: {why}");
                self.set_state(LiveState::Rejected { why });
            }
        }
    }

    /// Ends the names whose time is over.
    async fn end_names(&self, turn: &mut Turn) {
        let next = self.next(&turn.laid, &turn.since);
        let old = self.published.current().grammar();
        let Some(text) = turn.text.clone().filter(|_| next.live != old) else {
            return;
        };
        let delta = Delta::between(&old, &next.live);
        let digest = digest_of(&text);
        if let Err(why) = self.record_change(digest, next.live.digest(), &delta).await {
            let why = format!("the end of a name cannot be recorded: {why}");
            return self.set_state(LiveState::Rejected { why });
        }
        let state = self.state().clone();
        let laid = turn.laid.clone();
        self.publish(turn, text, laid, next);
        if let LiveState::Rejected { .. } | LiveState::Candidate = state {
            // What was refused because of these names may be in order now.
            turn.judged = None;
            self.set_state(state);
        }
    }

    async fn missing(&self, turn: &mut Turn) {
        turn.judged = None;
        if turn.text.is_none() {
            return self.set_state(LiveState::Current);
        }
        let why = format!(
            "there is no {}; the overlay that it had last is in force",
            self.overlaid.path.display()
        );
        if !matches!(&*self.state(), LiveState::Stale { .. }) {
            // What is in force stays so, recorded or not.
            let _ = self.record_refusal(None, "stale", &why).await;
        }
        self.set_state(LiveState::Stale { why });
        self.end_names_of_stale(turn).await;
    }

    async fn end_names_of_stale(&self, turn: &mut Turn) {
        let state = self.state().clone();
        self.end_names(turn).await;
        self.set_state(state);
    }

    /// Leaves what is in force, and says why. Once for each text.
    async fn refuse(&self, turn: &mut Turn, text: Option<Digest>, why: String) {
        let rejected = LiveState::Rejected { why: why.clone() };
        let is_known = match text {
            Some(text) => turn.refused == Some(text.to_string()),
            None => *self.state() == rejected,
        };
        if !is_known {
            let recorded = self.record_refusal(text, "overlay", &why).await;
            let recorded = text.filter(|_| recorded.is_ok());
            turn.refused = recorded.map(|text| text.to_string());
            self.keep(turn);
        }
        turn.judged = text;
        self.set_state(rejected);
    }

    /// Writes down what is in force. Where that fails, what was written down before stays so, and the status says it.
    fn keep(&self, turn: &Turn) {
        let (Some(folder), Some(text)) = (&self.folder, &turn.text) else {
            return;
        };
        let migration = |((verb, old), since): (&(String, String), &Timestamp)| Migration {
            verb: verb.clone(),
            old: old.clone(),
            since_unix_seconds: since.as_unix_seconds(),
        };
        let mut kept = LastGood::new(
            self.compiled_digest.to_string(),
            text.clone(),
            turn.since.iter().map(migration).collect(),
        );
        kept.refused.clone_from(&turn.refused);
        let stored = kept.store(folder, self.application);
        *self.unkept() = stored.err().map(|error| with_causes(&error));
    }
}
