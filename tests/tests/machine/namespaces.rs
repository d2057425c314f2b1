//! Tests in processes that have mounts or a network of their own, so that what they break is nobody else's.

use std::path::PathBuf;
use std::process::Command;

/// Where the process may put its files; only the process has it.
const FOLDER: &str = "CNV_TEST_NAMESPACE_FOLDER";

/// What the process says once it has what it needs.
const READY: &str = "the namespace is set up";

/// Runs an ignored test of this program with namespaces of its own: `m` for mounts, `n` for the network. It needs no root
/// where users may have namespaces.
pub fn run_within(namespace: char, test: &str) {
    for flags in [format!("-r{namespace}"), format!("-{namespace}")] {
        let folder = tempfile::tempdir().unwrap();
        let run = Command::new("unshare")
            .arg(flags)
            .arg(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .output();
        let Ok(run) = run else { continue };
        let text = [run.stdout, run.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if text.contains(READY) {
            assert!(run.status.success(), "{text}");
            eprintln!("{text}");
            return;
        }
    }
    eprintln!(
        "!!! SKIPPED: {test} was not tried, because this user can have no namespace `{namespace}`"
    );
}

/// The folder of the process that [`run_within`] started; `None` in any other.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Says that the namespace has what the test needs. From here on what goes wrong is a failure.
pub fn is_ready() {
    println!("{READY}");
}

/// Runs a command of the machine's, and says whether it succeeded.
pub fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
