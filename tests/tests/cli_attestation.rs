//! `cnv attestation` and what programs make of its tokens, run as a user runs them.

mod programs;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cnv::attestation::{
    AttestationChain, CapabilityAttestation, PrivateKey, RevocationList, Timestamp, key_file,
};
use cnv::capability::CapabilityContract;
use serde_json::{Value, json};

use programs::{Ended, Folder, cnv, expect, line, ops_alone};

/// A root, a team and an agent with their keys in files, a trust store, an empty revocation list, and a token of the team.
struct Parties {
    folder: Folder,
    root: PrivateKey,
}

impl Parties {
    fn new() -> Self {
        let folder = Folder::new();
        let key = |name: &str, seed| {
            let key = PrivateKey::from_seed(&[seed; 32]);
            key_file::create(folder.path(format!("{name}.pem")), &key).unwrap();
            folder.file(format!("{name}.pub"), format!("{}\n", key.public_key()));
            key
        };
        let root = key("root", 1);
        key("team", 2);
        key("agent", 3);
        folder.file("roots.txt", format!("{}  root\n", root.public_key()));
        folder.file("greeting.txt", "hello\n");
        let parties = Self { folder, root };
        parties.ok("revocation sign --key %/root.pem --out %/revoked.txt");
        parties.ok(
            "attestation issue --key %/root.pem --subject team-a --held-by @%/team.pub --class read_write --audience ops --ttl 1d --out %/team.token",
        );
        parties
    }

    /// The words of a command line, with the folder for `%`.
    fn words(&self, text: &str) -> Vec<OsString> {
        let folder = self.folder.path("");
        let folder = folder.to_str().unwrap().trim_end_matches('/');
        let words = text.split_whitespace();
        words.map(|word| word.replace('%', folder).into()).collect()
    }

    fn cnv(&self, text: &str) -> Command {
        cnv(self.words(text))
    }

    fn ok(&self, text: &str) -> Value {
        expect(0, self.cnv(text).arg("--json")).json()
    }

    #[track_caller]
    fn refused(&self, code: i32, text: &str, says: &str) -> Ended {
        let ended = expect(code, &mut self.cnv(text));
        ended.wrote_nothing();
        ended.says(says);
        ended
    }

    /// Lets the team delegate to the agent.
    fn delegate(&self) {
        self.ok("attestation delegate @%/team.token --key %/team.pem --subject agent-42 --held-by @%/agent.pub --class read_only --ttl 10min --out %/agent.token");
    }

    fn token(&self, name: &str) -> String {
        let token = fs::read_to_string(self.folder.path(name)).unwrap();
        token.trim().to_owned()
    }

    fn chain(&self, name: &str) -> AttestationChain {
        self.token(name).parse().unwrap()
    }

    /// A token of the root's own, for `inspect` and `verify`.
    fn write(&self, name: &str, attestation: &CapabilityAttestation) -> PathBuf {
        self.folder.file(name, attestation.to_string())
    }

    fn ops(&self, token: &str) -> Command {
        let log = self.folder.file("access.log", "");
        let mut ops = ops_alone(line!["log", "scan", log]);
        ops.env("CNV_TRUST", self.folder.path("roots.txt")).env(
            "CNV_ATTESTATION",
            self.words(&format!("@%/{token}")).remove(0),
        );
        ops
    }
}

// issue

#[test]
fn issue_says_who_may_use_it() {
    let parties = Parties::new();
    let issue = "attestation issue --key %/root.pem --subject agent-42";
    let refused = parties.refused(2, issue, "--held-by");
    refused.says("required");
    parties.refused(
        2,
        &format!("{issue} --held-by @%/team.pub --bearer"),
        "cannot be used with",
    );
    parties.refused(
        2,
        &format!("{issue} --bearer --depth 2"),
        "cannot be used with",
    );

    let held = parties.ok(&format!(
        "{issue} --held-by @%/agent.pub --class read_only/small/frozen/harmless --depth 1 --ttl 90s --audience ops --metadata ticket=4711"
    ));
    assert_eq!(
        held["held_by"],
        PrivateKey::from_seed(&[3; 32])
            .public_key()
            .id()
            .to_string()
    );
    assert_eq!(held["contract"], "read_only/small/frozen/harmless");
    assert_eq!(
        (&held["links"], &held["further_links"]),
        (&json!(1), &json!(0))
    );
    let chain: AttestationChain = held["token"].as_str().unwrap().parse().unwrap();
    assert_eq!(chain.leaf().depth(), 1);
    assert_eq!(chain.leaf().metadata()["ticket"], "4711");
    assert_eq!(held["id"], chain.leaf().id().to_string());

    let bearer = parties.ok(&format!("{issue} --bearer"));
    assert_eq!(bearer["held_by"], "bearer");
    let key = PrivateKey::from_seed(&[3; 32]).public_key();
    let given = parties.ok(&format!("{issue} --held-by {key}"));
    assert_eq!(given["held_by"], held["held_by"]);
}

