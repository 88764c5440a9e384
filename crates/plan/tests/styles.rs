//! The examples of every style are found out, read and understood.

use std::path::Path;

use downhaul_plan::{LayoutId, TransactionMode, load};
use downhaul_syntax::{Change, Dialect, Parsed, parse_script};

#[test]
fn every_layout_has_an_example_that_is_read() {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations-examples/styles");
    for layout in LayoutId::ALL {
        let series = load(&styles.join(layout.as_str())).unwrap();
        assert_eq!(series.layout, layout);
        assert!(series.migrations.len() >= 2, "{layout}");
        for migration in &series.migrations {
            for file in [&migration.up, &migration.down].into_iter().flatten() {
                let at = file.path.display();
                let script = parse_script(&file.text, Dialect::Postgres);
                assert!(!script.statements.is_empty(), "{at}");
                for statement in &script.statements {
                    assert!(matches!(statement.parsed, Parsed::Changes(_)), "{at}: {statement:?}");
                    let concurrent = statement.changes().iter().any(|change| {
                        matches!(
                            change,
                            Change::CreateIndex { concurrently: true, .. }
                                | Change::DropIndex { concurrently: true, .. }
                        )
                    });
                    let own_word = file.text.contains("downhaul:no-transaction");
                    assert!(
                        !concurrent || own_word || file.transaction == TransactionMode::None,
                        "{at}: an index is built concurrently outside of a transaction"
                    );
                }
            }
        }
    }
}
