# Everything that a change has to pass.
check: test lint docs

test:
    cargo test

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# The goals of a subject, as a table: of things that took turns. Subjects are `frames`, `attestation`, `quota`, `recovery`,
# `reload`, `session`, `trace` and `pipeline`.
bench subject="frames" *arguments:
    cargo run --release -p cnv-bench -- {{subject}} {{arguments}}

# Rewrites the expected compiler messages and expansions; read the difference before you commit it.
bless:
    TRYBUILD=overwrite cargo test -p cnv-ui-tests
    INSTA_UPDATE=always cargo test -p cnv-macros

# Runs one fuzz target, such as `just fuzz parse 600`: see `fuzz/fuzz_targets`. Needs cargo-fuzz and nightly.
fuzz target seconds="60":
    CARGO_TARGET_DIR=target/fuzz cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}} -max_len=4096