#[test]
fn issue_refuses_what_nobody_could_use() {
    let parties = Parties::new();
    let issue = "attestation issue --key %/root.pem --subject a --held-by @%/team.pub";
    for (more, code, says) in [
        ("--depth 9", 1, "the depth is 9; a chain has 1 to 8 links"),
        ("--depth 0", 1, "the depth is 0"),
        ("--ttl 1m", 2, "write a whole number and a unit"),
        ("--class everything", 2, "everything"),
        ("--metadata ticket", 2, "write a key, `=` and a value"),
        ("--metadata a=1 --metadata a=2", 1, "given twice"),
    ] {
        parties.refused(code, &format!("{issue} {more}"), says);
    }
    let other = "attestation issue --subject a --bearer --key";
    parties.refused(
        1,
        &format!("{other} %/missing.pem"),
        "cannot use the private key's file",
    );
    parties.refused(1, &format!("{other} %/roots.txt"), "mode 0644");
    let holder = "attestation issue --subject a --key %/root.pem --held-by";
    parties.refused(
        1,
        &format!("{holder} @%/missing.pub"),
        "cannot read the public key",
    );
    parties.refused(1, &format!("{holder} @%/greeting.txt"), "has no public key");
    parties.refused(2, &format!("{holder} cnvpub1.short"), "--held-by");
}

#[test]
#[cfg(unix)]
fn a_key_that_others_can_read_signs_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let parties = Parties::new();
    let pem = parties.folder.path("team.pem");
    fs::set_permissions(&pem, fs::Permissions::from_mode(0o640)).unwrap();
    parties.refused(
        1,
        "attestation delegate @%/team.token --key %/team.pem --subject a --bearer",
        "has mode 0640: others could read or change the private key; run `chmod 600` on it",
    );
}

// delegate

#[test]
fn delegate_adds_a_link_from_a_file_standard_input_or_the_environment() {
    let parties = Parties::new();
    parties.delegate();
    let chain = parties.chain("agent.token");
    assert_eq!(chain.links().len(), 2);
    assert_eq!(chain.leaf().audience(), Some("ops"));
    assert_eq!(chain.leaf().depth(), 3);

    let more = "--key %/team.pem --subject job-7 --bearer --json";
    let input = fs::File::open(parties.folder.path("team.token")).unwrap();
    let piped = expect(
        0,
        parties
            .cnv(&format!("attestation delegate - {more}"))
            .stdin(input),
    )
    .json();
    assert_eq!(
        (&piped["links"], &piped["held_by"]),
        (&json!(2), &json!("bearer"))
    );
    let set = expect(
        0,
        parties
            .cnv(&format!("attestation delegate {more}"))
            .env("CNV_ATTESTATION", parties.token("team.token")),
    );
    assert_eq!(set.json()["subject"], "job-7");
    let named = parties.words("@%/team.token").remove(0);
    let set = expect(
        0,
        parties
            .cnv(&format!("attestation delegate {more}"))
            .env("CNV_ATTESTATION", named),
    );
    // What is not said is the token's, and an hour.
    assert_eq!(
        set.json()["contract"],
        "read_write/unlimited/stable/reversible"
    );
}

