//! `cnv key`: makes keys to issue attestations with.

use std::path::PathBuf;

use cnv::attestation::{PrivateKey, TrustStore, key_file};
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

/// A key that was made; the private half is in the file.
#[derive(Debug, Serialize)]
pub struct NewKey {
    file: String,
    key_id: String,
    public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_store_line: Option<String>,
}

/// Makes a key and writes its private half to a new file.
///
/// The file is PKCS#8 in PEM and has mode 0600. An existing file is never overwritten. Give the public
/// key to whoever is to believe what the private key signs: as a line of a trust store it is the key and
/// a name, which `--name` prints ready to be copied.
#[verb(noun = "key", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 3)]
pub fn new(
    /// The file to make
    file: PathBuf,
    /// Also print the line for a trust store, with this name
    #[arg(long)]
    name: Option<String>,
) -> Result<NewKey, Failure> {
    let (key, public) = PrivateKey::try_generate()?;
    if let Some(name) = &name {
        // Refuses a name that a trust store would refuse, before there is a file.
        TrustStore::new().add(name, public)?;
    }
    // Opening, writing and waiting for the disk.
    charge_io(3)?;
    key_file::create(&file, &key)?;
    Ok(NewKey {
        file: file.display().to_string(),
        key_id: public.id().to_string(),
        public_key: public.to_string(),
        trust_store_line: name.map(|name| format!("{public}  {name}")),
    })
}
