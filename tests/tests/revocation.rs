//! `cnv revocation` and `cnv key`, run as a user runs them, and a list of a million entries.

mod programs;

use std::fs;
use std::path::PathBuf;

use cnv::attestation::revocation::{
    RevocationDelta, RevocationEntries, RevocationEntry, RevocationList, RevocationSet,
    RevocationUpdate,
};
use cnv::attestation::{AttestationId, KeyId, PrivateKey, Timestamp, TrustedKeys, key_file};
use cnv::quota::{Limits, MeteredAllocator, measure};
use programs::{program, programs};
use serde_json::Value;
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

// The program.

/// A folder to work in, and what is run there.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A private key in a file of this name.
    fn key(&self, name: &str) -> PrivateKey {
        let (key, _) = PrivateKey::generate();
        key_file::create(self.path(name), &key).unwrap();
        key
    }

    #[track_caller]
    fn run(&self, code: i32, line: &str) -> (String, String) {
        let output = program(&programs().cnv)
            .current_dir(self.0.path())
            .args(line.split(' '))
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        (stdout, stderr)
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.run(0, &format!("{line} --json")).0).unwrap()
    }

    /// What it says on standard error when it refuses.
    #[track_caller]
    fn refuses(&self, line: &str, says: &str) {
        let (_, stderr) = self.run(1, line);
        assert!(stderr.contains(says), "{line}: {stderr}");
    }

    fn list(&self, name: &str) -> RevocationList {
        fs::read_to_string(self.path(name))
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }
}

const LINK: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const OTHER: &str = "0202020202020202020202020202020202020202020202020202020202020202";
const KEY_ID: &str = "03030303030303030303030303030303";

fn link(byte: u8) -> RevocationEntry {
    RevocationEntry::Link(AttestationId::from_bytes([byte; 32]))
}

#[test]
fn lists_are_signed_one_after_the_other() {
    let desk = Desk::new();
    let key = desk.key("ops.pem");
    let first = desk.json(&format!(
        "revocation sign --key ops.pem --link {LINK} --key-id {KEY_ID} --issued-before {KEY_ID}=2026-01-01T00:00:00Z --out list"
    ));
    assert_eq!(
        (&first["number"], &first["entries"]),
        (&1.into(), &3.into())
    );
    let one = desk.list("list");
    let lost = KeyId::from_bytes([3; 16]);
    let expected: RevocationEntries = [
        link(1),
        RevocationEntry::Key(lost),
        RevocationEntry::IssuedBefore {
            issuer: lost,
            before: Timestamp::from_unix_seconds(1_767_225_600),
        },
    ]
    .into_iter()
    .collect();
    assert_eq!(one.entries(), &expected);
    assert_eq!(
        one.next_update().seconds_since(one.issued_at()),
        24 * 60 * 60
    );

    // The file is replaced by the list that follows, and the delta leads there.
    let second = desk.json(&format!(
        "revocation sign --key ops.pem --base list --link {OTHER} --next-update 6h --out list --delta delta"
    ));
    assert_eq!(
        (&second["number"], &second["added"]),
        (&2.into(), &1.into())
    );
    let two = desk.list("list");
    assert_eq!(
        two.next_update().seconds_since(two.issued_at()),
        6 * 60 * 60
    );
    let delta = RevocationUpdate::read(&fs::read(desk.path("delta")).unwrap()).unwrap();
    let RevocationUpdate::Delta(delta) = delta else {
        panic!("{delta:?}");
    };
    let public = key.public_key();
    let set = RevocationSet::new(one, &public, Timestamp::now()).unwrap();
    let set = set.apply_delta(&delta, &public, Timestamp::now()).unwrap();
    assert_eq!(set.list(), &two);

    let third = desk.json(&format!(
        "revocation sign --key ops.pem --base list --remove {KEY_ID} --number 9"
    ));
    assert_eq!(
        (&third["number"], &third["entries"]),
        (&9.into(), &2.into())
    );
    let printed: RevocationList = third["list"].as_str().unwrap().parse().unwrap();
    assert_eq!(printed.entries(), &[link(1), link(2)].into_iter().collect());
    assert!(printed.verify(&public).is_ok());
    assert_eq!(desk.list("list"), two);
}

#[test]
fn sign_says_what_is_wrong() {
    let desk = Desk::new();
    desk.key("ops.pem");
    desk.key("other.pem");
    desk.run(0, "revocation sign --key ops.pem --out list");
    let sign = "revocation sign --key ops.pem";
    desk.refuses(
        "revocation sign --key other.pem --base list",
        "issued by the key",
    );
    desk.refuses(&format!("{sign} --base ops.pem"), "is no revocation list");
    desk.refuses(
        &format!("{sign} --base list --number 1"),
        "has to be above 1",
    );
    desk.refuses(
        &format!("{sign} --base list --remove {LINK}"),
        "cannot be taken off",
    );
    desk.refuses(&format!("{sign} --next-update 367d"), "next update");
    let before = fs::read(desk.path("other.pem")).unwrap();
    desk.refuses(&format!("{sign} --out other.pem"), "it is not replaced");
    assert_eq!(fs::read(desk.path("other.pem")).unwrap(), before);
    desk.run(
        0,
        &format!("{sign} --base list --link {LINK} --out next --delta delta"),
    );
    desk.refuses(&format!("{sign} --base delta"), "is a delta");
    for (option, wrong) in [
        ("--link", KEY_ID),
        ("--key-id", LINK),
        ("--issued-before", "now"),
    ] {
        desk.run(2, &format!("{sign} {option} {wrong}"));
    }
}

