//! Programs that have to compile, or must not.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io, thread};

use super::build::{Build, BuildError};
use super::compiler::{CompilerError, compile};
use super::expectation::{BadComment, Difference, differences, expectations};

/// Asserts that none of the programs compiles, and that each gets the errors that it says.
///
/// A comment says of which message there has to be one, on its own line or on one above it:
///
/// ```text
/// #[budget(memory = "1MB", cpu = "1ms")]
/// fn handler() {
///     spend!(fetch());
///     spend!(fetch()); //~ over budget: `fetch` needs 600 KB of memory
///     fetch();
///     //~^ `fetch` must be paid for
/// }
/// ```
///
/// | | the error stands |
/// |---|---|
/// | `//~ text` | on this line |
/// | `//~^ text` | on the line above; with each `^` one more |
/// | `//~\| text` | where the comment before says |
///
/// `text` is any part of the message; codes, labels and notes are not looked at. Every comment needs an error, every
/// error a comment, and every program a comment. Warnings do not count.
///
/// The pattern is a path from the package's folder, and in the name of the file `*` stands for anything. A program is a
/// whole one, with a `main`, and can use what the test itself can: the package's library, its dependencies, and those for
/// tests. It is compiled as `cargo build` does, without linking: that includes what `cargo check` does not look at.
///
/// # Panics
/// With every program that is otherwise: its line, what was expected there, and what came. And where there is no program,
/// or the package does not build.
#[track_caller]
pub fn compile_fail(pattern: &str) {
    Programs::new(pattern).must_fail();
}

/// Asserts that all of the programs compile. See [`compile_fail`] for what they are.
///
/// # Panics
/// With the compiler's errors, and where there is no program.
#[track_caller]
pub fn compile_pass(pattern: &str) {
    Programs::new(pattern).must_compile();
}

/// Programs to compile, where they need more than [`compile_fail`] and [`compile_pass`] do.
///
/// ```no_run
/// cnv::testing::Programs::new("tests/over_budget/*.rs").cargo_args(["--features", "network"]).must_fail();
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled before `must_fail` or `must_compile`"]
pub struct Programs {
    pattern: String,
    cargo_args: Vec<OsString>,
}

/// What is asserted of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fails,
    Compiles,
}

impl Programs {
    /// The programs whose path fits the pattern, as [`compile_fail`] describes it.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            cargo_args: Vec::new(),
        }
    }

    /// Arguments with which the test is built, such as `--features x`: programs see the package as it is built with them.
    /// Its profile and platform are known. Without the features that the test was built with, cargo builds the package
    /// once more.
    pub fn cargo_args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.cargo_args
            .extend(arguments.into_iter().map(Into::into));
        self
    }

    /// See [`compile_fail`].
    ///
    /// # Panics
    /// As it does.
    #[track_caller]
    pub fn must_fail(self) {
        self.assert(Verdict::Fails);
    }

    /// See [`compile_pass`].
    ///
    /// # Panics
    /// As it does.
    #[track_caller]
    pub fn must_compile(self) {
        self.assert(Verdict::Compiles);
    }

    #[track_caller]
    fn assert(&self, verdict: Verdict) {
        if let Err(fault) = self.check(verdict) {
            // Not through `unwrap`, whose text would be that of `Debug`.
            panic!("{fault}\n  asserted at {}", Location::caller());
        }
    }

    fn check(&self, verdict: Verdict) -> Result<(), Fault> {
        let build = Build::of_this_test(&self.cargo_args)?;
        let programs = find(&build.folder, &self.pattern)?;
        let scratch = Scratch::new()?;
        let faults = each(&programs, |index, program| {
            let out = scratch.0.join(format!("{index}.o"));
            judge(&build, program, &out, verdict)
                .err()
                .map(|fault| (program.clone(), fault))
        });
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Fault::Programs {
                count: programs.len(),
                faults,
            }),
        }
    }
}

/// Why an assertion about programs does not hold.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("no program fits the pattern `{pattern}` in {}", folder.display())]
    NoProgram { pattern: String, folder: PathBuf },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot make a folder for object code: {0}")]
    Scratch(#[source] io::Error),
    #[error("{} of {count} programs are not as they should be\n{}", faults.len(), Listed(faults))]
    Programs {
        count: usize,
        faults: Vec<(PathBuf, ProgramFault)>,
    },
}

/// What is wrong with one program.
#[derive(Debug, thiserror::Error)]
enum ProgramFault {
    #[error("cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Comment(BadComment),
    #[error("{0}")]
    Compiler(#[from] CompilerError),
    #[error("says no error that it should get: write `//~ over budget: ..` behind the line of one{}", Offered(.0))]
    NothingExpected(Vec<(Option<usize>, String)>),
    #[error(
        "should compile, but says in line {0} that it gets an error: leave the comment out, or move the program"
    )]
    ErrorExpected(usize),
    #[error("compiles, and should not: {}", Differing(.0))]
    Compiles(Vec<Difference>),
    #[error("{}", Differing(.0))]
    Differs(Vec<Difference>),
}

