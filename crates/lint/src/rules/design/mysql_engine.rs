//! DS15.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a table of an engine without transactions (MyISAM, Aria, MEMORY, CSV, ARCHIVE).
    ///
    /// ## Why is this bad
    ///
    /// A crash can leave it broken, nothing in it is ever rolled back, and every write locks all of
    /// it.
    ///
    /// ## What to do
    ///
    /// `ENGINE=InnoDB`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY) ENGINE=MyISAM;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY) ENGINE=InnoDB;
    /// ```
    "DS15" "mysql-engine"
    severity: Info,
    dialects: MYSQL_FAMILY,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let options = match cx.change {
        Change::CreateTable { def, .. } if !def.temporary => &def.options,
        Change::SetTableOptions { options, .. } => options,
        _ => return None,
    };
    let (_, engine) = options.iter().find(|(name, value)| {
        name == "engine"
            && matches!(
                value.to_lowercase().as_str(),
                "myisam" | "aria" | "memory" | "heap" | "csv" | "archive"
            )
    })?;
    Some(Draft::new(format!("{engine} knows no transactions")).help("use ENGINE=InnoDB"))
}
