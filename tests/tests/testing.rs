//! Assertions about budgets: where they hold, and what they say where they do not.

use std::fs;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cnv::prelude::*;
use cnv::quota::{BudgetExceeded, Limits, Resource, charge_io, charge_network};
use cnv::testing::{
    Programs, assert_cpu_within, assert_fits, assert_within, compile_fail, compile_pass, measured,
    use_of,
};

#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

/// What it panics with.
#[track_caller]
fn message<R>(work: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
        },
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).as_mut().poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

mod shelf {
    use super::*;

    #[budget(memory = "10KB", cpu = "1min", io = 3)]
    pub fn list(count: usize) -> Vec<u8> {
        vec![0; count]
    }

    #[budget(memory = "10KB", cpu = "1min")]
    pub fn many<T: Clone>(value: T, count: usize) -> Vec<T> {
        vec![value; count]
    }

    #[budget(memory = "10KB", cpu = "1min")]
    pub async fn later(count: usize) -> Vec<u8> {
        vec![0; count]
    }

    #[budget(cpu = "1min", io = 2, network = "1KB")]
    pub fn send(operations: u64, bytes: u64) -> Result<(), BudgetExceeded> {
        charge_io(operations)?;
        charge_network(bytes)
    }

    /// Goes on without what it does not get.
    #[budget(cpu = "1min", io = 2)]
    pub fn try_send(operations: u64) {
        let _ = charge_io(operations);
    }

    #[budget(cpu = "1min", io = 2)]
    pub async fn try_later(operations: u64) {
        let _ = charge_io(operations);
    }

    #[budget(memory = "10KB", cpu = "1ns")]
    pub fn quick() -> u64 {
        (0..1_000).map(std::hint::black_box).sum()
    }
}

struct Store(Vec<u8>);

#[budget(memory = "10KB", cpu = "1min")]
impl Store {
    fn open(count: usize) -> Self {
        Self(vec![0; count])
    }

    fn read(&self, count: usize) -> Vec<u8> {
        self.0[..count].to_vec()
    }

    fn grow(&mut self, count: usize) -> usize {
        self.0.resize(count, 0);
        self.0.len()
    }

    async fn fetch(&self, count: usize) -> Vec<u8> {
        self.0[..count].to_vec()
    }
}

#[test]
fn a_call_within_its_budget_gives_its_result() {
    use shelf::list;
    assert_eq!(assert_fits!(list(10_000)).len(), 10_000);
    assert_eq!(assert_fits!(shelf::list(0)).len(), 0);
    assert_eq!(
        assert_fits!(crate::shelf::many::<u8>(1, 10_000)).len(),
        10_000
    );
    assert_eq!(assert_fits!(self::shelf::many("a", 2)), ["a", "a"]);
    assert_eq!(
        block_on(assert_fits!(async shelf::later(10_000))).len(),
        10_000
    );
    let mut store = assert_fits!(<Store>::open(10_000));
    assert_eq!(assert_fits!(store.read(5)), [0; 5]);
    assert_eq!(assert_fits!(store.grow(15_000)), 15_000);
    assert_eq!(block_on(assert_fits!(async store.fetch(7))), [0; 7]);
    assert_eq!(assert_fits!(shelf::send(2, 1_000)), Ok(()));
}

#[test]
fn a_call_over_its_budget_panics_with_the_numbers() {
    let said = message(|| assert_fits!(shelf::list(10_001)));
    let (first, rest) = said.split_once('\n').unwrap();
    assert_eq!(
        first,
        "`list` used more than it declares: memory 10.001 KB of 10 KB"
    );
    assert!(
        rest.starts_with(
            "  declared memory 10 KB, cpu 1 min, io 3, network none\n  used     memory 10 KB, cpu "
        ),
        "{rest}"
    );
    let over = |said: String, name: &str| {
        let expected = format!("`{name}` used more than it declares: memory 10.001 KB of 10 KB\n");
        assert!(said.starts_with(&expected), "{said}");
    };
    over(
        message(|| assert_fits!(shelf::many::<u8>(1, 10_001))),
        "many",
    );
    over(
        message(|| block_on(assert_fits!(async shelf::later(10_001)))),
        "later",
    );
    over(
        message(|| assert_fits!(<Store>::open(10_001))),
        "<Store>::open(10_001)",
    );
    let store = Store(vec![0; 20_000]);
    over(
        message(|| assert_fits!(store.read(10_001))),
        "store.read(10_001)",
    );
    over(
        message(|| block_on(assert_fits!(async store.fetch(10_001)))),
        "store.fetch(10_001)",
    );
}

