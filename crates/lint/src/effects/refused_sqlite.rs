//! What SQLite refuses beyond what the catalog says of missing, existing and dependent objects.
//! Each case was run (3.40 to 3.50).

use downhaul_syntax::{Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, IndexDef};

use super::Scene;
use super::default_value::{default_fails_check, is_null};

/// Why SQLite refuses a change.
pub(super) fn refused(change: &Change, scene: &Scene<'_>) -> Vec<String> {
    let mut out = Vec::new();
    out.extend(unknown_statement(change, scene));
    if let Change::AddColumn { table, .. }
    | Change::DropColumn { table, .. }
    | Change::RenameTable { from: table, .. }
    | Change::CreateIndex { index: IndexDef { table, .. }, .. } = change
        && scene.state.catalog.view(table).is_some()
    {
        out.push(format!("view `{table}` may not be altered or indexed"));
    }
    match change {
        Change::CreateView { or_replace: true, .. } => {
            out.push("syntax error: SQLite has no CREATE OR REPLACE VIEW".to_owned());
        }
        Change::RenameTable { from, to, .. }
            if from.name.as_str().eq_ignore_ascii_case(to.name.as_str()) =>
        {
            out.push(format!("there is already a table `{from}`: case makes no other name"));
        }
        Change::AddColumn { table, column, .. }
            if scene.state.table(table).is_some_and(|t| t.options.contains_key("strict")) =>
        {
            out.extend(not_strict(column));
        }
        Change::CreateTable { def, .. } => {
            let says = |option: &str| def.options.iter().any(|(name, _)| name == option);
            if says("strict") {
                out.extend(def.columns.iter().filter_map(not_strict));
            }
            let of_columns = def.columns.iter().flat_map(|c| &c.constraints);
            let key = |c: &ConstraintDef| matches!(c.kind, ConstraintKind::PrimaryKey { .. });
            if says("without rowid") && !def.constraints.iter().chain(of_columns).any(key) {
                out.push(format!("PRIMARY KEY missing on table `{}`", def.name));
            }
        }
        Change::CreateIndex { index, .. } => {
            let exprs = index.parts.iter().filter_map(|p| p.expr.as_ref());
            let moving = exprs.chain(index.predicate.as_ref()).find(|e| changes_by_itself(e));
            out.extend(moving.map(|e| {
                format!("non-deterministic function prohibited in index expressions: {}", e.text)
            }));
        }
        Change::DropIndex { name, .. } if name.name.as_str().starts_with("sqlite_autoindex_") => {
            out.push(format!("index `{name}` belongs to a UNIQUE or PRIMARY KEY constraint"));
        }
        _ => {}
    }
    if let Change::AddColumn { table, column, .. } = change
        && scene.state.in_use(table)
    {
        out.extend(new_column(column, scene));
    }
    out
}

/// Statements and clauses of other databases (some came with 3.53).
fn unknown_statement(change: &Change, scene: &Scene<'_>) -> Option<String> {
    let newer = scene.state.options.at_least(3, 53, 0);
    let what = match change {
        Change::AddColumn { if_not_exists: true, .. } => {
            return Some("syntax error: SQLite has no ADD COLUMN IF NOT EXISTS".to_owned());
        }
        Change::DropColumn { if_exists: true, .. } => {
            return Some("syntax error: SQLite has no DROP COLUMN IF EXISTS".to_owned());
        }
        Change::AddColumn { .. } | Change::DropColumn { .. } | Change::RenameColumn { .. }
            if scene.siblings.len() > 1 =>
        {
            return Some("syntax error: SQLite takes one action per ALTER TABLE".to_owned());
        }
        Change::AlterColumnType { .. } => "ALTER COLUMN TYPE",
        Change::SetDefault { .. } | Change::DropDefault { .. } => "ALTER COLUMN … DEFAULT",
        Change::SetNotNull { .. } | Change::DropNotNull { .. } if !newer => {
            "ALTER COLUMN … NOT NULL"
        }
        Change::AddConstraint { constraint, .. }
            if !newer || !matches!(constraint.kind, ConstraintKind::Check { .. }) =>
        {
            "ADD CONSTRAINT"
        }
        Change::DropConstraint { .. } if !newer => "DROP CONSTRAINT",
        Change::CreateSequence { .. }
        | Change::Comment { .. }
        | Change::CreateRoutine { .. }
        | Change::CreateSchema { .. }
        | Change::CreateExtension { .. }
        | Change::CreateType { .. }
        | Change::Grant { .. }
        | Change::Revoke { .. } => {
            return Some("syntax error: SQLite has no such statement".to_owned());
        }
        Change::ModifyColumn { .. } => "MODIFY COLUMN",
        Change::Truncate { .. } => "TRUNCATE",
        _ => return None,
    };
    Some(format!(
        "SQLite {} has no {what}: make a new table, copy the rows, drop the old one, rename",
        scene.state.options.version()
    ))
}

