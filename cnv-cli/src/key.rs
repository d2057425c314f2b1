//! `cnv key`: makes, imports and shows keys, and rotates the set of those that are believed.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::{
    KeySet, KeySetError, PrivateKey, PublicKey, TrustStore, TrustedKeys, key_file,
};
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

use crate::{public_key, publish};

const KEY_SET: &str = "key set";
const PUBLIC_KEY: &str = "public key";
/// What a file with a private key starts with.
const PRIVATE_PEM: &[u8] = b"-----BEGIN PRIVATE KEY-----";
const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----";
/// A key set among spaces and line ends.
const MAX_INPUT_BYTES: usize = KeySet::MAX_TEXT_LEN + 4096;

/// A key that was made; the private half is in the file.
#[derive(Debug, Serialize)]
pub struct NewKey {
    file: String,
    key_id: String,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_store_line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Makes a key and writes its private half to a new file.
///
/// The file is PKCS#8 in PEM and has mode 0600. An existing file is never overwritten. Give the public
/// key to whoever is to believe what the private key signs: as a line of a trust store it is the key and
/// a name, which `--name` prints ready to be copied.
///
/// Examples:
///   cnv key new root.pem --name root --public-out roots.txt
///   cnv key new agent.pem --public-out agent.pub
#[verb(noun = "key", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 10)]
pub fn new(
    /// The file to make
    file: PathBuf,
    /// Also print the line for a trust store, with this name
    #[arg(long)]
    name: Option<String>,
    /// Also write the public key to this new file; with --name it is a trust store with this key
    #[arg(long, value_name = "FILE")]
    public_out: Option<PathBuf>,
) -> Result<NewKey, Failure> {
    let (key, _) = PrivateKey::try_generate()?;
    keep(&key, &file, name, public_out)
}

/// Writes a key to a new file, and its public half to another.
fn keep(
    key: &PrivateKey,
    file: &Path,
    name: Option<String>,
    public_out: Option<PathBuf>,
) -> Result<NewKey, Failure> {
    let public = key.public_key();
    if let Some(name) = &name {
        // Refuses a name that a trust store would refuse, before there is a file.
        TrustStore::new().add(name, public)?;
    }
    if let Some(path) = &public_out {
        let name = name.as_deref().map(|name| format!("  {name}"));
        let line = format!("{public}{}", name.unwrap_or_default());
        publish::create(path, PUBLIC_KEY, &line)?;
    }
    // Opening, writing and waiting for the disk.
    charge_io(3)?;
    if let Err(error) = key_file::create(file, key) {
        if let Some(path) = &public_out {
            // The first error is the one to report.
            let _ = fs::remove_file(path);
        }
        return Err(error.into());
    }
    Ok(NewKey {
        file: file.display().to_string(),
        key_id: public.id().to_string(),
        public_key: public.to_string(),
        trust_store_line: name.map(|name| format!("{public}  {name}")),
        public_file: public_out.map(|path| path.display().to_string()),
        note: None,
    })
}

/// Imports a private key that another tool made, into a new file that only you can read.
///
/// The key is Ed25519 in PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` writes it, unencrypted. The
/// file that it comes from stays as it is: remove it when the new one is in use.
#[verb(noun = "key", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 100)]
pub fn import(
    /// The PEM file of the other tool
    pem: PathBuf,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also print the line for a trust store, with this name
    #[arg(long)]
    name: Option<String>,
) -> Result<NewKey, Failure> {
    // Looking at the file, opening it and reading it.
    charge_io(3)?;
    let (key, mode) = key_file::import(&pem)?;
    let mut made = keep(&key, &out, name, None)?;
    made.note = mode.map(|mode| {
        format!(
            "`{}` has mode {mode:04o}: if others could read it, they have this key; make a new one",
            pem.display()
        )
    });
    Ok(made)
}

/// One key, or a set of them.
#[derive(Debug, Serialize)]
pub struct ShownKeys {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    keys: Vec<KeyRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct KeyRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    key_id: String,
    public_key: String,
}

impl KeyRow {
    fn of(key: PublicKey) -> Self {
        Self {
            name: None,
            key_id: key.id().to_string(),
            public_key: key.to_string(),
        }
    }
}

/// Shows the public half of a key, or the keys of a set. It never shows a private key.
///
/// A key from elsewhere is checked as it is when it is trusted: a point of the curve, canonical, in the
/// prime-order subgroup.
#[verb(noun = "key", effect = "read")]
#[budget(memory = "1MB", cpu = "200ms", io = 100)]
pub fn show(
    /// A public key (cnvpub1...), or the file of a private key, a public key or a key set
    #[arg(value_name = "KEY|FILE")]
    key: PathBuf,
) -> Result<ShownKeys, Failure> {
    let one = |kind, key| ShownKeys {
        kind,
        version: None,
        digest: None,
        keys: vec![KeyRow::of(key)],
        signed_by: None,
    };
    if let Some(text) = key
        .to_str()
        .filter(|text| text.starts_with(PublicKey::PREFIX))
    {
        return Ok(one(PUBLIC_KEY, text.parse()?));
    }
    // No more of it is read, so that no private key is read where it is not erased.
    if publish::starts_with(&key, "key", PRIVATE_PEM)? {
        charge_io(3)?;
        return Ok(one("private key", key_file::load(&key)?.public_key()));
    }
    let content = publish::read(&key, "key", MAX_INPUT_BYTES)?;
    let text = str::from_utf8(&content).unwrap_or_default().trim();
    if text.starts_with(KeySet::PREFIX) {
        return Ok(shown_set(&text.parse()?));
    }
    if text.starts_with(PUBLIC_PEM) || text.starts_with(PublicKey::PREFIX) {
        return Ok(one(PUBLIC_KEY, public_key::in_text(text)?));
    }
    Err(NoKey { path: key }.into())
}

/// A file holds no key.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` has no key: it starts with neither `{PUBLIC_PEM}`, `-----BEGIN PRIVATE KEY-----`, `{}` nor `{}`",
    path.display(), PublicKey::PREFIX, KeySet::PREFIX
)]
pub struct NoKey {
    path: PathBuf,
}

