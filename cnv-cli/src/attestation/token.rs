//! Where tokens come from and go to: files, standard input and the environment. A token on the command line would be
//! there for every user of the machine to read.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::Utf8Error;

use cnv::attestation::trusted_file::{self, TrustedFileError};
use cnv::attestation::{AttestationChain, CapabilityAttestation, TokenError};
use cnv::prelude::*;
use cnv::quota::{File, charge_io};

use crate::stdin::Stdin;

/// A token has at most 4096 characters, and may stand among spaces and line ends.
const MAX_INPUT_BYTES: u64 = 2 * CapabilityAttestation::MAX_TEXT_LEN as u64;

/// Holds the token, or `@` and its file, where none is named.
pub(crate) const VARIABLE: &str = "CNV_ATTESTATION";

/// The token in the file after `@`, which nobody but its owner can change, or, for `-`, on standard input; where nothing is named, that of the environment.
pub(crate) fn read(cx: &Context, named: Option<&str>) -> Result<String, Failure> {
    match named {
        Some(named) => read_named(cx, named),
        None => match env::var(VARIABLE) {
            Ok(token) if !token.starts_with('@') => Ok(token.trim().to_owned()),
            Ok(named) => read_named(cx, &named),
            Err(_) => Err(Failure::usage(format!(
                "name the token's file as @FILE, pipe it in and write -, or set {VARIABLE}"
            ))),
        },
    }
}

fn read_named(cx: &Context, named: &str) -> Result<String, Failure> {
    if named == "-" {
        return Ok(from_stdin(cx)?);
    }
    if let Some(path) = named.strip_prefix('@') {
        // Opening and reading it.
        charge_io(2)?;
        return Ok(from_file(path)?);
    }
    Err(Failure::usage(
        if named.starts_with(CapabilityAttestation::PREFIX) {
            format!(
                "a token on the command line can be read by every user of this machine; name its file as @FILE, pipe it in and write -, or set {VARIABLE}"
            )
        } else {
            format!("write @{named} for the file `{named}`, or - for standard input")
        },
    ))
}

fn from_stdin(cx: &Context) -> Result<String, TokenFileError> {
    let mut text = String::new();
    let read = Stdin::open(cx)
        .and_then(|input| input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text))
        .map_err(TokenFileError::Stdin)?;
    if read as u64 > MAX_INPUT_BYTES {
        return Err(TokenFileError::TooLarge {
            place: "standard input".to_owned(),
        });
    }
    Ok(text.trim().to_owned())
}

fn from_file(path: &str) -> Result<String, TokenFileError> {
    let content = trusted_file::read(path, MAX_INPUT_BYTES as usize).map_err(|error| {
        let place = format!("`{path}`");
        match error {
            TrustedFileError::TooLarge { .. } => TokenFileError::TooLarge { place },
            source => TokenFileError::Read { place, source },
        }
    })?;
    let text = str::from_utf8(&content).map_err(|source| TokenFileError::NotText {
        place: format!("`{path}`"),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// What a token says, unverified.
pub(super) fn parse(token: &str) -> Result<AttestationChain, NotAToken> {
    token.parse().map_err(NotAToken)
}

/// What was given has another form than a token.
#[derive(Debug, thiserror::Error)]
#[error("this is no attestation: {0}; copy all of it, from `{prefix}` to its end", prefix = CapabilityAttestation::PREFIX)]
pub struct NotAToken(#[source] TokenError);

/// Writes a token to a new file that only its owner can read; one that cannot be written whole is
/// removed again.
pub(super) fn write(path: &Path, token: &str) -> Result<(), TokenFileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = File::open_with(&options, path).and_then(|mut file| {
        let written = file.write_all(format!("{token}\n").as_bytes());
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(path);
        }
        written
    });
    written.map_err(|source| TokenFileError::Write {
        path: path.into(),
        source,
    })
}

/// Why a token was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The file could not be read.
    #[error("cannot read a token from {place}")]
    Read {
        /// The file.
        place: String,
        #[source]
        source: TrustedFileError,
    },
    /// The file is not text.
    #[error("cannot read a token from {place}")]
    NotText {
        /// The file.
        place: String,
        #[source]
        source: Utf8Error,
    },
    /// Standard input could not be read.
    #[error("cannot read a token from standard input")]
    Stdin(#[source] io::Error),
    /// There is too much of it.
    #[error("{place} has more than {MAX_INPUT_BYTES} bytes, so it is not a token")]
    TooLarge {
        /// The file, or standard input.
        place: String,
    },
    /// It could not be written.
    #[error("cannot write the token to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}