/// They are held, so that the count is within the limit where something was refused.
#[test]
fn operations_and_network_that_are_refused_panic_whatever_the_body_makes_of_it() {
    let used = use_of!(shelf::send(2, 1_001));
    assert_eq!((used.usage.io_ops, used.usage.network_bytes), (2, 0));
    assert_eq!(used.usage.refused, Some(Resource::Network));
    assert_eq!(used.result.as_ref().unwrap_err().operation, Some("send"));
    let said = message(|| used.assert_fits());
    assert!(
        said.starts_with("`send` was refused network that it asked for\n  declared "),
        "{said}"
    );
    let said = message(|| assert_fits!(shelf::try_send(3)));
    assert!(said.starts_with("`try_send` was refused io"), "{said}");
    let said = message(|| block_on(assert_fits!(async shelf::try_later(3))));
    assert!(said.starts_with("`try_later` was refused io"), "{said}");
    let outer = measured("outer", Limits::unlimited(), || {
        cnv::run!(shelf::try_send(3))
    });
    let said = message(|| outer.assert_fits());
    assert!(said.starts_with("`outer` was refused io"), "{said}");
    // Nothing of it stays with the thread.
    assert_fits!(shelf::try_send(2));
    block_on(assert_fits!(async shelf::try_later(2)));
    let limits = Limits {
        io_ops: 1,
        ..Limits::unlimited()
    };
    assert!(measured("work", limits, || charge_io(2)).result.is_err());
}

/// As work could that counts on another thread, or a meter that does not hold.
#[test]
fn more_operations_than_declared_panic_too() {
    let mut used = measured("work", Limits::unlimited(), || charge_io(5));
    used.limits = Limits {
        io_ops: 4,
        ..Limits::unlimited()
    };
    let said = message(|| used.assert_fits());
    assert!(
        said.starts_with("`work` used more than it declares: io 5 of 4\n"),
        "{said}"
    );
    let mut used = measured("work", Limits::unlimited(), || charge_network(2_000));
    used.limits = Limits {
        network_bytes: 1_000,
        ..Limits::unlimited()
    };
    let said = message(|| used.assert_fits());
    assert!(said.contains("network 2 KB of 1 KB"), "{said}");
}

#[test]
fn processor_time_is_looked_at_where_that_is_asked_for() {
    assert_fits!(shelf::quick());
    let said = message(|| use_of!(shelf::quick()).assert_cpu_fits().result);
    assert!(
        said.starts_with("`quick` used more than it declares: cpu "),
        "{said}"
    );
    assert!(said.contains(" of 1 ns\n"), "{said}");
    use_of!(shelf::list(10_001))
        .assert_cpu_fits()
        .usage
        .memory_peak_bytes
        .unwrap();
}

/// Makes bytes.
#[verb(noun = "bytes", effect = "pure")]
#[budget(memory = "1MB", cpu = "1min")]
fn make(count: usize) -> Result<usize, Failure> {
    if count == 0 {
        return Err(Failure::failed("nothing to make"));
    }
    Ok(vec![0_u8; count].len())
}

/// Makes no bytes.
#[verb(noun = "bytes", effect = "pure")]
fn unlimited() -> Result<usize, Failure> {
    Ok(0)
}

/// Reads twice, and does not mind where it may not.
#[verb(noun = "bytes", effect = "read")]
#[budget(memory = "1MB", cpu = "1min", io = 1)]
fn peek() -> Result<bool, Failure> {
    Ok(charge_io(2).is_ok())
}

