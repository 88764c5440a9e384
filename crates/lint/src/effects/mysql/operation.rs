//! Which operation of the facts a change is.

use downhaul_catalog::Column;
use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName, SqlType,
};

use super::super::Scene;
use super::super::collation::{Coding, Recoding, conversion, is_text, recoding};
use super::super::type_change::{Fit, labels_fit};

/// The operation that a change is, and its table; `None` where no table is altered.
pub(crate) fn operation<'c>(
    change: &'c Change,
    scene: &Scene<'_>,
) -> Option<(&'static str, &'c ObjectName)> {
    use Change as C;
    let state = &scene.state;
    Some(match change {
        C::AddColumn { table, column, position, if_not_exists } => {
            if *if_not_exists && state.column(table, &column.name).is_some() {
                return None;
            }
            let on_mysql = state.dialect() == Dialect::Mysql;
            let operation = match add_column(column, position.as_ref(), scene) {
                // MariaDB copies; MySQL 9.7 does it at once (measured).
                "add-column-virtual" if !on_mysql && reads_new_column(column, scene.siblings) => {
                    "change-type"
                }
                // No shortcut where an index is built in the same statement (measured).
                "add-column-last" | "add-column-position" if builds_index(scene.siblings) => {
                    "add-column-indexed"
                }
                operation => operation,
            };
            (operation, table)
        }
        C::DropColumn { table, column, .. } => {
            let indexed = state.is_indexed(table, column);
            (if indexed { "drop-indexed-column" } else { "drop-column" }, table)
        }
        C::RenameColumn { table, .. } => ("rename-column", table),
        C::ModifyColumn { table, from, column, position } => (
            modify_column(
                state.column(table, from),
                column,
                position.as_ref(),
                &Meaning {
                    dialect: state.dialect(),
                    charset: charset_of(table, scene),
                    recoding: recoding_of(table, from, column, scene),
                },
            ),
            table,
        ),
        C::AlterColumnType { table, .. } => ("change-type", table),
        C::SetDefault { table, .. } | C::DropDefault { table, .. } => ("set-default", table),
        C::AddConstraint { table, constraint, if_not_exists: true }
            if constraint
                .name
                .as_ref()
                .is_some_and(|n| state.table(table).is_some_and(|t| t.constraint(n).is_some())) =>
        {
            return None;
        }
        C::AddConstraint { table, constraint, .. } => (add_constraint(constraint, scene), table),
        C::DropConstraint { table, name, .. } => {
            let kind = state.table(table).and_then(|t| t.constraint(name)).map(|c| &c.kind);
            let operation = match kind {
                Some(ConstraintKind::ForeignKey { .. }) => "drop-foreign-key",
                Some(ConstraintKind::Unique { .. }) => "drop-index",
                Some(ConstraintKind::PrimaryKey { .. }) => "drop-primary-key",
                _ => "drop-check",
            };
            (operation, table)
        }
        C::DropPrimaryKey { table } => {
            let replaced = scene.siblings.iter().any(|c| {
                matches!(c, C::AddConstraint { constraint, .. }
                    if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }))
            });
            (if replaced { "change-primary-key" } else { "drop-primary-key" }, table)
        }
        C::CreateIndex { index, if_not_exists: true, .. }
            if index
                .name
                .as_ref()
                .is_some_and(|n| state.index_table(n, Some(&index.table)).is_some()) =>
        {
            return None;
        }
        C::CreateIndex { index, .. } => {
            let operation = match index.method.as_deref() {
                Some("fulltext") => "add-fulltext",
                Some("spatial") => "add-spatial",
                _ if index.unique => "add-unique",
                _ => "add-index",
            };
            (operation, &index.table)
        }
        C::DropIndex { table: Some(table), .. } => ("drop-index", table),
        C::RenameIndex { table: Some(table), .. } => ("rename-index", table),
        C::AlterIndexOptions { table: Some(table), .. } => ("alter-index", table),
        C::ConvertCharset { table, charset, collation: None }
            if has_charset_already(table, charset, scene) =>
        {
            ("table-comment", table)
        }
        C::ConvertCharset { table, charset, collation } => {
            let needs = match state.dialect() {
                Dialect::MariaDb => conversion(table, charset, collation.as_deref(), scene),
                _ => None,
            };
            let operation = match needs {
                Some(Recoding::Metadata) => "table-comment",
                Some(Recoding::Indexes) => "add-index",
                Some(Recoding::Copy) | None => "convert-charset",
            };
            (operation, table)
        }
        C::SetTableOptions { table, options } => (table_options(options, scene, table)?, table),
        C::MysqlTableVerb { table, verb } => {
            let verb = verb.to_lowercase();
            let operation = if verb.starts_with("force") {
                "force"
            } else if verb.starts_with("order") {
                "order-by"
            } else if verb.contains("system") {
                "system-versioning"
            } else {
                return None;
            };
            (operation, table)
        }
        C::MysqlPartition { table, verb, text } => {
            let operation = match verb.to_lowercase().as_str() {
                // Of a hash, where rows move to the new ones.
                "add" if text.to_uppercase().contains("PARTITIONS ") => "reorganize-partition",
                "add" => "add-partition",
                "drop" | "truncate" | "exchange" | "discard" | "import" => "drop-partition",
                "by" | "remove" => "partition-by",
                "analyze" | "check" => return None,
                _ => "reorganize-partition",
            };
            (operation, table)
        }
        C::RenameTable { from, .. } => ("rename-table", from),
        C::DropTable { name, .. } => ("drop-table", name),
        C::CreateTrigger { def, .. } => ("create-trigger", &def.table),
        C::DropTrigger { table: Some(table), .. } => ("create-trigger", table),
        _ => return None,
    })
}

