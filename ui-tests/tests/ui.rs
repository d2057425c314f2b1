//! Compiles the programs in `fail` and `pass`. `just bless` rewrites the expected messages.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    cases.compile_fail("fail/*/*.rs");
}
