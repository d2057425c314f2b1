//! Where tokens come from and go to: files, standard input and the environment. A token on the command line would be
//! there for every user of the machine to read.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cnv::attestation::{AttestationChain, CapabilityAttestation, TokenError};
use cnv::prelude::*;
use cnv::quota::File;

use crate::stdin::Stdin;

/// A token has at most 4096 characters, and may stand among spaces and line ends.
const MAX_INPUT_BYTES: u64 = 2 * CapabilityAttestation::MAX_TEXT_LEN as u64;

/// Holds the token, or `@` and its file, where none is named.
const VARIABLE: &str = "CNV_ATTESTATION";

/// The token in the file after `@` or, for `-`, on standard input; where nothing is named, that of the environment.
pub(super) fn read(cx: &Context, named: Option<&str>) -> Result<String, Failure> {
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
    let (place, input) = if named == "-" {
        let input = Stdin::open(cx).map(|stdin| Box::new(stdin) as Box<dyn Read>);
        ("standard input".to_owned(), input)
    } else if let Some(path) = named.strip_prefix('@') {
        let input = File::open(path).map(|file| Box::new(file) as Box<dyn Read>);
        (format!("`{path}`"), input)
    } else if named.starts_with(CapabilityAttestation::PREFIX) {
        return Err(Failure::usage(format!(
            "a token on the command line can be read by every user of this machine; name its file as @FILE, pipe it in and write -, or set {VARIABLE}"
        )));
    } else {
        return Err(Failure::usage(format!(
            "write @{named} for the file `{named}`, or - for standard input"
        )));
    };
    let mut text = String::new();
    let read = input.and_then(|input| input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(source) => Err(TokenFileError::Read { place, source }.into()),
        Ok(len) if len as u64 > MAX_INPUT_BYTES => Err(TokenFileError::TooLarge { place }.into()),
        Ok(_) => Ok(text.trim().to_owned()),
    }
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
    /// It could not be read.
    #[error("cannot read a token from {place}")]
    Read {
        /// The file, or standard input.
        place: String,
        #[source]
        source: io::Error,
    },
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