/// It builds an index beside the primary key.
pub(super) fn builds_secondary(change: &Change) -> bool {
    match change {
        Change::CreateIndex { .. } => true,
        Change::AddConstraint { constraint, .. } => {
            matches!(
                constraint.kind,
                ConstraintKind::Unique { .. } | ConstraintKind::ForeignKey { .. }
            )
        }
        Change::AddColumn { column, .. } => {
            column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::Unique { .. }))
        }
        _ => false,
    }
}

/// A generated column of one that comes with the same statement.
fn reads_new_column(column: &ColumnDef, siblings: &[Change]) -> bool {
    column.generated.as_ref().is_some_and(|g| {
        siblings.iter().any(
            |c| matches!(c, Change::AddColumn { column: new, .. } if g.expr.columns.contains(&new.name)),
        )
    })
}

fn builds_index(changes: &[Change]) -> bool {
    changes.iter().any(|c| match c {
        Change::CreateIndex { .. } => true,
        Change::AddConstraint { constraint, .. } => matches!(
            constraint.kind,
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. }
        ),
        _ => false,
    })
}

fn add_column(
    column: &ColumnDef,
    position: Option<&ColumnPosition>,
    scene: &Scene<'_>,
) -> &'static str {
    let dialect = scene.state.dialect();
    // MySQL ignored references behind a column before 9.0.
    let makes_keys = dialect == Dialect::MariaDb || scene.state.options.at_least(9, 0, 0);
    if column.auto_increment {
        return "add-column-auto-increment";
    }
    match &column.generated {
        Some(generated) if generated.stored => return "add-column-stored",
        Some(_) => return "add-column-virtual",
        None => {}
    }
    if let Some(inline) = column.constraints.iter().find_map(|c| match &c.kind {
        ConstraintKind::PrimaryKey { .. } => Some("add-primary-key"),
        ConstraintKind::Unique { .. } => Some("add-column-indexed"),
        ConstraintKind::Check { .. } if dialect == Dialect::Mysql => Some("add-check"),
        ConstraintKind::ForeignKey { .. } if makes_keys => Some("add-foreign-key"),
        _ => None,
    }) {
        return inline;
    }
    let computed = column.default.as_ref().is_some_and(|d| {
        d.functions
            .iter()
            .any(|f| !matches!(f.as_str(), "now" | "current_timestamp" | "localtimestamp"))
    });
    // MySQL copies for any default in parentheses (measured on 9.7).
    let in_parentheses = dialect == Dialect::Mysql
        && column.default.as_ref().is_some_and(|d| d.text.trim_start().starts_with('('));
    if computed || in_parentheses {
        return "change-type";
    }
    if position.is_some() { "add-column-position" } else { "add-column-last" }
}