#[test]
fn delegate_refuses_to_widen_and_says_what_is_allowed() {
    let parties = Parties::new();
    parties.ok("attestation delegate @%/team.token --key %/team.pem --subject b --held-by @%/agent.pub --class read_only/small --ttl 10min --depth 1 --out %/last.token");
    let team = "attestation delegate @%/team.token --key %/team.pem --subject a --held-by @%/agent.pub --out %/new.token";
    for (more, says) in [
        (
            "--class network",
            "class `network` is not within `read_write`; `--class` can be at most read_write/unlimited/stable/reversible",
        ),
        (
            "--class read_write/unlimited/experimental",
            "stability `experimental` is looser than `stable`; `--class`",
        ),
        (
            "--class read_write/unlimited/stable/irreversible",
            "safety `irreversible` is lower than `reversible`; `--class`",
        ),
        (
            "--ttl 2d",
            "the time to live of 2 d goes beyond the token's end at ",
        ),
        ("--ttl 2d", "`--ttl` can be at most 86"),
        (
            "--audience cnv",
            "it is meant for `cnv`, but the link before it only for `ops`; `--audience` can only be ops, or be left out",
        ),
        (
            "--depth 4",
            "its depth is 4, which has to be less than the 4 of the link before it; `--depth` can be at most 3",
        ),
    ] {
        let refused = parties.refused(1, &format!("{team} {more}"), "error: not delegated: ");
        refused.says(says);
        assert!(!parties.folder.path("new.token").exists());
    }
    let last = "attestation delegate @%/last.token --subject a --bearer --key";
    parties.refused(
        1,
        &format!("{last} %/agent.pem"),
        "ask its issuer for one with a larger `--depth`",
    );
    parties.refused(
        1,
        &format!("{last} %/team.pem"),
        "give the key of `b` with `--key`",
    );
    let narrow = "attestation delegate @%/narrow.token --subject a --bearer --key %/agent.pem --class read_only/large";
    parties.ok("attestation delegate @%/team.token --key %/team.pem --subject b --held-by @%/agent.pub --class read_only/small --out %/narrow.token");
    parties.refused(1, narrow, "resource band `large` is larger than `small`");

    parties.ok("attestation issue --key %/root.pem --subject a --bearer --out %/bearer.token");
    parties.refused(
        1,
        "attestation delegate @%/bearer.token --subject a --bearer --key %/agent.pem",
        "nothing can be delegated from one; ask for one that names your key",
    );
    let team = PrivateKey::from_seed(&[2; 32]).public_key();
    let expired = CapabilityAttestation::builder(CapabilityContract::read_only(), "team-a")
        .issued_at(Timestamp::from_unix_seconds(1_500_000_000))
        .held_by(&team)
        .sign(&parties.root);
    parties.write("expired.token", &expired.unwrap());
    parties.refused(
        1,
        "attestation delegate @%/expired.token --subject a --bearer --key %/team.pem",
        "the token expired at 2017-07-14T03:40:00Z; ask its issuer for a new one",
    );
}

#[test]
fn json_errors_have_the_same_text() {
    let parties = Parties::new();
    let wider = "attestation delegate @%/team.token --key %/team.pem --subject a --bearer --class dangerous --json";
    let error = expect(1, &mut parties.cnv(wider)).error();
    assert_eq!(error["code"], "failed");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("class `dangerous` is not within `read_write`"),
        "{error}"
    );
}

// Tokens from outside.

#[test]
fn tokens_do_not_stand_on_the_command_line() {
    let parties = Parties::new();
    for verb in [
        "inspect",
        "verify --store %/roots.txt --without-revocation",
        "delegate --key %/team.pem --subject a --bearer",
        "revoke --key %/root.pem --list %/revoked.txt",
    ] {
        let mut command = parties.cnv(&format!("attestation {verb}"));
        let refused = expect(2, command.arg(parties.token("team.token")));
        refused.wrote_nothing();
        refused.says("can be read by every user of this machine");
        assert!(!refused.stderr.contains("cnv1."), "{}", refused.stderr);
        parties.refused(
            2,
            &format!("attestation {verb} team.token"),
            "write @team.token for the file `team.token`",
        );
    }
    parties.refused(
        2,
        "attestation inspect",
        "name the token's file as @FILE, pipe it in and write -, or set CNV_ATTESTATION",
    );
}