fn shown_set(set: &KeySet) -> ShownKeys {
    ShownKeys {
        kind: KEY_SET,
        version: Some(set.version()),
        digest: Some(set.digest().to_string()),
        keys: set
            .keys()
            .map(|root| KeyRow {
                name: Some(root.name().to_owned()),
                ..KeyRow::of(*root.key())
            })
            .collect(),
        signed_by: Some(set.signers().map(|id| id.to_string()).collect()),
    }
}

/// `NAME=FILE`.
#[derive(Debug, Clone)]
pub struct NamedFile {
    name: String,
    file: PathBuf,
}

/// What was written has no `=`.
#[derive(Debug, thiserror::Error)]
#[error("write a name, `=` and the file of a private key, such as ops-2027=ops-2027.pem")]
pub struct NoNamedFile;

impl FromStr for NamedFile {
    type Err = NoNamedFile;

    fn from_str(text: &str) -> Result<Self, NoNamedFile> {
        let (name, file) = text.split_once('=').ok_or(NoNamedFile)?;
        Ok(Self {
            name: name.to_owned(),
            file: file.into(),
        })
    }
}

/// Makes the next version of a set of keys, or the first.
///
/// The next version is signed by a key of the version before, `--key`, and by every key that is added,
/// which proves that somebody holds it. Whoever believes the version before believes this one.
#[verb(noun = "key", effect = "write", public)]
#[budget(memory = "1MB", cpu = "500ms", io = 1000)]
pub fn rotate(
    /// The version before [default: make the first]
    #[arg(long, value_name = "FILE", requires = "key")]
    set: Option<PathBuf>,
    /// The private key of the version before that signs the next
    #[arg(long, value_name = "FILE", requires = "set")]
    key: Option<PathBuf>,
    /// Add the key in this file under this name; may be given several times
    #[arg(long, value_name = "NAME=FILE")]
    add: Vec<NamedFile>,
    /// Remove the key with this name; may be given several times
    #[arg(long, value_name = "NAME", requires = "set")]
    remove: Vec<String>,
    /// The file for the new version; a key set that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
) -> Result<ShownKeys, Failure> {
    let _lock = publish::lock(&out, KEY_SET)?;
    let mut signers = Vec::new();
    let mut keys = Vec::new();
    let before = set.map(|path| read_set(&path)).transpose()?;
    for root in before.iter().flat_map(|before| before.key_set().keys()) {
        keys.push((root.name().to_owned(), *root.key()));
    }
    for name in remove {
        let place = keys.iter().position(|(known, _)| *known == name);
        keys.remove(place.ok_or(NotInSet { name })?);
    }
    for NamedFile { name, file } in add {
        charge_io(3)?;
        let key = key_file::load(file)?;
        keys.push((name, key.public_key()));
        signers.push(key);
    }
    if let Some(path) = key {
        charge_io(3)?;
        signers.push(key_file::load(path)?);
    }
    let mut next = match &before {
        Some(before) => before.key_set().next(keys)?,
        None => KeySet::first(keys)?,
    };
    for signer in &signers {
        next.sign(signer)?;
    }
    // What nobody would believe is not written.
    let trusted = match before {
        Some(before) => before.rotate(next)?,
        None => TrustedKeys::pin(next)?,
    };
    let next = trusted.key_set();
    publish::replace(&out, KEY_SET, KeySet::PREFIX, &next.to_string())?;
    Ok(shown_set(next))
}

fn read_set(path: &Path) -> Result<TrustedKeys, Failure> {
    let content = publish::read(path, KEY_SET, MAX_INPUT_BYTES)?;
    let text = str::from_utf8(&content).unwrap_or_default();
    let set = text.trim().parse().and_then(TrustedKeys::pin);
    Ok(set.map_err(|source| NoKeySet {
        path: path.into(),
        source,
    })?)
}

/// A file holds no key set that is in order.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is no key set", path.display())]
pub struct NoKeySet {
    path: PathBuf,
    #[source]
    source: KeySetError,
}

/// The name of a key to remove is not in the set.
#[derive(Debug, thiserror::Error)]
#[error("the set has no key with the name `{name}`; `cnv key show` lists them")]
pub struct NotInSet {
    name: String,
}
