//! Random trees of calls with random budgets: what the compiler says of each function, against an evaluator that shares
//! no code with it.
//!
//! The compiler adds up call after call, with an account that it carries along. The evaluator here goes the other way: it
//! works out what each part of a body needs, from the inside out, and what paths through it really use. A function has to
//! compile exactly where the rules say that it fits, and where it does, no path may use more than it declares.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use cnv_tests::random::Random;
use serde_json::Value;

const TREES: usize = 250;
const PATHS: usize = 40;

/// What a call costs, as its callee declares it. `None` is unlimited.
#[derive(Clone, Copy, Debug)]
struct Budget {
    memory: Option<u64>,
    retains: Option<u64>,
    cpu: Option<u64>,
    io: u64,
    network: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Function,
    Async,
    Method,
    Dynamic,
}

#[derive(Debug)]
struct Function {
    kind: Kind,
    budget: Budget,
    body: Vec<Node>,
    /// Whether it does not fit, as the rules have it.
    is_over: bool,
}

/// A part of a body.
#[derive(Debug)]
enum Node {
    Call(usize),
    /// A future that is kept: of a function that is `async`.
    Kept(usize),
    Joined(usize, usize),
    Branches(Vec<Vec<Node>>),
    For(u64, Vec<Node>),
    /// The call in the condition, the rounds, the body.
    While(usize, u64, Vec<Node>),
}

/// What a part needs: sums, and of memory what is there at the peak and afterwards. Wide, so that nothing overflows;
/// an unlimited amount makes `is_unlimited` true.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    sums: [u128; 3],
    peak: u128,
    retained: u128,
    /// The largest difference between a call's peak and what stays of it.
    slack: u128,
    is_unlimited: [bool; 2],
    calls: bool,
}

impl Need {
    fn of_call(budget: &Budget, keeps_all: bool) -> Self {
        let memory = u128::from(budget.memory.unwrap_or(0));
        let retained = match budget.retains {
            Some(bytes) if !keeps_all => u128::from(bytes),
            _ => memory,
        };
        Self {
            sums: [
                u128::from(budget.cpu.unwrap_or(0)),
                u128::from(budget.io),
                u128::from(budget.network),
            ],
            peak: memory,
            retained,
            slack: memory - retained,
            is_unlimited: [budget.memory.is_none(), budget.cpu.is_none()],
            calls: true,
        }
    }

    fn then(self, next: Self) -> Self {
        Self {
            sums: [0, 1, 2].map(|i| self.sums[i] + next.sums[i]),
            peak: self.peak.max(self.retained + next.peak),
            retained: self.retained + next.retained,
            slack: self.slack.max(next.slack),
            is_unlimited: [0, 1].map(|i| self.is_unlimited[i] || next.is_unlimited[i]),
            calls: self.calls || next.calls,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            sums: [0, 1, 2].map(|i| self.sums[i].max(other.sums[i])),
            peak: self.peak.max(other.peak),
            retained: self.retained.max(other.retained),
            slack: self.slack.max(other.slack),
            is_unlimited: [0, 1].map(|i| self.is_unlimited[i] || other.is_unlimited[i]),
            calls: self.calls || other.calls,
        }
    }

    /// In a loop the order of peaks does not count: all that stays, and the largest difference once.
    fn repeated(self, times: u64) -> Self {
        if times == 0 {
            return Self::default();
        }
        let retained = self.retained * u128::from(times);
        Self {
            sums: self.sums.map(|sum| sum * u128::from(times)),
            retained,
            ..self
        }
    }

    /// What a whole loop needs.
    fn looped(self) -> Self {
        Self {
            peak: self.retained + self.slack,
            ..self
        }
    }

