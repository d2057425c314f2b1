//! The programs `ops` and `cnv`, to be run as a user runs them.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test uses some of it"
)]

#[cfg(unix)]
pub mod server;

use std::ffi::OsStr;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use cnv::attestation::{CapabilityAttestation, PrivateKey};
use cnv::capability::CapabilityContract;
use serde_json::Value;
use tempfile::TempDir;

pub struct Programs {
    pub ops: PathBuf,
    pub cnv: PathBuf,
}

/// Builds both programs as this test was built, and says where they are.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut build = Command::new(cargo);
        build
            .current_dir(workspace)
            .args([
                "build",
                "--quiet",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--package=cnv-cli", "--package=cnv-examples", "--bins"])
            .stderr(Stdio::inherit());
        let this = std::env::current_exe().unwrap();
        if let Some(target) = this
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").exists())
        {
            build.arg("--target-dir").arg(target);
        }
        // `target/release/deps/cli-0123456789abcdef`; the folder of the `dev` profile is `debug`.
        match this
            .ancestors()
            .nth(2)
            .and_then(Path::file_name)
            .and_then(OsStr::to_str)
        {
            None | Some("debug") => {}
            Some(profile) => {
                build.args(["--profile", profile]);
            }
        }
        let output = build.output().unwrap();
        assert!(output.status.success(), "the programs do not build");
        let program = |name: &str| {
            output
                .stdout
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(&line.ok()?).ok())
                .filter(|message| message["target"]["name"] == name)
                .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)))
                .unwrap_or_else(|| panic!("cargo built no `{name}`"))
        };
        Programs {
            ops: program("ops"),
            cnv: program("cnv"),
        }
    })
}

pub fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    for variable in [
        "CNV_TRUST",
        "CNV_ATTESTATION",
        "CNV_KEY",
        "CNV_REVOCATIONS",
        "CNV_AUDIT",
        "CNV_AUDIT_KEY",
        "CNV_STATE",
        "CNV_TRANSACTION",
        "TRACEPARENT",
        "TRACESTATE",
        "BAGGAGE",
        "CNV_TRACE_FILE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_TRACES_SAMPLER",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// `ops` for somebody who may read, by a root of its operator's.
pub fn ops<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let (store, token) = operator();
    let mut command = ops_alone(arguments);
    command
        .env("CNV_TRUST", store)
        .env("CNV_ATTESTATION", token);
    command
}

/// `ops` where nothing is set up.
pub fn ops_alone<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = program(&programs().ops);
    command.args(arguments);
    command
}

/// A trust store's file, and a token by its root.
fn operator() -> &'static (PathBuf, String) {
    static OPERATOR: OnceLock<(PathBuf, String)> = OnceLock::new();
    OPERATOR.get_or_init(|| {
        let root = PrivateKey::from_seed(&[40; 32]);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let store = folder.join("operator.roots");
        // Several test programs may do so at once.
        let beside = folder.join(format!("operator.{}.new", std::process::id()));
        fs::write(&beside, format!("{}  operator\n", root.public_key())).unwrap();
        fs::rename(&beside, &store).unwrap();
        let contract = CapabilityContract::read_only();
        let token = CapabilityAttestation::new(contract, "reader", 3600, &root);
        (store, token.to_string())
    })
}

pub fn cnv<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = program(&programs().cnv);
    command.args(arguments);
    command
}

/// What a program wrote, after it ended with the code that was expected.
pub struct Ended {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

#[track_caller]
pub fn expect(code: i32, command: &mut Command) -> Ended {
    expect_of(code, command.output().unwrap())
}

#[track_caller]
pub fn expect_of(code: i32, output: Output) -> Ended {
    let ended = Ended {
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(output.status.code(), Some(code), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

impl Ended {
    pub fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    pub fn json_lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The lines of standard output, with single spaces.
    pub fn rows(&self) -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        self.text().lines().map(words).collect()
    }

    /// The error among the objects that `--json` writes to standard error, one a line.
    #[track_caller]
    pub fn error(&self) -> Value {
        let objects = self
            .stderr
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut errors = objects.filter_map(|mut object| Some(object.get_mut("error")?.take()));
        let error = errors.next().expect("there is no error");
        assert_eq!(errors.next(), None);
        error
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(
            self.stderr.contains(text),
            "`{text}` is not in: {}",
            self.stderr
        );
    }

    #[track_caller]
    pub fn wrote_nothing(&self) {
        assert_eq!(String::from_utf8_lossy(&self.stdout), "");
    }
}

/// A folder that goes away with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Puts paths beside words on a command line.
macro_rules! line {
    ($($argument:expr),* $(,)?) => {
        [$(std::ffi::OsString::from($argument)),*]
    };
}

pub(crate) use line;