#[test]
fn what_is_no_token_is_refused() {
    let parties = Parties::new();
    let token = parties.token("team.token");
    parties.folder.file("junk", "cnv1.x");
    parties.folder.file("cut", &token[..token.len() - 7]);
    parties
        .folder
        .file("padded", format!("cnv1.{}", "A".repeat(5000)));
    parties.folder.file("large", "c".repeat(9000));
    parties.folder.file("binary", [0xff, 0xfe]);
    for (name, says) in [
        ("missing", "cannot read a token from `"),
        ("junk", "this is no attestation: "),
        ("cut", "copy all of it, from `cnv1.` to its end"),
        ("padded", "4096"),
        ("large", "has more than 8192 bytes, so it is not a token"),
        ("binary", "cannot read a token from `"),
    ] {
        parties.refused(1, &format!("attestation inspect @%/{name}"), says);
        parties.refused(
            1,
            &format!("attestation delegate @%/{name} --key %/team.pem --subject a --bearer"),
            says,
        );
        parties.refused(
            1,
            &format!("attestation revoke @%/{name} --key %/root.pem --list %/revoked.txt"),
            says,
        );
    }
    let verify = "attestation verify --store %/roots.txt --without-revocation";
    for (name, code) in [
        ("junk", 8),
        ("cut", 8),
        ("padded", 8),
        ("large", 1),
        ("missing", 1),
    ] {
        parties.refused(code, &format!("{verify} @%/{name}"), "");
    }
    if let Ok(endless) = fs::File::open("/dev/zero") {
        let mut inspect = parties.cnv("attestation inspect -");
        expect(1, inspect.stdin(Stdio::from(endless))).says("is not a token");
    }
}

// inspect

#[test]
fn inspect_shows_a_row_for_each_link_and_verifies_nothing() {
    let parties = Parties::new();
    parties.delegate();
    let shown = parties.ok("attestation inspect @%/agent.token");
    assert_eq!(
        (&shown["verified"], &shown["expired"]),
        (&json!(false), &json!(false))
    );
    let chain = parties.chain("agent.token");
    let links = shown["links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    for (index, (row, link)) in links.iter().zip(chain.links()).enumerate() {
        assert_eq!(row["link"], index + 1);
        assert_eq!(row["subject"], link.subject());
        assert_eq!(row["held_by"], link.holder_key().unwrap().to_string());
        assert_eq!(row["issuer"], link.issuer().to_string());
        assert_eq!(row["contract"], link.contract().to_string());
        assert_eq!(row["audience"], "ops");
        assert_eq!(row["depth"], link.depth());
        assert_eq!(row["issued_at"], link.issued_at().to_string());
        assert_eq!(row["not_before"], link.not_before().to_string());
        assert_eq!(row["expires_at"], link.expires_at().to_string());
        assert_eq!(row["id"], link.id().to_string());
    }
    let left = links[1]["expires_in"].as_str().unwrap();
    assert!(left == "10 min" || left.starts_with("9 min"), "{left}");

    // Somebody else's key makes as good a table.
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let forged = CapabilityAttestation::builder(CapabilityContract::dangerous(), "thief")
        .issued_at(Timestamp::from_unix_seconds(1_500_000_000))
        .metadata("ticket", "4711")
        .bearer()
        .sign(&stranger);
    parties.write("forged.token", &forged.unwrap());
    let table = expect(0, &mut parties.cnv("attestation inspect @%/forged.token"));
    let rows = table.rows();
    for start in [
        "verified false",
        "note not verified: anybody could have written this",
        "expired true",
        "link subject held by issuer contract audience depth issued at not before expires at expires in id",
        "1 thief bearer ",
        "link key value",
        "1 ticket 4711",
    ] {
        assert!(
            rows.iter().any(|row| row.starts_with(start)),
            "`{start}` is not in {rows:#?}"
        );
    }
    assert!(
        table.text().contains("2017-07-14T03:40:00Z  expired "),
        "{}",
        table.text()
    );
}

// verify

#[test]
fn verify_confirms_a_chain_and_says_what_was_asked() {
    let parties = Parties::new();
    parties.delegate();
    let verify = "attestation verify @%/agent.token --store %/roots.txt --audience ops";
    let held = parties.ok(&format!(
        "{verify} --revocations %/revoked.txt --key %/agent.pem --class read_only"
    ));
    let agent = PrivateKey::from_seed(&[3; 32]).public_key().id();
    assert_eq!(held["verified"], true);
    assert_eq!(
        (&held["subject"], &held["issued_by"]),
        (&json!("agent-42"), &json!("root"))
    );
    assert_eq!(held["possession"], format!("proved, of the key {agent}"));
    assert!(
        held["revocation"]
            .as_str()
            .unwrap()
            .starts_with("list 1, next update "),
        "{held}"
    );
    assert_eq!(held["links"].as_array().unwrap().len(), 2);

    let root = parties.root.public_key();
    let looked_at = parties.ok(&format!(
        "attestation verify @%/agent.token --public {root} --audience ops --without-revocation"
    ));
    assert_eq!(
        looked_at["possession"],
        format!("not checked, of the key {agent}")
    );
    assert_eq!(looked_at["revocation"], "not asked");
    assert_eq!(looked_at.get("issued_by"), None);

    parties.ok("attestation issue --key %/root.pem --subject a --bearer --out %/bearer.token");
    let bearer =
        parties.ok("attestation verify @%/bearer.token --store %/roots.txt --without-revocation");
    assert_eq!(
        bearer["possession"],
        "not needed: whoever has the token can use it"
    );
}

