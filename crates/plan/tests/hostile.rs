//! No file makes a layout panic, and every text keeps its places.

use downhaul_plan::source::load_lenient;
use downhaul_plan::{LayoutId, SourceFile};
use proptest::prelude::*;

/// Lines and pieces that some layout looks for.
const BITS: &[&str] = &[
    "-- +goose Up\n",
    "-- +goose Down\n",
    "-- +goose NO TRANSACTION\n",
    "-- +migrate Up notransaction\n",
    "-- +migrate Down\n",
    "-- migrate:up\n",
    "-- migrate:down transaction:false\n",
    "-- Up Migration\n",
    "---- down migration",
    "--liquibase formatted sql\n",
    "--changeset a:1 runOnChange:true\n",
    "--changeset \"a b",
    "--rollback x;\n",
    "--rollback empty\n",
    "/* liquibase rollback\n",
    "*/",
    "\n",
    "\r\n",
    "-- atlas:txtar\n",
    "-- migration.sql --\n",
    "-- down.sql --\n",
    "-- atlas:txmode none\n",
    "--! Previous: -\n",
    "--! no-transaction\n",
    "-- no-transaction\n",
    "%project=x\n",
    "a [b] 2026\n",
    "@v1 2026\n",
    "CREATE TABLE t (a int);",
    "é\u{1F980}",
    "'",
    "$$",
    " ",
    "--",
    "-- ",
    ":",
    "run_in_transaction = false\n",
];

/// A name for each place in which a layout looks.
const NAMES: &[&str] = &[
    "1_a.sql",
    "1_a.up.sql",
    "1_a.down.sql",
    "2-b.sql",
    "V1__a.sql",
    "U1__a.sql",
    "R__a.sql",
    "B1__a.sql",
    "V2__b.sql.conf",
    "atlas.sum",
    "sqitch.plan",
    "deploy/a.sql",
    "revert/a.sql",
    "1_d/up.sql",
    "1_d/down.sql",
    "1_d/metadata.toml",
    "1_d/migration.sql",
    "committed/000001-a.sql",
    "current.sql",
    "é.sql",
    "_.sql",
    "3_c.go",
    "changelog.yaml",
];

fn file() -> impl Strategy<Value = (&'static str, String)> {
    let text =
        prop::collection::vec(prop::sample::select(BITS), 0..12).prop_map(|bits| bits.concat());
    (prop::sample::select(NAMES), text)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_directory_is_read(files in prop::collection::vec(file(), 0..8)) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in &files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for layout in LayoutId::ALL.map(Some).into_iter().chain([None]) {
            let (series, _) = load_lenient(dir.path(), layout).unwrap();
            for migration in &series.migrations {
                for file in [&migration.up, &migration.down].into_iter().flatten() {
                    keeps_its_places(file);
                }
            }
        }
    }
}

fn keeps_its_places(file: &SourceFile) {
    if file.program {
        return;
    }
    let whole = std::fs::read_to_string(&file.path).expect("the layout read this file");
    assert_eq!(whole.len(), file.text.len(), "{:?}", file.text);
    let same =
        file.text.bytes().zip(whole.bytes()).all(|(kept, byte)| kept == byte || kept == b' ');
    assert!(same, "{:?} of {whole:?}", file.text);
}