    fn fits(&self, budget: &Budget) -> bool {
        let fits = |needed: u128, limit: u64| needed <= u128::from(limit);
        let memory = budget
            .memory
            .is_none_or(|limit| !self.is_unlimited[0] && fits(self.peak, limit));
        // A function that calls another takes a nanosecond itself.
        let own = u128::from(self.calls);
        let cpu = budget
            .cpu
            .is_none_or(|limit| !self.is_unlimited[1] && fits(self.sums[0] + own, limit));
        memory && cpu && fits(self.sums[1], budget.io) && fits(self.sums[2], budget.network)
    }
}

fn sequence(nodes: &[Node], functions: &[Function], in_loop: bool) -> Need {
    nodes.iter().fold(Need::default(), |need, node| {
        need.then(need_of(node, functions, in_loop))
    })
}

fn need_of(node: &Node, functions: &[Function], in_loop: bool) -> Need {
    let call = |callee: &usize, keeps_all| Need::of_call(&functions[*callee].budget, keeps_all);
    let outermost = |need: Need| if in_loop { need } else { need.looped() };
    match node {
        Node::Call(callee) => call(callee, false),
        Node::Kept(callee) => call(callee, true),
        Node::Joined(a, b) => call(a, true).then(call(b, true)),
        Node::Branches(branches) => branches
            .iter()
            .map(|branch| sequence(branch, functions, in_loop))
            .reduce(Need::or)
            .unwrap_or_default(),
        Node::For(rounds, body) => outermost(sequence(body, functions, true).repeated(*rounds)),
        Node::While(condition, rounds, body) => {
            let condition = call(condition, false).repeated(*rounds + 1);
            let body = sequence(body, functions, true).repeated(*rounds);
            outermost(condition.then(body))
        }
    }
}

/// What one way through a body really uses, call after call.
struct Walk<'a> {
    functions: &'a [Function],
    random: &'a mut Random,
    sums: [u128; 3],
    live: u128,
    peak: u128,
}

impl Walk<'_> {
    fn call(&mut self, callee: usize, keeps_all: bool) {
        let need = Need::of_call(&self.functions[callee].budget, keeps_all);
        for (sum, more) in self.sums.iter_mut().zip(need.sums) {
            *sum += more;
        }
        self.peak = self.peak.max(self.live + need.peak);
        self.live += need.retained;
    }

    fn walk(&mut self, nodes: &[Node]) {
        for node in nodes {
            match node {
                Node::Call(callee) => self.call(*callee, false),
                Node::Kept(callee) => self.call(*callee, true),
                Node::Joined(a, b) => {
                    self.call(*a, true);
                    self.call(*b, true);
                }
                Node::Branches(branches) => {
                    let taken = self.random.below(branches.len());
                    self.walk(&branches[taken]);
                }
                Node::For(rounds, body) => {
                    for _ in 0..self.rounds(*rounds) {
                        self.walk(body);
                    }
                }
                Node::While(condition, rounds, body) => {
                    for _ in 0..self.rounds(*rounds) {
                        self.call(*condition, false);
                        self.walk(body);
                    }
                    self.call(*condition, false);
                }
            }
        }
    }

    /// All of them, mostly.
    fn rounds(&mut self, max: u64) -> u64 {
        match self.random.below(4) {
            0 => self.random.number() % (max + 1),
            _ => max,
        }
    }
}

/// Makes the functions of one tree; each spends some of those before it.
struct Planter<'a> {
    random: &'a mut Random,
    functions: Vec<Function>,
}