#[test]
fn verify_says_which_link_failed_and_what_to_do() {
    let parties = Parties::new();
    parties.delegate();
    let verify =
        |more: &str| format!("attestation verify @%/agent.token --store %/roots.txt {more}");
    let at = parties.chain("agent.token").leaf().expires_at();
    let end = parties.chain("agent.token").root().expires_at();
    for (more, says) in [
        ("--without-revocation".to_owned(), "link 1 of 2: the attestation is meant for `ops`, this verifier has no name; to verify it as `ops` would, add `--audience ops`".to_owned()),
        ("--without-revocation --audience cnv".to_owned(), "ask its issuer for one with the audience `cnv`".to_owned()),
        ("--without-revocation --audience ops --class network".to_owned(), "link 2 of 2: the attestation does not cover the command".to_owned()),
        ("--without-revocation --audience ops --class network".to_owned(), "ask its issuer for one with `--class network/unlimited/stable/irreversible`".to_owned()),
        (format!("--without-revocation --audience ops --at {at}"), format!("link 2 of 2: the attestation expired 0 s ago, at {at}; ask its issuer for a new one (link 2 is `agent-42`'s, issued by `team-a`)")),
        (format!("--without-revocation --audience ops --at {end}"), "link 1 of 2: the attestation expired 0 s ago".to_owned()),
        ("--without-revocation --audience ops --at 2020-01-01T00:00:00Z".to_owned(), "link 1 of 2: the attestation is valid in ".to_owned()),
        (format!("--revocations %/revoked.txt --audience ops --at {end}"), "next".to_owned()),
    ] {
        let more = verify(&more);
        if more.contains("--revocations") {
            // A list that is stale at that moment is no list.
            parties.refused(1, &more, "is not believed");
        } else {
            parties.refused(8, &more, &says).says("error: attestation refused: ");
        }
    }
    // What is missing on the command line.
    parties.refused(2, &verify("--audience ops"), "--revocations");
    parties.refused(
        2,
        "attestation verify @%/agent.token --without-revocation",
        "--store",
    );
    parties.refused(
        2,
        &verify("--without-revocation --at tomorrow"),
        "write a time in UTC as it is shown",
    );
    // Other files.
    parties.refused(
        1,
        &verify("--revocations %/missing"),
        "cannot read the revocation list",
    );
    parties.refused(
        1,
        &verify("--revocations %/roots.txt"),
        "is no revocation list",
    );
    parties.ok("revocation sign --key %/agent.pem --out %/foreign.txt");
    parties.refused(
        1,
        &verify("--revocations %/foreign.txt"),
        "which is not trusted here",
    );
    parties.refused(
        1,
        &verify("--without-revocation --key %/team.pem"),
        "the token is held by the key ",
    );
    parties.refused(8, "attestation verify @%/agent.token --without-revocation --public cnvpub1.JCO2C_N1FXTeTVdqdbYQI640F219JIN0n5JCu9R7Q-E", "is not trusted here");

    // One character of the agent's signature.
    let token = parties.token("agent.token");
    let at = token.len() - 20;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    parties.folder.file(
        "changed.token",
        format!("{}{other}{}", &token[..at], &token[at + 1..]),
    );
    let changed = "attestation verify @%/changed.token --store %/roots.txt --without-revocation --audience ops";
    parties
        .refused(
            8,
            changed,
            "link 2 of 2: the signature is not that of the trusted key ",
        )
        .says("forged or was changed; do not use it");
}

