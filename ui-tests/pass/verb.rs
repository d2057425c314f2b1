//! Verbs with every shape of argument, sync and async, in one application.

use std::path::PathBuf;

use cnv::prelude::*;
use cnv::command::Effect;

mod notes {
    use cnv::prelude::*;

    /// Adds a note.
    #[verb(noun = "note", effect = "write", public)]
    pub fn add(text: Vec<String>, #[arg(long, short)] tag: Option<String>) -> Result<String, Failure> {
        Ok(format!("{} {tag:?}", text.join(" ")))
    }

    #[verb(noun = "note", name = "list", effect = "read")]
    pub async fn r#move(cx: &Context, #[arg(long)] tag: Vec<String>, all: bool) -> Result<String, Failure> {
        Ok(format!("{} {tag:?} {all}", cx.verb()))
    }
}

/// Two arguments of types of their own.
#[verb(noun = "path", effect = "pure")]
fn join(
    base: PathBuf,
    #[arg(long, default_value_t = 2, value_name = "N")] times: u8,
    #[arg(default_value = "x")] name: std::num::NonZeroU8,
) -> Result<String, std::fmt::Error> {
    Ok(format!("{} {times} {name}", base.display()))
}

fn main() {
    let app = App::new("notes").verbs(verbs![notes::add, notes::r#move, join]);
    app.check().unwrap();
    let call = |arguments: &[&str]| app.call_blocking(arguments).result.map(|o| o.as_json().to_owned());
    assert_eq!(call(&["note", "add", "a", "b", "-t", "x"]).unwrap(), r#""a b Some(\"x\")""#);
    assert_eq!(call(&["note", "list", "--tag", "a", "--tag", "b", "--all"]).unwrap(), r#""note list [\"a\", \"b\"] true""#);
    assert_eq!(call(&["path", "join", "/a", "5"]).unwrap(), r#""/a 2 5""#);
    assert_eq!(call(&["path", "join", "/a", "0"]).unwrap_err().code().exit_code(), 2);
    let reply = app.call_blocking(["note", "add", "x"]);
    assert_eq!(reply.receipt.unwrap().verb.effect(), Effect::Write);
}