impl Planter<'_> {
    fn plant(mut self) -> Vec<Function> {
        let count = 3 + self.random.below(5);
        for index in 0..count {
            let kind = *self.random.pick(&[
                Kind::Function,
                Kind::Function,
                Kind::Async,
                Kind::Method,
                Kind::Dynamic,
            ]);
            // The first can be called by all the others.
            let (kind, body) = match index {
                0 => (Kind::Function, Vec::new()),
                _ => (kind, self.body(kind, 0)),
            };
            let need = sequence(&body, &self.functions, false);
            let budget = self.budget(kind, &need);
            let is_over = !need.fits(&budget);
            self.functions.push(Function {
                kind,
                budget,
                body,
                is_over,
            });
        }
        self.functions
    }

    fn body(&mut self, kind: Kind, depth: usize) -> Vec<Node> {
        let most = if depth == 0 { 4 } else { 2 };
        let count = self.random.below(most) + usize::from(depth == 0);
        (0..count).map(|_| self.node(kind, depth)).collect()
    }

    fn node(&mut self, kind: Kind, depth: usize) -> Node {
        let callee = self.callee(kind);
        match self.random.below(if depth > 2 { 4 } else { 11 }) {
            0..=2 => Node::Call(callee),
            3 => match self.functions[callee].kind {
                Kind::Async if self.random.one_in(2) => Node::Kept(callee),
                Kind::Async => Node::Joined(callee, callee),
                _ => Node::Call(callee),
            },
            4..=6 => {
                let branches = 2 + self.random.below(2);
                Node::Branches((0..branches).map(|_| self.body(kind, depth + 1)).collect())
            }
            7 | 8 => Node::For(self.random.number() % 5, self.body(kind, depth + 1)),
            _ => Node::While(
                self.plain_callee(),
                self.random.number() % 4,
                self.body(kind, depth + 1),
            ),
        }
    }

    /// Only what is `async` awaits.
    fn callee(&mut self, caller: Kind) -> usize {
        match caller {
            Kind::Async => self.random.below(self.functions.len()),
            _ => self.plain_callee(),
        }
    }

    fn plain_callee(&mut self) -> usize {
        let plain: Vec<usize> = (0..self.functions.len())
            .filter(|i| self.functions[*i].kind != Kind::Async)
            .collect();
        *self.random.pick(&plain)
    }

    /// Just enough, or a unit too little of something, or any number.
    fn budget(&mut self, kind: Kind, need: &Need) -> Budget {
        let own = u128::from(need.calls);
        let memory = self.limit(need.peak, need.is_unlimited[0]);
        let cpu = self.limit(need.sums[0] + own, need.is_unlimited[1]);
        // A method that spends has to say.
        let is_method = matches!(kind, Kind::Method | Kind::Dynamic);
        let cpu = cpu.or_else(|| is_method.then_some(1_000_000));
        let some = |limit: Option<u64>, otherwise| limit.unwrap_or(otherwise);
        let io = some(self.limit(need.sums[1], false), 50);
        let network = some(self.limit(need.sums[2], false), 5_000);
        let retains = memory.filter(|_| self.random.one_in(2));
        let retains = retains.map(|bytes| self.random.number() % (bytes + 1));
        Budget {
            memory,
            retains: retains.or(memory),
            cpu,
            io,
            network,
        }
    }

    fn limit(&mut self, need: u128, is_unlimited: bool) -> Option<u64> {
        let need = u64::try_from(need).expect("trees are small");
        if self.random.one_in(if is_unlimited { 2 } else { 25 }) {
            return None;
        }
        Some(match self.random.below(12) {
            0 => need.saturating_sub(1),
            1..=6 => need,
            7 => self.random.number() % (need + 1_000),
            _ => need + self.random.number() % 1_000,
        })
    }
}