/// The clock, or chance.
fn changes_by_itself(expr: &Expr) -> bool {
    const CLOCK: &[&str] =
        &["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"];
    const MOVING: &[&str] = &[
        "random",
        "randomblob",
        "current_timestamp",
        "current_date",
        "current_time",
        "changes",
        "total_changes",
        "last_insert_rowid",
    ];
    let flat: String = expr.text.to_lowercase().split_whitespace().collect();
    let calls = |list: &[&str]| expr.functions.iter().any(|f| list.contains(&f.as_str()));
    let now = flat.contains("'now'") || CLOCK.iter().any(|f| flat.contains(&format!("{f}()")));
    calls(MOVING) || calls(CLOCK) && now
}

/// Types that a STRICT table does not take.
fn not_strict(column: &ColumnDef) -> Option<String> {
    let raw = column.ty.as_ref().map_or("", |t| t.raw.as_str());
    let taken = ["int", "integer", "real", "text", "blob", "any"];
    (!taken.iter().any(|t| raw.eq_ignore_ascii_case(t)))
        .then(|| format!("unknown datatype for \"{}\" of a STRICT table: \"{raw}\"", column.name))
}

/// On a table with rows.
fn new_column(column: &ColumnDef, scene: &Scene<'_>) -> Option<String> {
    let references =
        column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::ForeignKey { .. }));
    let filled = column.default.as_ref().is_some_and(|d| !is_null(d));
    let unchecked = scene.setting_is("foreign_keys", &["off", "0", "false", "no"]);
    if references && filled && !unchecked {
        return Some(format!(
            "Cannot add a REFERENCES column with non-NULL default value: \"{}\"",
            column.name
        ));
    }
    default_fails_check(column, Dialect::Sqlite).then(|| {
        format!("CHECK constraint failed: the default of \"{}\" does not pass", column.name)
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    #[test]
    fn as_sqlite_says() {
        let rule = find_rule("TX10").unwrap();
        let base = "-- history\nCREATE TABLE p (id integer PRIMARY KEY);\n\
                    CREATE TABLE t (a int, b text);\n-- up\n";
        for (up, expect) in [
            ("ALTER TABLE t ALTER COLUMN a TYPE text", true),
            ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", true),
            ("ALTER TABLE t ADD COLUMN c int CHECK (c > 0)", false),
            ("ALTER TABLE t RENAME COLUMN a TO c", false),
            ("ALTER TABLE t ADD COLUMN IF NOT EXISTS c int", true),
            ("ALTER TABLE t DROP COLUMN IF EXISTS b", true),
            ("ALTER TABLE t ADD COLUMN c int, ADD COLUMN d int", true),
            ("ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ADD COLUMN d int", false),
            ("ALTER TABLE t ADD COLUMN c int DEFAULT 1 REFERENCES p", true),
            (
                "PRAGMA foreign_keys = OFF; ALTER TABLE t ADD COLUMN c int DEFAULT 1 REFERENCES p",
                false,
            ),
            ("ALTER TABLE t ADD COLUMN c int DEFAULT NULL REFERENCES p", false),
            ("ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 0 CHECK (c > 0)", true),
            ("ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 1 CHECK (c > 0)", false),
            ("CREATE TABLE s (a text) STRICT; ALTER TABLE s ADD COLUMN b varchar(9)", true),
            ("CREATE TABLE s (a text) STRICT; ALTER TABLE s ADD COLUMN b integer", false),
            ("CREATE TABLE s (a varchar(9)) STRICT", true),
            ("CREATE VIEW v AS SELECT a FROM t; CREATE INDEX i ON v (a)", true),
            ("CREATE OR REPLACE VIEW v AS SELECT a FROM t", true),
            ("COMMENT ON TABLE t IS 'x'", true),
        ] {
            cases(rule, &[("sqlite", &format!("{base}{up}"), expect)]);
        }
        let text = format!("{base}ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)");
        cases(rule, &[("sqlite:3.53.0", &text, false)]);
    }
}
