//! Arguments whose value is shown nowhere.

use cnv::grammar::{Class, Delta, Grammar, Overlay};
use cnv::prelude::*;
use serde_json::json;

mod shown {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "pure")]
    pub fn check(user: String, #[arg(long)] pin: Option<u32>) -> Result<String, Failure> {
        Ok(format!("{user} {}", pin.is_some()))
    }
}

mod hidden {
    use cnv::prelude::*;

    #[verb(noun = "login", effect = "pure")]
    pub fn check(user: String, #[arg(long, secret)] pin: Option<u32>) -> Result<String, Failure> {
        Ok(format!("{user} {}", pin.is_some()))
    }
}

fn with_secret() -> App {
    App::new("logins").verbs(verbs![hidden::check])
}

fn without() -> App {
    App::new("logins").verbs(verbs![shown::check])
}

/// The words of a usage error are on screens and in logs.
#[test]
fn an_error_does_not_repeat_a_secret() {
    let refused = |app: App, words: &[&str]| {
        let failure = app.call_blocking(words).result.unwrap_err();
        assert_eq!(failure.code().exit_code(), 2);
        failure.to_string()
    };
    let wrong = ["login", "check", "ann", "--pin", "hunter2"];
    assert!(refused(without(), &wrong).contains("hunter2"));
    let told = refused(with_secret(), &wrong);
    assert_eq!(told, "invalid value '(secret)' for '--pin <PIN>'");
    // What is wrong with the rest is told as ever.
    let told = refused(
        with_secret(),
        &["login", "check", "ann", "--pin", "1", "more"],
    );
    assert!(told.contains("'more'"), "{told}");
    let reply = with_secret().call_blocking(["login", "check", "ann", "--pin", "1234"]);
    assert_eq!(reply.result.unwrap().as_json(), r#""ann true""#);
}

#[test]
fn the_grammar_says_which_argument_is_secret() {
    let (shown, hidden) = (without().grammar(), with_secret().grammar());
    let argument = |grammar: &Grammar| {
        let verb = grammar.verb("login", "check").unwrap();
        serde_json::to_value(&verb.arguments[1]).unwrap()
    };
    assert_eq!(argument(&hidden)["secret"], json!(true));
    // What does not use it has the digest that it had.
    assert_eq!(argument(&shown).get("secret"), None);
    assert_ne!(shown.digest(), hidden.digest());
    assert_eq!(Grammar::from_json(&hidden.to_json()).unwrap(), hidden);

    let classes = |old: &Grammar, new: &Grammar| -> Vec<(Class, String)> {
        let delta = Delta::between(old, new);
        let changes = delta.changes().iter();
        changes
            .map(|change| (change.class, change.to_string()))
            .collect()
    };
    let kept = "argument `pin` is secret";
    let told = "argument `pin` is not secret any more";
    let [(class, text)] = &classes(&shown, &hidden)[..] else {
        panic!()
    };
    assert!(*class == Class::Safe && text.contains(kept), "{text}");
    let [(class, text)] = &classes(&hidden, &shown)[..] else {
        panic!()
    };
    assert!(*class == Class::Caution && text.contains(told), "{text}");
}

/// A default stands in the help and in the grammar.
#[test]
fn an_overlay_gives_a_secret_no_default() {
    let laid = |app: App| {
        let text = "schema = 1\n[verbs.\"login check\"]\ndefaults = { pin = \"1234\" }\n";
        Overlay::parse(text).unwrap().over(&app.grammar())
    };
    assert!(laid(without()).is_ok());
    let refused = laid(with_secret()).unwrap_err();
    assert_eq!(
        refused.faults()[0].message,
        "`pin` is secret, and has no default"
    );
}