/// Counts to a thousand.
#[verb(noun = "bytes", effect = "pure")]
#[budget(memory = "1MB", cpu = "1ns")]
fn hurry() -> Result<u64, Failure> {
    Ok(shelf::quick::call())
}

#[test]
fn a_reply_is_judged_by_its_receipt() {
    let app = App::new("test").verbs(verbs![make, unlimited, hurry, peek]);
    let call = |words: &[&str]| app.call_blocking(words.iter().copied());
    let reply = call(&["bytes", "make", "500000"]);
    assert_within(&reply);
    assert_cpu_within(&reply);
    let said = message(|| assert_within(&call(&["bytes", "make", "1100000"])));
    assert!(
        said.starts_with("`bytes make` used more than it declares: memory "),
        "{said}"
    );
    let said = message(|| assert_within(&call(&["bytes", "make", "0"])));
    assert_eq!(
        said,
        "the call failed, so what it used says nothing: nothing to make"
    );
    let said = message(|| assert_within(&call(&["bytes", "unlimited"])));
    assert_eq!(
        said,
        "`bytes unlimited` declares no budget: write `#[budget(..)]` on it"
    );
    let said = message(|| assert_within(&call(&["bytes", "peek"])));
    assert!(said.starts_with("`bytes peek` was refused io"), "{said}");
    let said = message(|| assert_within(&call(&["bytes", "take"])));
    assert!(said.starts_with("the call failed"), "{said}");
    let reply = call(&["bytes", "hurry"]);
    assert_within(&reply);
    let said = message(|| assert_cpu_within(&reply));
    assert!(said.contains(" of 1 ns\n"), "{said}");
}

/// A folder with these programs, and the pattern that finds them.
fn programs(name: &str, programs: &[(&str, &str)]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("testing")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (name, source) in programs {
        fs::write(folder.join(name), source).unwrap();
    }
    folder.join("*.rs").display().to_string()
}

const FETCH: &str = "#[cnv::budget(memory = \"600KB\", cpu = \"1us\")]\nfn fetch() {}\n";

/// Lines 3 to 7, with the spend that is too much in line 6.
fn handler(comment: &str) -> String {
    format!(
        "{FETCH}#[cnv::budget(memory = \"1MB\", cpu = \"1ms\")]\nfn handler() {{\n    cnv::spend!(fetch());\n    cnv::spend!(fetch());{comment}\n}}\nfn main() {{}}\n"
    )
}

#[test]
fn programs_get_the_errors_that_they_say() {
    let exact = " //~ over budget: `fetch` needs 600 KB of memory but `handler` has 400 KB left of its 1 MB";
    let several = handler(" //~ 400 KB left").replace("{}\n}", "{}")
        + "fn other() { fetch() } //~ `fetch` must be paid for\n\
           fn third() -> u8 {\n    fetch();\n    //~^ must be paid for\n    //~| write `spend!(..)`\n    \"\"\n}\n//~^^ mismatched types\n";
    compile_fail(&programs(
        "fail",
        &[
            ("exact.rs", &handler(exact)),
            ("several.rs", &several),
            ("no_program.txt", ""),
        ],
    ));
    let pass = handler("").replace("1MB", "2MB")
        + "#[derive(cnv::frame::SimdFrame)]\n#[repr(C)]\nstruct Pair { a: u32, b: u32 }\n";
    // The test's own dependencies are there, too.
    let others = "fn main() { let _ = (serde_json::Value::Null, bytes::Bytes::new(), cnv_tests::random::Random::new(1)); }";
    compile_pass(&programs(
        "pass",
        &[("pass.rs", &pass), ("others.rs", others)],
    ));
}

/// `cargo check` lets it pass.
#[test]
fn what_only_a_build_finds_is_found() {
    let generic = "use cnv::quota::{LargeBudget, SmallBudget, require_budget_fit};\n\
                   fn main() {\n    require_budget_fit::<LargeBudget, SmallBudget>();\n}\n//~^^ does not fit within\n";
    compile_fail(&programs("build", &[("generic.rs", generic)]));
}