#[test]
fn show_tells_what_was_verified() {
    let desk = Desk::new();
    let public = desk.key("ops.pem").public_key();
    let stranger = desk.key("other.pem").public_key();
    let sign = "revocation sign --key ops.pem";
    desk.run(0, &format!("{sign} --link {LINK} --out one"));
    desk.run(
        0,
        &format!("{sign} --base one --key-id {KEY_ID} --out two --delta delta"),
    );

    let shown = desk.json("revocation show two");
    assert_eq!(
        (&shown["kind"], &shown["verified"]),
        (&"list".into(), &false.into())
    );
    assert_eq!((&shown["links"], &shown["keys"]), (&1.into(), &1.into()));
    assert!(shown["note"].as_str().unwrap().contains("not verified"));
    let shown = desk.json(&format!("revocation show delta --public {public}"));
    assert_eq!(
        (&shown["kind"], &shown["verified"]),
        (&"delta".into(), &true.into())
    );
    assert_eq!(
        (&shown["base_number"], &shown["number"]),
        (&1.into(), &2.into())
    );
    assert_eq!((&shown["links"], &shown["keys"]), (&0.into(), &1.into()));
    for file in ["two", "delta"] {
        desk.refuses(
            &format!("revocation show {file} --public {stranger}"),
            "not believed",
        );
    }
    let (table, _) = desk.run(0, "revocation show two --entries");
    assert!(table.contains(LINK) && table.contains(KEY_ID), "{table}");
    desk.refuses("revocation show ops.pem", "is no revocation list");
    desk.refuses("revocation show none", "cannot read");
}

#[test]
fn merge_takes_the_lists_that_are_believed() {
    let desk = Desk::new();
    desk.key("ops.pem");
    let other = desk.key("other.pem").public_key();
    desk.run(
        0,
        &format!("revocation sign --key ops.pem --number 4 --link {LINK} --out own"),
    );
    desk.run(
        0,
        &format!("revocation sign --key other.pem --number 9 --link {OTHER} --out theirs"),
    );
    let merge = "revocation merge own theirs --key ops.pem --out merged";
    desk.refuses(merge, "not believed");
    fs::write(desk.path("trust"), format!("{other} other\n")).unwrap();
    let merged = desk.json(&format!("{merge} --store trust"));
    // After one's own list, whatever number theirs has.
    assert_eq!(
        (&merged["number"], &merged["entries"]),
        (&5.into(), &2.into())
    );
    assert_eq!(
        desk.list("merged").entries(),
        &[link(1), link(2)].into_iter().collect()
    );
}

#[test]
fn keys_are_imported_and_shown() {
    let desk = Desk::new();
    let key = desk.key("ops.pem");
    let public = key.public_key();
    // As another tool leaves it.
    let pem = key.to_pkcs8_pem();
    fs::write(desk.path("loose.pem"), &*pem).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(desk.path("loose.pem"), mode).unwrap();
        let imported = desk.json("key import loose.pem --out tight.pem --name ops");
        assert!(imported["note"].as_str().unwrap().contains("0644"));
        let mode = fs::metadata(desk.path("tight.pem"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        desk.refuses("key show loose.pem", "chmod 600");
    }
    #[cfg(not(unix))]
    desk.json("key import loose.pem --out tight.pem --name ops");
    assert_eq!(
        key_file::load(desk.path("tight.pem")).unwrap().public_key(),
        public
    );
    desk.refuses("key import loose.pem --out tight.pem", "never overwritten");
    let imported = desk.json("key import ops.pem --out again.pem");
    assert_eq!(
        (&imported["note"], &imported["key_id"]),
        (&Value::Null, &public.id().to_string().into())
    );

    fs::write(desk.path("pub"), format!("{public}\n")).unwrap();
    for given in ["ops.pem", "pub", &public.to_string()] {
        let (text, _) = desk.run(0, &format!("key show {given} --json"));
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            shown["keys"][0]["public_key"],
            public.to_string(),
            "{given}"
        );
        let secret: String = pem.lines().nth(1).unwrap().into();
        assert!(!text.contains(&secret));
    }
    let neutral = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
        -----END PUBLIC KEY-----\n";
    fs::write(desk.path("weak"), neutral).unwrap();
    desk.refuses("key show weak", "small order");
    fs::write(desk.path("text"), "nothing").unwrap();
    desk.refuses("key show text", "has no key");
    desk.refuses("key import text --out new.pem", "holds no private key");
}

