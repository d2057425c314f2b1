//! Which kernels a program uses: it is said once, by the environment that it starts in, so that each case
//! is a program of its own.

use std::env::current_exe;
use std::process::Command;

use cnv::frame::simd::level::Level;

const PREFIX: &str = "the level in use: ";

/// What the programs of the other tests run.
#[test]
fn says_its_level() {
    println!("{PREFIX}{:?}", Level::current());
}

/// The level that a program uses where `CNV_SIMD` is `name`, or is not set.
fn level_of(name: Option<&str>) -> String {
    let mut program = Command::new(current_exe().unwrap());
    program.args(["--exact", "says_its_level", "--nocapture"]);
    match name {
        Some(name) => program.env("CNV_SIMD", name),
        None => program.env_remove("CNV_SIMD"),
    };
    let output = program.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    // The test runner may have begun the line.
    let (_, level) = text.split_once(PREFIX).expect("a level");
    level.lines().next().unwrap().to_owned()
}

#[test]
fn a_level_that_is_named_is_used_where_the_cpu_has_it() {
    let names = [
        ("scalar", Level::Scalar),
        ("avx2", Level::Avx2),
        ("avx512", Level::Avx512),
        ("neon", Level::Neon),
    ];
    for (name, level) in names {
        let expected = if level.is_available() {
            level
        } else {
            Level::best()
        };
        assert_eq!(level_of(Some(name)), format!("{expected:?}"), "{name}");
    }
    assert_eq!(level_of(Some("scalar")), "Scalar");
}

#[test]
fn without_a_name_or_with_one_that_is_unknown_it_is_the_best() {
    let best = format!("{:?}", Level::best());
    for name in [None, Some(""), Some("sse9"), Some("AVX2")] {
        assert_eq!(level_of(name), best, "{name:?}");
    }
}