struct Listed<'a>(&'a [(PathBuf, ProgramFault)]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(path, fault)| {
            write!(f, "\n{}", path.display())?;
            let text = fault.to_string();
            text.lines().try_for_each(|line| write!(f, "\n  {line}"))?;
            f.write_char('\n')
        })
    }
}

struct Differing<'a>(&'a [Difference]);

impl fmt::Display for Differing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, difference)| {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{difference}")
        })
    }
}

struct Offered<'a>(&'a [(Option<usize>, String)]);

impl fmt::Display for Offered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("; it compiles");
        }
        f.write_str("; it gets")?;
        self.0.iter().try_for_each(|(line, message)| match line {
            Some(line) => write!(f, "\n  line {line}: {message}"),
            None => write!(f, "\n  {message}"),
        })
    }
}

fn judge(build: &Build, program: &Path, out: &Path, verdict: Verdict) -> Result<(), ProgramFault> {
    let source = fs::read_to_string(build.folder.join(program)).map_err(ProgramFault::Read)?;
    let expected = expectations(&source).map_err(ProgramFault::Comment)?;
    if let (Verdict::Compiles, Some(first)) = (verdict, expected.first()) {
        return Err(ProgramFault::ErrorExpected(first.line));
    }
    let errors = compile(build, program, out)?;
    if verdict == Verdict::Fails && expected.is_empty() {
        let offered = errors.into_iter().map(|error| (error.line, error.message));
        return Err(ProgramFault::NothingExpected(offered.collect()));
    }
    let differing = differences(&expected, &errors);
    match (differing.is_empty(), errors.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Err(ProgramFault::Compiles(differing)),
        (false, false) => Err(ProgramFault::Differs(differing)),
    }
}

/// The files in a folder whose names fit, in order.
fn find(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, Fault> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let path = root.join(folder);
    let read = |source| Fault::Read {
        path: path.clone(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(&path).map_err(read)? {
        let entry = entry.map_err(read)?.file_name();
        if entry.to_str().is_some_and(|entry| fits(name, entry)) {
            found.push(Path::new(folder).join(entry));
        }
    }
    if found.is_empty() {
        return Err(Fault::NoProgram {
            pattern: pattern.to_owned(),
            folder: root.to_owned(),
        });
    }
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern in which `*` is anything.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len()).any(|at| name.get(at..).is_some_and(|name| fits(rest, name)))
}

/// Does it for all of them, as many at once as there are processors, and gives what came of it in their order.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(usize, &T) -> Option<R> + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    if let (Some(result), Ok(mut done)) = (work(index, item), done.lock()) {
                        done.push((index, result));
                    }
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A folder for what the compiler writes, which goes away again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Fault> {
        Self::new_in(&env::temp_dir()).map_err(Fault::Scratch)
    }

    /// One that nobody made before, and that nobody else can write to: others may write to the shared folder around it,
    /// and the names here can be foreseen.
    fn new_in(parent: &Path) -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        const ATTEMPTS: usize = 1_000;
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let mut taken = None;
        for _ in 0..ATTEMPTS {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = parent.join(format!("cnv-testing-{}-{number}", std::process::id()));
            match builder.create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(taken.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is of no further use, and what is left of it neither.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is_fit) in [
            ("a.rs", "a.rs", true),
            ("a.rs", "b.rs", false),
            ("*.rs", "a.rs", true),
            ("*.rs", ".rs", true),
            ("*.rs", "a.rs.bak", false),
            ("over_*.rs", "over_é.rs", true),
            ("over_*.rs", "under_a.rs", false),
            ("*a*.rs", "bab.rs", true),
            ("*", "", true),
            ("*a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), is_fit, "{pattern} {name}");
        }
    }

    #[test]
    fn a_scratch_folder_is_new_and_nobody_elses() {
        let parent = Scratch::new().unwrap();
        let first = Scratch::new_in(&parent.0).unwrap();
        let name = first.0.file_name().unwrap().to_str().unwrap();
        let (start, number) = name.rsplit_once('-').unwrap();
        let number: usize = number.parse().unwrap();
        // Others were there before it; other tests count on as well, so that some may be passed by.
        let taken: Vec<_> = (number + 1..number + 50)
            .map(|number| parent.0.join(format!("{start}-{number}")))
            .collect();
        taken.iter().for_each(|path| fs::create_dir(path).unwrap());
        let second = Scratch::new_in(&parent.0).unwrap();
        assert!(!taken.contains(&second.0), "{}", second.0.display());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&second.0).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        drop((first, second));
        taken.iter().for_each(|path| assert!(path.exists()));
        assert!(Scratch::new_in(&parent.0.join("none")).is_err());
    }

    #[test]
    fn results_keep_the_order_of_what_they_are_of() {
        let items: Vec<usize> = (0..100).collect();
        let even = each(&items, |index, &item| {
            assert_eq!(index, item);
            item.is_multiple_of(2).then_some(item)
        });
        assert_eq!(even, (0..100).step_by(2).collect::<Vec<_>>());
        assert_eq!(each(&[] as &[u8], |_, _| Some(0)), [0; 0]);
    }
}