/// What decides about a type beside its text.
struct Meaning {
    dialect: Dialect,
    /// Of columns that say none.
    charset: Option<String>,
    /// What another coding of the text asks, where both are known.
    recoding: Option<Recoding>,
}

fn recoding_of(
    table: &ObjectName,
    from: &Ident,
    new: &ColumnDef,
    scene: &Scene<'_>,
) -> Option<Recoding> {
    let known = scene.state.table(table)?;
    let old = scene.state.column(table, from)?;
    let (before, after) = (old.ty.as_ref()?, new.ty.as_ref()?);
    if !is_text(before) || !is_text(after) {
        return None;
    }
    let from = Coding::of_column(old, known)?;
    let to = Coding::of(after, new.collation.as_deref(), known)?;
    match scene.state.dialect() {
        Dialect::MariaDb => Some(recoding(&old.name, known, (before, &from), (after, &to))),
        // Another character set is written anew (measured on MySQL 9.7).
        _ => from.is_recoded(&to).then_some(Recoding::Copy),
    }
}

/// The table says that it has this character set, and no column says another: nothing is converted
/// (measured on MySQL 9.7). What a table has that says none is the database's to tell.
pub(crate) fn has_charset_already(table: &ObjectName, charset: &str, scene: &Scene<'_>) -> bool {
    let Some(known) = scene.state.table(table) else { return false };
    let stated = charset_of(table, scene);
    scene.state.dialect() == Dialect::Mysql
        && !known.assumed
        && stated.is_some_and(|stated| stated.eq_ignore_ascii_case(charset))
        && !known.options.keys().any(|name| name.contains("collate"))
        && known
            .columns
            .iter()
            .all(|c| c.collation.is_none() && c.ty.as_ref().is_none_or(|ty| ty.charset.is_none()))
}

/// The character set that a table gives its columns.
pub(crate) fn charset_of(table: &ObjectName, scene: &Scene<'_>) -> Option<String> {
    let options = &scene.state.table(table)?.options;
    let stated = ["charset", "character set", "default charset", "default character set"]
        .iter()
        .find_map(|name| options.get(*name));
    stated.cloned().or_else(|| options.get("collate")?.split('_').next().map(str::to_owned))
}

fn modify_column(
    old: Option<&Column>,
    new: &ColumnDef,
    position: Option<&ColumnPosition>,
    meaning: &Meaning,
) -> &'static str {
    let operation = modify_definition(old, new, position, meaning);
    match meaning.recoding {
        Some(Recoding::Indexes)
            if matches!(operation, "modify-metadata" | "widen-varchar" | "rename-column") =>
        {
            "add-index"
        }
        _ => operation,
    }
}

fn modify_definition(
    old: Option<&Column>,
    new: &ColumnDef,
    position: Option<&ColumnPosition>,
    meaning: &Meaning,
) -> &'static str {
    let Some(old) = old else { return "change-type" };
    let (Some(from), Some(to)) = (&old.ty, &new.ty) else { return "change-type" };
    if old.generated.is_some() != new.generated.is_some()
        || new.generated.as_ref().is_some_and(|g| {
            old.generated
                .as_ref()
                .is_some_and(|o| o.stored != g.stored || o.expr.text != g.expr.text)
        })
    {
        // Virtual before and after: only the definition changes.
        let stored = |g: &downhaul_syntax::Generated| g.stored;
        return match (&old.generated, &new.generated) {
            // MySQL copies (measured on 9.7).
            (Some(o), Some(n)) if !stored(o) && !stored(n) => match meaning.dialect {
                Dialect::Mysql => "change-type",
                _ => "modify-metadata",
            },
            _ => "add-column-stored",
        };
    }
    if old.auto_increment != new.auto_increment && new.auto_increment {
        return "change-type";
    }
    if let Some(operation) =
        change_of_type(from, to, old.collation.as_ref(), new.collation.as_ref(), meaning)
    {
        return operation;
    }
    if new.not_null && !old.not_null {
        return "set-not-null";
    }
    if !new.not_null && old.not_null {
        return "drop-not-null";
    }
    if position.is_some() {
        return "reorder-column";
    }
    if old.name != new.name { "rename-column" } else { "modify-metadata" }
}