/// The source of one tree, a module, with the first and last line of each function.
fn source(number: usize, functions: &[Function], text: &mut String) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    writeln!(
        text,
        "pub mod tree_{number} {{\nuse super::*;\npub struct Store;"
    )
    .unwrap();
    for (index, function) in functions.iter().enumerate() {
        let first = text.lines().count() + 1;
        let attribute = attribute(&function.budget);
        let body = printed(&function.body, functions, &mut 0);
        match function.kind {
            Kind::Function | Kind::Async => {
                let asyncness = if function.kind == Kind::Async {
                    "async "
                } else {
                    ""
                };
                writeln!(
                    text,
                    "{attribute}\npub {asyncness}fn f{index}(store: &Store) -> Result<bool, RoundsExceeded> {{\n{body}Ok(true)\n}}"
                )
                .unwrap();
            }
            Kind::Method => {
                writeln!(
                    text,
                    "impl Store {{\n{attribute}\npub fn f{index}(&self) -> Result<bool, RoundsExceeded> {{\nlet store = self;\n{body}Ok(true)\n}}\n}}"
                )
                .unwrap();
            }
            Kind::Dynamic => {
                writeln!(
                    text,
                    "#[budget]\npub trait Trait{index} {{\n{attribute}\nfn f{index}(&self) -> Result<bool, RoundsExceeded>;\n}}\n\
                     #[budget]\nimpl Trait{index} for Store {{\n#[budget]\nfn f{index}(&self) -> Result<bool, RoundsExceeded> {{\nlet store = self;\n{body}Ok(true)\n}}\n}}"
                )
                .unwrap();
            }
        }
        lines.push((first, text.lines().count()));
    }
    text.push_str("}\n");
    lines
}

fn attribute(budget: &Budget) -> String {
    let mut keys = Vec::new();
    match budget.memory {
        Some(bytes) => keys.push(format!("memory = \"{bytes}B\"")),
        None => keys.push("memory = \"unlimited\"".to_owned()),
    }
    if budget.memory.is_some()
        && let Some(bytes) = budget.retains
        && Some(bytes) != budget.memory
    {
        keys.push(format!("retains = \"{bytes}B\""));
    }
    if let Some(ns) = budget.cpu {
        keys.push(format!("cpu = \"{ns}ns\""));
    }
    keys.push(format!("io = {}", budget.io));
    keys.push(format!("network = \"{}B\"", budget.network));
    format!("#[budget({})]", keys.join(", "))
}

fn printed(nodes: &[Node], functions: &[Function], names: &mut usize) -> String {
    let mut text = String::new();
    for node in nodes {
        *names += 1;
        let name = *names;
        match node {
            Node::Call(callee) => writeln!(text, "let _ = {}?;", call(*callee, functions, true)),
            Node::Kept(callee) => {
                let call = call(*callee, functions, false);
                writeln!(
                    text,
                    "let kept_{name} = {call};\nlet _ = kept_{name}.await?;"
                )
            }
            Node::Joined(a, b) => {
                let (a, b) = (call(*a, functions, false), call(*b, functions, false));
                writeln!(text, "let _ = join!({a}, {b});")
            }
            Node::Branches(branches) => {
                writeln!(text, "match number() {{").unwrap();
                for (i, branch) in branches.iter().enumerate() {
                    let pattern = if i + 1 == branches.len() {
                        "_".to_owned()
                    } else {
                        i.to_string()
                    };
                    let body = printed(branch, functions, names);
                    writeln!(text, "{pattern} => {{\n{body}}}").unwrap();
                }
                writeln!(text, "}}")
            }
            Node::For(rounds, body) => {
                let body = printed(body, functions, names);
                writeln!(
                    text,
                    "#[repeat(max = {rounds})]\nfor _ in 0..number() {{\n{body}}}"
                )
            }
            Node::While(condition, rounds, body) => {
                let condition = call(*condition, functions, true);
                let body = printed(body, functions, names);
                writeln!(
                    text,
                    "#[repeat(max = {rounds})]\nwhile {condition}? {{\n{body}}}"
                )
            }
        }
        .unwrap();
    }
    text
}

fn call(callee: usize, functions: &[Function], awaited: bool) -> String {
    match functions[callee].kind {
        Kind::Function => format!("spend!(f{callee}(store))"),
        Kind::Async if awaited => format!("spend!(f{callee}(store)).await"),
        Kind::Async => format!("spend!(f{callee}(store))"),
        Kind::Method => format!("spend!(store.f{callee}())"),
        Kind::Dynamic => format!("spend!((store as &dyn Trait{callee}).f{callee}())"),
    }
}