#[test]
fn a_set_of_keys_is_rotated() {
    let desk = Desk::new();
    for name in ["a.pem", "b.pem", "c.pem"] {
        desk.key(name);
    }
    desk.run(0, "key rotate --add a=a.pem --add b=b.pem --out keys");
    let set = |name: &str| {
        let text = fs::read_to_string(desk.path(name)).unwrap();
        text.trim().parse().unwrap()
    };
    let trusted = TrustedKeys::pin(set("keys")).unwrap();
    let rotate = "key rotate --set keys --remove a --add c=c.pem --out keys --key";
    desk.refuses(&format!("{rotate} c.pem"), "no key of the version before");
    assert_eq!(set("keys"), *trusted.key_set());
    let rotated = desk.json(&format!("{rotate} a.pem"));
    assert_eq!(rotated["version"], 2);
    let trusted = trusted.rotate(set("keys")).unwrap();
    let mut names: Vec<_> = trusted.store().iter().map(|root| root.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["b", "c"]);
    let shown = desk.json("key show keys");
    assert_eq!(
        (&shown["version"], &shown["keys"]),
        (&2.into(), &rotated["keys"])
    );

    let rotate = "key rotate --set keys --key b.pem --out keys";
    desk.refuses(&format!("{rotate} --remove a"), "no key with the name `a`");
    desk.refuses(
        &format!("{rotate} --add b=a.pem"),
        "another key has the name",
    );
    desk.refuses(&format!("{rotate} --remove b --remove c"), "0 keys");
    desk.refuses("key rotate --add a=a.pem --out c.pem", "it is not replaced");
    desk.refuses(
        "key rotate --set a.pem --key b.pem --out keys",
        "is no key set",
    );
    desk.run(2, "key rotate --set keys --out keys");
}

// A million entries.

/// What `work` returns, and how much memory it held at its peak.
fn peak<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (result, usage) = measure("test", Limits::unlimited(), work);
    (
        result,
        usage.memory_peak_bytes.expect("the allocator counts"),
    )
}

/// Ids as evenly spread as digests are, in ascending order, which saves the time to sort them.
fn spread(number: u64, of: u64) -> AttestationId {
    let mut bytes = [number as u8; 32];
    bytes[..8].copy_from_slice(&(number * (u64::MAX / (of + 1))).to_be_bytes());
    AttestationId::from_bytes(bytes)
}

fn large_list(
    key: &PrivateKey,
    number: u64,
    ids: impl Iterator<Item = AttestationId>,
) -> RevocationList {
    let moment = Timestamp::from_unix_seconds;
    let entries = ids.map(RevocationEntry::Link).collect();
    RevocationList::sign(entries, number, moment(100), moment(200), key).unwrap()
}

#[test]
fn a_million_entries_take_the_memory_of_their_bytes() {
    const ENTRIES: u64 = 1_000_000;
    let (key, public) = PrivateKey::generate();
    let now = Timestamp::from_unix_seconds(100);
    let id = |number| spread(number, ENTRIES);
    let bytes = large_list(&key, 1, (0..ENTRIES).map(id)).to_bytes();
    let len = bytes.len() as u64;
    assert!(len < 32 * ENTRIES + 1000);

    let (list, read) = peak(|| RevocationList::from_bytes(&bytes).unwrap());
    assert!(read <= len, "{read} of {len}");
    let (set, index) = peak(|| RevocationSet::new(list, &public, now).unwrap());
    assert!(index <= 4 * ENTRIES, "{index}");
    assert!(
        set.size_bytes() as u64 <= 36 * ENTRIES,
        "{}",
        set.size_bytes()
    );

    let issuer = KeyId::from_bytes([7; 16]);
    let is_revoked = |number| set.find(&id(number), &issuer, now, None).is_some();
    assert!((0..ENTRIES).step_by(997).all(is_revoked));
    assert!(!is_revoked(ENTRIES));
}

#[test]
fn a_text_and_a_delta_take_one_copy_more() {
    const ENTRIES: u64 = 50_000;
    let (key, public) = PrivateKey::generate();
    let now = Timestamp::from_unix_seconds(100);
    let id = |number| spread(number, ENTRIES);
    let first = large_list(&key, 1, (0..ENTRIES).map(id));
    let second = large_list(&key, 2, (0..=ENTRIES).map(id));
    let delta = RevocationDelta::between(&first, &second).unwrap();
    let len = first.to_bytes().len() as u64;

    // The decoded bytes, and the entries.
    let text = first.to_string();
    let (_, read) = peak(|| RevocationUpdate::read(text.as_bytes()).unwrap());
    assert!(read <= 2 * len + 1000, "{read} of {len}");
    // The next set, beside the one in force.
    let set = RevocationSet::new(first, &public, now).unwrap();
    let (next, apply) = peak(|| set.apply_delta(&delta, &public, now).unwrap());
    assert!(apply <= 36 * ENTRIES, "{apply}");
    assert_eq!(next.list(), &second);
}
