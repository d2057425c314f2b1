//! Packages that are written to be compiled, and what their compilation takes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// The manifest's folder of this package, next to which cnv is.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A library in a folder beside this program, so that what it depends on is compiled once and not in every run.
pub struct Package {
    folder: PathBuf,
    target: PathBuf,
}

impl Package {
    /// A package whose dependencies are cnv, without its features, and `dependencies`, lines of a manifest.
    pub fn write(name: &str, dependencies: &str, source: &str) -> io::Result<Self> {
        let program = env::current_exe()?;
        let beside = program.parent().unwrap_or(Path::new("."));
        let root = beside.join("cnv-bench-packages");
        let package = Self {
            folder: root.join(name),
            target: root.join("target"),
        };
        fs::create_dir_all(package.folder.join("src"))?;
        let cnv = Path::new(HERE).join("../cnv");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\ncnv = {{ path = {cnv:?}, default-features = false }}\n{dependencies}\n"
        );
        fs::write(package.folder.join("Cargo.toml"), manifest)?;
        // The versions that this program is compiled with.
        let lock = Path::new(HERE).join("../Cargo.lock");
        fs::copy(lock, package.folder.join("Cargo.lock"))?;
        package.rewrite(source)?;
        Ok(package)
    }

    /// Writes the source again, so that cargo takes it to have changed.
    pub fn rewrite(&self, source: &str) -> io::Result<()> {
        fs::write(self.folder.join("src/lib.rs"), source)
    }

    /// Where files of the package are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Cargo, in the package's folder. Nothing is compiled incrementally.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo();
        cargo
            .args(arguments)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "0");
        cargo
    }
}

/// The cargo that runs this program, or the one that is found.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.arg("--quiet").stdin(Stdio::null());
    cargo
}

/// Runs `command`, which prints nothing unless it fails.
///
/// # Errors
///
/// Where it cannot be started, or fails; what it printed is then in the message.
pub fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} failed: {}\n{text}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What `command` takes: processor time of it and of the processes that it starts, in steps of 10 ms. By the clock on
/// the wall, where there is no `/proc`.
pub fn time(command: &mut Command) -> Result<Duration, Box<dyn Error>> {
    let (start, before) = (Instant::now(), children_time());
    run(command)?;
    let elapsed = start.elapsed();
    Ok(children_time()
        .zip(before)
        .map_or(elapsed, |(after, before)| after - before))
}

/// Processor time of the children that have ended and were waited for.
fn children_time() -> Option<Duration> {
    children_time_in(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The fields `cutime` and `cstime`, in ticks of which every Linux has 100 a second (proc_pid_stat(5)).
fn children_time_in(stat: &str) -> Option<Duration> {
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// `source` without the budgets in it: no attribute, and calls as they are.
pub fn without_budgets(source: &str) -> String {
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("#[budget"));
    let plain: String = lines.flat_map(|line| [line, "\n"]).collect();
    plain.replace("spend!(", "(").replace("run!(", "(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_found_behind_any_name() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194304 100 0 0 0 5 6 120 34 20 0 1 0 99 0 0";
        assert_eq!(children_time_in(stat), Some(Duration::from_millis(1540)));
        assert_eq!(children_time_in("7 (a) S 1"), None);
    }

    #[test]
    fn a_budget_is_taken_off() {
        let source = "    #[budget(io = 1)]\n    fn a() {}\nfn b() { run!(c(spend!(a()))) }\n";
        assert_eq!(
            without_budgets(source),
            "    fn a() {}\nfn b() { (c((a()))) }\n"
        );
    }

    #[test]
    fn what_fails_says_what_it_printed() {
        let failed = run(cargo().arg("no-such-command")).unwrap_err();
        assert!(failed.to_string().contains("no-such-command"));
    }
}
