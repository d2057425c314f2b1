//! Arguments whose values spans may have, and one whose value is shown nowhere.

use cnv::prelude::*;

/// Looks at a tree.
#[verb(noun = "tree", effect = "read", trace(fields(path, r#type, deep)))]
async fn digest(
    cx: Context,
    path: String,
    r#type: Option<String>,
    #[arg(long)] deep: bool,
    #[arg(long, env = "TREE_PASSWORD", secret)] password: Option<String>,
) -> Result<(String, usize), Failure> {
    let length = password.map_or(0, |password| password.len());
    Ok((format!("{} {path} {type:?} {deep}", cx.verb(), type = r#type), length))
}

#[verb(noun = "tree", effect = "pure")]
fn plain(path: String) -> Result<String, Failure> {
    Ok(path)
}

fn main() {
    let app = App::new("trees").verbs(verbs![digest, plain]);
    app.check().unwrap();
    let reply = app.call_blocking(["tree", "digest", "a", "b", "--password", "hunter2"]);
    assert_eq!(reply.result.unwrap().as_json(), r#"["tree digest a Some(\"b\") false",7]"#);
    assert_eq!(reply.receipt.unwrap().verb.traced_fields(), ["path", "type", "deep"]);
    let reply = app.call_blocking(["tree", "plain", "a"]);
    assert!(reply.receipt.unwrap().verb.traced_fields().is_empty());

    let grammar = app.grammar();
    let arguments = &grammar.verb("tree", "digest").unwrap().arguments;
    let secret: Vec<_> = arguments.iter().filter(|argument| argument.secret).collect();
    assert_eq!(secret.len(), 1);
    assert_eq!(secret[0].name, "password");
    assert_eq!(grammar.to_json().matches("secret").count(), 1);
}