#[test]
fn verify_with_a_state_takes_no_older_list_and_no_earlier_time() {
    let parties = Parties::new();
    let verify = "attestation verify @%/team.token --store %/roots.txt --audience ops --revocations %/revoked.txt";
    let first = fs::read_to_string(parties.folder.path("revoked.txt")).unwrap();
    parties.ok("attestation revoke @%/team.token --key %/root.pem --list %/revoked.txt");
    let revoked = "is revoked";
    parties.refused(8, &format!("{verify} --state %/state"), revoked);

    // Somebody puts the list back that was before.
    parties.folder.file("revoked.txt", &first);
    parties.ok(verify);
    let older = "the revocation list 1 is older than 2, which was seen already";
    parties.refused(1, &format!("{verify} --state %/state"), older);
    let state = parties.folder.path("state");
    let ended = expect(1, parties.cnv(verify).env("CNV_STATE", &state));
    ended.says(older);
    // A question about another time is another question.
    let at = Timestamp::now();
    parties.ok(&format!("{verify} --state %/state --at {at}"));

    // And the clock: at a later time the token has expired.
    let floors = fs::read_to_string(state.join("floors")).unwrap();
    let end = parties.chain("team.token").leaf().expires_at();
    let clock = format!("clock {}\n", end.as_unix_seconds());
    let later = format!("cnvfloors1\n{clock}");
    fs::write(state.join("floors"), later).unwrap();
    let verify = verify.replace("--revocations %/revoked.txt", "--without-revocation");
    parties.refused(
        8,
        &format!("{verify} --state %/state"),
        &format!("the attestation expired 0 s ago, at {end}"),
    );
    // What cannot be read is not taken for a first start.
    fs::write(state.join("floors"), floors.trim_end()).unwrap();
    parties.refused(
        1,
        &format!("{verify} --state %/state"),
        "does not hold the time and the numbers",
    );
}

/// A pipe is not waited for, and what others can write is not believed.
#[cfg(target_os = "linux")]
#[test]
fn what_others_could_change_is_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let parties = Parties::new();
    let verify = |token: &str, store: &str, list: &str| {
        format!(
            "attestation verify @%/{token} --store %/{store} --audience ops --revocations %/{list}"
        )
    };
    let pipe = parties.folder.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let usual = ["team.token", "roots.txt", "revoked.txt"];
    for place in 0..usual.len() {
        let mut names = usual;
        names[place] = "pipe";
        let [token, store, list] = names;
        parties.refused(1, &verify(token, store, list), "is not a file");

        let path = parties.folder.path(usual[place]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        let [token, store, list] = usual;
        parties.refused(
            1,
            &verify(token, store, list),
            "has mode 0664: others could change it",
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    parties.refused(1, "key show %/pipe", "is not a file");
}

// revoke

#[test]
fn revoke_takes_a_link_a_key_or_what_was_issued_before() {
    let parties = Parties::new();
    parties.delegate();
    let chain = parties.chain("agent.token");
    let revoke = "attestation revoke --key %/root.pem --list %/revoked.txt";
    let verify = "attestation verify @%/agent.token --store %/roots.txt --audience ops --revocations %/revoked.txt";
    parties.ok(verify);

    let last = parties.ok(&format!("{revoke} @%/agent.token"));
    assert_eq!((&last["number"], &last["added"]), (&json!(2), &json!(1)));
    let leaf = chain.leaf().id().to_string();
    assert_eq!(last["revoked"], json!([{ "kind": "link", "id": leaf }]));
    parties.refused(
        8,
        verify,
        &format!("link 2 of 2: the link {leaf} is revoked"),
    );
    let first = parties.ok(&format!("{revoke} @%/agent.token --link 1"));
    assert_eq!(first["entries"], 2);
    parties.refused(8, verify, "link 1 of 2: the link ");
    // Again adds nothing, and the list has the next number.
    let again = parties.ok(&format!("{revoke} --id {leaf}"));
    assert_eq!((&again["number"], &again["added"]), (&json!(4), &json!(0)));

    let parties = Parties::new();
    parties.delegate();
    let agent = PrivateKey::from_seed(&[3; 32]).public_key().id();
    let team = PrivateKey::from_seed(&[2; 32]).public_key().id();
    parties.ok(&format!("{revoke} --key-id {agent}"));
    parties.refused(
        8,
        verify,
        &format!("link 2 of 2: the key {agent} is revoked"),
    );
    let parties = Parties::new();
    parties.delegate();
    let before = parties.ok(&format!(
        "{revoke} --issued-before {team}=2099-01-01T00:00:00Z"
    ));
    assert_eq!(
        before["revoked"],
        json!([{ "kind": "issued_before", "id": team.to_string(), "before": "2099-01-01T00:00:00Z" }])
    );
    parties.refused(
        8,
        verify,
        &format!("link 2 of 2: what the key {team} issued before 2099-01-01T00:00:00Z is revoked"),
    );
}

/// Each adds to the list that another one has just put there.
#[test]
fn revocations_at_the_same_time_are_all_on_the_list() {
    let parties = Parties::new();
    let ids: Vec<String> = (1..=8).map(|id| format!("{id:064x}")).collect();
    let running: Vec<_> = ids
        .iter()
        .map(|id| {
            let revoke =
                format!("attestation revoke --key %/root.pem --list %/revoked.txt --id {id}");
            let mut revoke = parties.cnv(&revoke);
            revoke.stdout(Stdio::null()).stderr(Stdio::piped());
            revoke.spawn().unwrap()
        })
        .collect();
    for child in running {
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{told}");
    }
    let text = fs::read_to_string(parties.folder.path("revoked.txt")).unwrap();
    let list: RevocationList = text.trim().parse().unwrap();
    assert_eq!((list.number(), list.entries().len()), (9, 8));
}

#[cfg(unix)]
#[test]
fn a_list_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let parties = Parties::new();
    let list = parties.folder.path("revoked.txt");
    let mode = || fs::metadata(&list).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode() & 0o022, 0);
    fs::set_permissions(&list, fs::Permissions::from_mode(0o640)).unwrap();
    let id = "9".repeat(64);
    parties.ok(&format!(
        "attestation revoke --key %/root.pem --list %/revoked.txt --id {id}"
    ));
    assert_eq!(mode(), 0o640);
}