#[test]
fn programs_that_are_otherwise_are_told_with_their_lines() {
    let fine = "fn main() {}\n";
    let pattern = programs(
        "otherwise",
        &[
            ("a_right.rs", &handler(" //~ over budget")),
            ("b_wrong_text.rs", &handler(" //~ has 300 KB left")),
            ("c_wrong_line.rs", &handler("\n//~ over budget")),
            ("d_says_nothing.rs", &handler("")),
            ("e_compiles.rs", "fn main() {} //~ over budget\n"),
            ("f_compiles_and_says_nothing.rs", fine),
            ("g_bad_comment.rs", "fn main() {} //~\n"),
        ],
    );
    let (said, line) = (message(|| compile_fail(&pattern)), line!());
    let mut parts = said.split("\n\n");
    assert_eq!(
        parts.next().unwrap(),
        "6 of 7 programs are not as they should be"
    );
    let mut part = |name: &str| {
        let part = parts.next().unwrap();
        let (path, text) = part.split_once('\n').unwrap();
        assert!(PathBuf::from(path).ends_with(name), "{path}");
        text.to_owned()
    };
    let message = "evaluation panicked: over budget: `fetch` needs 600 KB of memory but `handler` has 400 KB left of its 1 MB";
    assert_eq!(
        part("b_wrong_text.rs"),
        format!(
            "  line 6: expected an error with\n      has 300 KB left\n    got\n      {message}"
        )
    );
    let text = part("c_wrong_line.rs");
    assert!(
        text.starts_with("  line 7: expected an error with\n      over budget\n    got none on this line\n  line 6: an error that no comment expects\n      error[E0080]: "),
        "{text}"
    );
    assert_eq!(
        part("d_says_nothing.rs"),
        format!(
            "  says no error that it should get: write `//~ over budget: ..` behind the line of one; it gets\n    line 6: {message}"
        )
    );
    assert_eq!(
        part("e_compiles.rs"),
        "  compiles, and should not: line 1: expected an error with\n      over budget\n    got none on this line"
    );
    assert_eq!(
        part("f_compiles_and_says_nothing.rs"),
        "  says no error that it should get: write `//~ over budget: ..` behind the line of one; it compiles"
    );
    let text = part("g_bad_comment.rs");
    assert!(
        text.starts_with("  line 1: the comment says no text"),
        "{text}"
    );
    let last = said.lines().last().unwrap();
    let place = format!("  asserted at {}:{line}:", file!());
    assert!(last.starts_with(&place), "{last}");
}

#[test]
fn programs_that_should_compile_and_do_not_are_told_with_the_error() {
    let pattern = programs(
        "should_compile",
        &[
            ("over.rs", &handler("")),
            ("expects.rs", &handler(" //~ over budget")),
        ],
    );
    let said = message(|| compile_pass(&pattern));
    assert!(said.starts_with("2 of 2 programs"), "{said}");
    assert!(
        said.contains("line 6: an error that no comment expects\n      error[E0080]"),
        "{said}"
    );
    assert!(
        said.contains("should compile, but says in line 6 that it gets an error"),
        "{said}"
    );
}

#[test]
fn a_pattern_that_finds_nothing_is_no_success() {
    let pattern = programs("none", &[]);
    for verdict in [Programs::must_fail, Programs::must_compile] {
        let said = message(|| verdict(Programs::new(&*pattern)));
        assert!(said.starts_with("no program fits the pattern"), "{said}");
    }
    let said = message(|| compile_pass("tests/there_is_no_such_folder/*.rs"));
    assert!(said.starts_with("cannot read "), "{said}");
}

#[test]
fn a_package_that_cannot_be_built_so_is_told_in_cargos_words() {
    let pattern = programs("features", &[("pass.rs", "fn main() {}")]);
    let with = |feature| Programs::new(&*pattern).cargo_args(["--features", feature]);
    let said = message(|| with("there-is-no-such-feature").must_compile());
    assert!(said.starts_with("`cargo test --no-run "), "{said}");
    assert!(said.contains("there-is-no-such-feature"), "{said}");
}
