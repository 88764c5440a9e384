# Lists the recipes.
default:
    @just --list

# Everything CI checks: installs what is missing, format, clippy, all tests.
ready:
    scripts/test

# All tests, or those whose name matches.
test *ARGS:
    cargo test --workspace --locked {{ARGS}}

# Format and clippy, as CI judges them.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Writes generated files anew (reference, rule pages, snapshots of output); review the diff.
gen:
    DOWNHAUL_BLESS=1 INSTA_UPDATE=always cargo test --workspace --locked

# The demo, on an embedded database.
demo *ARGS:
    cargo run --release --locked -- demo {{ARGS}}

# Reads random texts for some minutes; needs the nightly toolchain and `cargo install cargo-fuzz`.
fuzz SECONDS="600":
    cargo +nightly fuzz run parse -- -dict=fuzz/sql.dict -max_len=4096 -timeout=10 -max_total_time={{SECONDS}}