#[test]
fn revoke_refuses_what_would_revoke_nothing() {
    let parties = Parties::new();
    let revoke = "attestation revoke --list %/revoked.txt --key";
    parties.refused(2, &format!("{revoke} %/root.pem"), "name what to revoke");
    parties.refused(2, &format!("{revoke} %/root.pem --link 1"), "@FILE|-");
    parties.refused(2, &format!("{revoke} %/root.pem --id 12"), "--id");
    for link in [0, 2] {
        parties.refused(
            1,
            &format!("{revoke} %/root.pem @%/team.token --link {link}"),
            "it has links 1 to 1",
        );
    }
    parties.refused(
        1,
        &format!("{revoke} %/team.pem @%/team.token"),
        "is not believed",
    );
    parties.refused(
        1,
        &format!("{revoke} %/roots.txt @%/team.token"),
        "mode 0644",
    );
    let missing = "attestation revoke @%/team.token --key %/root.pem --list %/none.txt";
    parties.refused(
        1,
        missing,
        "make the first with `cnv revocation sign --key FILE --out ",
    );
    // The environment's token is not taken back by mistake.
    let mut nothing = parties.cnv(&format!("{revoke} %/root.pem"));
    expect(
        2,
        nothing.env("CNV_ATTESTATION", parties.token("team.token")),
    )
    .says("name what to revoke");
    let list = parties.ok("revocation show %/revoked.txt");
    assert_eq!((&list["number"], &list["links"]), (&json!(1), &json!(0)));
}

// Programs.

#[test]
fn a_program_asks_for_the_holders_key() {
    let parties = Parties::new();
    parties.delegate();
    let agent = parties.folder.path("agent.pem");
    let run = || parties.ops("agent.token");
    expect(0, run().env("CNV_KEY", &agent)).says("attested read_only for agent-42 by root");
    let stolen = expect(8, &mut run());
    stolen.wrote_nothing();
    stolen.says("name the file of its private half in CNV_KEY");
    stolen.says("error: attestation refused: `log scan` requires");
    let other = expect(8, run().env("CNV_KEY", parties.folder.path("team.pem")));
    other.says("the attestation is held by the key ");
    let missing = expect(8, run().env("CNV_KEY", parties.folder.path("missing.pem")));
    missing.says("cannot use the private key's file");
    // The team's token is good for the team.
    expect(
        0,
        parties
            .ops("team.token")
            .env("CNV_KEY", parties.folder.path("team.pem")),
    );
}