/// The operation that the types alone call for; `None` where they are the same.
fn change_of_type(
    from: &SqlType,
    to: &SqlType,
    old_collation: Option<&String>,
    new_collation: Option<&String>,
    meaning: &Meaning,
) -> Option<&'static str> {
    let recoded = from.charset.is_some() && to.charset != from.charset;
    let recollated =
        new_collation.is_some() && old_collation.is_some() && new_collation != old_collation;
    if meaning.recoding.map_or(recoded || recollated, |r| r == Recoding::Copy) {
        return Some("change-type");
    }
    if from.name == to.name && from.args == to.args && from.unsigned == to.unsigned {
        return None;
    }
    match (from.name.as_str(), to.name.as_str()) {
        ("varchar", "varchar") => {
            let length = |t: &SqlType| t.args.first().and_then(|a| a.trim().parse::<u64>().ok());
            let (Some(a), Some(b)) = (length(from), length(to)) else { return Some("change-type") };
            // utf8mb4: four bytes a character; one length byte holds up to 255 bytes.
            let width = bytes_of_a_character(to.charset.as_deref().or(meaning.charset.as_deref()));
            let wide = |n: u64| n * width > 255;
            // MariaDB reserves a second length byte for what may hold 128 bytes or more, so that
            // shorter ones grow at will (measured on 10.11).
            let grows = meaning.dialect == Dialect::MariaDb && a * width <= 127;
            let free = b >= a && (wide(a) == wide(b) || grows);
            Some(if free { "widen-varchar" } else { "change-type" })
        }
        ("enum", "enum") | ("set", "set") => Some(match labels_fit(from, to) {
            Fit::Same if label_bytes(from) == label_bytes(to) => "extend-enum",
            _ => "change-enum",
        }),
        // A display width means nothing.
        (a, b) if a == b && from.unsigned == to.unsigned && a.ends_with("int") => None,
        _ => Some("change-type"),
    }
}

/// The most bytes that a character takes; utf8mb4 where nothing is said.
fn bytes_of_a_character(charset: Option<&str>) -> u64 {
    match charset.map(str::to_lowercase).as_deref() {
        Some("latin1" | "ascii" | "binary") => 1,
        Some("ucs2") => 2,
        Some("utf8" | "utf8mb3") => 3,
        _ => 4,
    }
}

/// Bytes that a value takes: an enum with more than 255 labels needs two, a set one for eight.
fn label_bytes(ty: &SqlType) -> usize {
    if ty.name == "set" {
        match ty.args.len().div_ceil(8) {
            n @ 0..=4 => n,
            _ => 8,
        }
    } else {
        1 + usize::from(ty.args.len() > 255)
    }
}

fn add_constraint(constraint: &ConstraintDef, scene: &Scene<'_>) -> &'static str {
    match &constraint.kind {
        ConstraintKind::PrimaryKey { .. } => {
            if scene.siblings.iter().any(|c| matches!(c, Change::DropPrimaryKey { .. })) {
                "change-primary-key"
            } else {
                "add-primary-key"
            }
        }
        ConstraintKind::Unique { .. } => "add-unique",
        ConstraintKind::ForeignKey { .. } => {
            if scene.setting_is("foreign_key_checks", &["0", "off"]) {
                "add-foreign-key-unchecked"
            } else {
                "add-foreign-key"
            }
        }
        ConstraintKind::Check { .. } if constraint.not_enforced => "add-check-not-enforced",
        _ => "add-check",
    }
}

fn table_options(
    options: &[(String, String)],
    scene: &Scene<'_>,
    table: &ObjectName,
) -> Option<&'static str> {
    let mut worst: Option<&'static str> = None;
    for (name, value) in options {
        let operation = match name.as_str() {
            "engine" => {
                let now = scene.state.table(table).and_then(|t| t.options.get("engine"));
                if now.is_none_or(|n| n.eq_ignore_ascii_case(value))
                    && value.eq_ignore_ascii_case("innodb")
                {
                    "same-engine"
                } else {
                    "change-engine"
                }
            }
            "row_format" | "key_block_size" => "row-format",
            "charset"
            | "character set"
            | "default character set"
            | "default charset"
            | "collate" => "default-charset",
            _ => "table-comment",
        };
        let heavy = |o: &str| matches!(o, "change-engine" | "same-engine" | "row-format");
        if worst.is_none_or(|w| !heavy(w)) {
            worst = Some(operation);
        }
    }
    worst
}
