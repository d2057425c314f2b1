//! What changed in how a verb is called.

use super::{Class, Delta};
use crate::grammar::model::{Argument, VerbGrammar};
use crate::grammar::schema::{Relation, relation, sorted};

fn find<'a>(verb: &'a VerbGrammar, name: &str) -> Option<&'a Argument> {
    verb.arguments.iter().find(|argument| argument.name == name)
}

/// The name that an argument has now.
fn now<'a>(new: &'a VerbGrammar, name: &'a String) -> &'a String {
    new.renamed.get(name).unwrap_or(name)
}

impl Delta {
    /// The arguments, and what is made of them.
    pub(super) fn input(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        let before = self.changes.len();
        self.arguments(old, new);
        self.places(old, new);
        self.older_names(old, new);
        if self.changes.len() > before {
            return;
        }
        // It follows from the arguments; a file may say otherwise.
        let (class, what) = match relation(&old.input, &new.input) {
            None => return,
            Some(Relation::Equal) => (Class::Safe, "is said in other words"),
            Some(Relation::Wider) => (Class::Safe, "takes more"),
            Some(Relation::Narrower | Relation::Other) => (Class::Breaking, "takes something else"),
        };
        self.push(old, class, "the input", what, None, None);
    }

    fn arguments(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        for argument in &old.arguments {
            let part = format!("argument `{}`", argument.name);
            match find(new, now(new, &argument.name)) {
                Some(now) if now.name != argument.name => {
                    let (before, after) = (Some(argument.name.clone()), Some(now.name.clone()));
                    let what = "is renamed, and understood";
                    self.push(old, Class::Safe, part.as_str(), what, before, after);
                    // Its old option is understood, too.
                    let now = Argument {
                        long: argument.long.clone(),
                        ..now.clone()
                    };
                    self.argument(old, &part, argument, &now);
                }
                Some(now) => self.argument(old, &part, argument, now),
                None => self.push(old, Class::Breaking, part, "is gone", None, None),
            }
        }
        for argument in &new.arguments {
            let is_renamed = new.renamed.values().any(|name| *name == argument.name);
            if is_renamed || find(old, &argument.name).is_some() {
                continue;
            }
            let part = format!("argument `{}`", argument.name);
            let (class, what) = match argument.required {
                true => (Class::Breaking, "is new and required"),
                false => (Class::Safe, "is new"),
            };
            self.push(old, class, part, what, None, None);
        }
    }

    /// An argument without a name of its own is told by how many stand before it.
    fn places(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        let placed = |verb: &VerbGrammar| -> Vec<String> {
            let placed = verb
                .arguments
                .iter()
                .filter(|argument| argument.is_placed());
            placed.map(|argument| argument.name.clone()).collect()
        };
        let is = placed(new);
        let mut was: Vec<String> = placed(old)
            .iter()
            .map(|name| now(new, name).clone())
            .collect();
        was.retain(|name| is.contains(name));
        if !is.starts_with(&was) {
            let (before, after) = (Some(was.join(" ")), Some(is.join(" ")));
            let what = "have another order";
            self.push(old, Class::Breaking, "the places", what, before, after);
        }
    }

    /// Names of grammars that were older still.
    fn older_names(&mut self, old: &VerbGrammar, new: &VerbGrammar) {
        for (name, meant) in &old.renamed {
            let is_own = || find(new, name).map(|argument| &argument.name);
            let what = match new.renamed.get(name).or_else(is_own) {
                Some(means) if means == now(new, meant) => continue,
                Some(_) => "means another argument",
                None => "is not understood any more",
            };
            let part = format!("the old name `{name}`");
            self.push(old, Class::Breaking, part, what, None, None);
        }
        for name in new.renamed.keys() {
            if !old.renamed.contains_key(name) && find(old, name).is_none() {
                let part = format!("the old name `{name}`");
                self.push(old, Class::Safe, part, "is understood", None, None);
            }
        }
    }

    fn argument(&mut self, verb: &VerbGrammar, part: &str, old: &Argument, new: &Argument) {
        let mut push = |class, what, before: Option<String>, after: Option<String>| {
            self.push(verb, class, part, what, before, after);
        };
        let option = |long: &Option<String>| long.as_ref().map(|long| format!("--{long}"));
        if old.long != new.long {
            push(
                Class::Breaking,
                "has another name",
                option(&old.long),
                option(&new.long),
            );
        }
        if old.short != new.short {
            let letter = |short: Option<char>| short.map(|letter| format!("-{letter}"));
            let class = match old.short {
                Some(_) => Class::Breaking,
                None => Class::Safe,
            };
            push(
                class,
                "has another letter",
                letter(old.short),
                letter(new.short),
            );
        }
        match (old.required, new.required) {
            (false, true) => push(Class::Breaking, "is required", None, None),
            (true, false) => push(Class::Safe, "may be left out", None, None),
            _ => {}
        }
        if old.takes_values != new.takes_values {
            let what = match new.takes_values {
                true => "takes a value",
                false => "takes no value",
            };
            push(Class::Breaking, what, None, None);
        }
        match (old.repeats, new.repeats) {
            (true, false) => push(Class::Breaking, "may be given only once", None, None),
            (false, true) => push(Class::Safe, "may be given several times", None, None),
            _ => {}
        }
        match (old.secret, new.secret) {
            (true, false) => push(Class::Caution, "is not secret any more", None, None),
            (false, true) => push(Class::Safe, "is secret", None, None),
            _ => {}
        }
        if old.defaults != new.defaults && (new.required || !old.required) {
            let shown = |defaults: &[String]| {
                let is_some = !defaults.is_empty();
                is_some.then(|| defaults.join(" "))
            };
            let (before, after) = (shown(&old.defaults), shown(&new.defaults));
            push(Class::Caution, "has another default", before, after);
        }
        let (before, after) = (
            Some(sorted(&old.value).to_string()),
            Some(sorted(&new.value).to_string()),
        );
        match relation(&old.value, &new.value) {
            None => {}
            Some(Relation::Equal) => {
                push(Class::Safe, "says the same in other words", before, after)
            }
            Some(Relation::Wider) => push(Class::Safe, "takes more values", before, after),
            Some(Relation::Narrower) => push(Class::Breaking, "takes fewer values", before, after),
            Some(Relation::Other) => push(Class::Breaking, "takes other values", before, after),
        }
    }
}