#[test]
fn a_program_asks_the_list_that_the_environment_names() {
    let parties = Parties::new();
    parties.delegate();
    fs::create_dir(parties.folder.path("logs")).unwrap();
    let run = |list: &str| {
        let mut ops = parties.ops("agent.token");
        ops.env("CNV_KEY", parties.folder.path("agent.pem"))
            .env("CNV_REVOCATIONS", parties.folder.path(list))
            .env("CNV_AUDIT", parties.folder.path("logs"))
            .env("CNV_AUDIT_KEY", parties.folder.path("root.pem"));
        ops
    };
    // The reason is in the log, and nowhere else.
    let is_denied = |list: &str, reason: &str| {
        let denied = expect(8, &mut run(list));
        denied.says("error: attestation refused: `log scan` requires");
        assert!(!denied.stderr.contains(reason), "{}", denied.stderr);
        let tail = parties.ok("audit tail %/logs/ops --count 1");
        let detail = tail[0]["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{detail}");
    };
    expect(0, &mut run("revoked.txt"));
    for (list, says) in [
        ("missing", "cannot read the revocation list"),
        ("roots.txt", "is none"),
        ("", "is not a file"),
    ] {
        is_denied(list, says);
    }
    parties.ok("revocation sign --key %/agent.pem --out %/foreign.txt");
    is_denied("foreign.txt", "which is not in the trust store");
    let past = cnv::attestation::RevocationList::sign(
        Default::default(),
        7,
        Timestamp::from_unix_seconds(1_500_000_000),
        Timestamp::from_unix_seconds(1_500_003_600),
        &parties.root,
    );
    parties.folder.file("stale.txt", past.unwrap().to_string());
    is_denied("stale.txt", "cannot be used");
    parties.ok("attestation revoke @%/agent.token --link 1 --key %/root.pem --list %/revoked.txt");
    is_denied("revoked.txt", "link 1 of 2: the link ");
}

#[test]
fn a_program_records_its_calls_where_the_environment_says() {
    let parties = Parties::new();
    parties.delegate();
    fs::create_dir(parties.folder.path("logs")).unwrap();
    let run = || {
        let mut ops = parties.ops("agent.token");
        ops.env("CNV_AUDIT", parties.folder.path("logs"));
        ops
    };
    let unsigned = expect(1, &mut run());
    unsigned.wrote_nothing();
    unsigned.says("the call was not run, because it cannot be recorded: CNV_AUDIT names an audit log, and CNV_AUDIT_KEY no private key");
    let root = parties.folder.path("root.pem");
    expect(
        0,
        run()
            .env("CNV_AUDIT_KEY", &root)
            .env("CNV_KEY", parties.folder.path("agent.pem")),
    );
    expect(8, run().env("CNV_AUDIT_KEY", &root));
    let tail = parties.ok("audit tail %/logs/ops");
    let decisions: Vec<&Value> = tail
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["decision"])
        .collect();
    assert_eq!(decisions, ["allowed", "allowed", "denied: possession"]);
    assert_eq!(tail[1]["outcome"], "ok");
    assert_eq!(tail[1]["links"].as_array().unwrap().len(), 2);
    let public = parties.root.public_key();
    let verified = parties.ok(&format!("audit verify %/logs/ops --public {public}"));
    assert_eq!(verified["entries"], 3);
    let nowhere = expect(
        1,
        run()
            .env("CNV_AUDIT", parties.folder.path("none"))
            .env("CNV_AUDIT_KEY", &root),
    );
    nowhere.says("cannot open the audit log");
}

/// A command that asks for no attestation is not kept from running by one that cannot be read.
#[test]
fn a_public_command_needs_no_token() {
    let parties = Parties::new();
    let mut show = parties.cnv("key show %/root.pub");
    expect(0, show.env("CNV_ATTESTATION", "@/nonexistent"));
}

#[test]
fn a_public_key_goes_into_a_file_of_its_own() {
    let parties = Parties::new();
    let made = parties.ok("key new %/new.pem --name ops-2026 --public-out %/store.txt");
    let line = fs::read_to_string(parties.folder.path("store.txt")).unwrap();
    assert_eq!(Value::from(line.trim_end()), made["trust_store_line"]);
    let shown = parties.ok("key show %/store.txt");
    assert_eq!(shown["keys"][0]["key_id"], made["key_id"]);
    // Nothing is overwritten, and no half is left alone.
    parties.refused(
        1,
        "key new %/other.pem --public-out %/store.txt",
        "cannot write the public key",
    );
    assert!(!parties.folder.path("other.pem").exists());
    parties.refused(
        1,
        "key new %/new.pem --public-out %/other.pub",
        "exists already",
    );
    assert!(!parties.folder.path("other.pub").exists());
    assert_eq!(
        fs::read_to_string(parties.folder.path("store.txt")).unwrap(),
        line
    );
}