/// A package beside the target folder of this test, with the versions that the workspace has.
fn package() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random_trees");
    fs::create_dir_all(package.join("src")).unwrap();
    fs::copy(workspace.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    let manifest = format!(
        "[package]\nname = \"random-trees\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\ncnv = {{ path = {:?}, default-features = false }}\n\n[workspace]\n",
        workspace.join("cnv")
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    package
}

/// The lines of the program that have an error.
fn lines_with_errors(package: &Path) -> BTreeSet<usize> {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--message-format=json"])
        .current_dir(package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let mut lines = BTreeSet::new();
    let mut was_compiled = false;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let is_ours = message["target"]["name"] == "random_trees";
        was_compiled |= is_ours;
        if !is_ours || message["message"]["level"] != "error" {
            continue;
        }
        let rendered = message["message"]["rendered"].as_str().unwrap();
        let spans = message["message"]["spans"].as_array().unwrap();
        let Some(span) = spans.iter().find(|span| span["is_primary"] == true) else {
            continue;
        };
        assert!(rendered.contains("over budget"), "{rendered}");
        lines.insert(usize::try_from(span["line_start"].as_u64().unwrap()).unwrap());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(was_compiled, "nothing was compiled: {stderr}");
    lines
}

const HEADER: &str = "#![allow(unused, async_fn_in_trait)]
use cnv::{budget, spend};
use cnv::quota::RoundsExceeded;
macro_rules! join { ($a:expr, $b:expr) => { ($a.await?, $b.await?) }; }
pub fn number() -> u32 { std::process::id() }
";

#[test]
fn the_compiler_and_an_evaluator_agree_on_every_function() {
    let seed = env::var("CNV_TEST_SEED").map_or(20_261, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let mut text = HEADER.to_owned();
    let mut expected = Vec::new();
    let mut walked = 0;
    for number in 0..TREES {
        let functions = Planter {
            random: &mut random,
            functions: Vec::new(),
        }
        .plant();
        let lines = source(number, &functions, &mut text);
        for (index, function) in functions.iter().enumerate() {
            expected.push((number, index, lines[index], function.is_over));
            if function.is_over {
                continue;
            }
            for _ in 0..PATHS {
                let mut walk = Walk {
                    functions: &functions,
                    random: &mut random,
                    sums: [0; 3],
                    live: 0,
                    peak: 0,
                };
                walk.walk(&function.body);
                let Budget {
                    memory,
                    cpu,
                    io,
                    network,
                    ..
                } = function.budget;
                let fits = |used: u128, limit: Option<u64>| {
                    limit.is_none_or(|limit| used <= u128::from(limit))
                };
                assert!(fits(walk.peak, memory), "{number}.{index}: {function:?}");
                assert!(fits(walk.sums[0], cpu), "{number}.{index}: {function:?}");
                assert!(
                    fits(walk.sums[1], Some(io)),
                    "{number}.{index}: {function:?}"
                );
                assert!(
                    fits(walk.sums[2], Some(network)),
                    "{number}.{index}: {function:?}"
                );
                walked += 1;
            }
        }
    }
    let package = package();
    fs::write(package.join("src/lib.rs"), &text).unwrap();
    let errors = lines_with_errors(&package);
    let mut wrong = Vec::new();
    for (number, index, (first, last), is_over) in &expected {
        let was_refused = errors.range(*first..=*last).next().is_some();
        if was_refused != *is_over {
            wrong.push(format!(
                "tree {number}, f{index}, line {first}: refused {was_refused}"
            ));
        }
    }
    let over = expected.iter().filter(|(.., is_over)| *is_over).count();
    println!(
        "seed {seed}: {} functions, {over} over, {walked} paths",
        expected.len()
    );
    assert!(
        over * 5 > expected.len() && over * 5 < 4 * expected.len(),
        "{over} are over"
    );
    assert!(
        wrong.is_empty(),
        "seed {seed}, in {}: {wrong:#?}",
        package.display()
    );
}
