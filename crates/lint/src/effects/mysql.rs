//! Which algorithm of MySQL and MariaDB a change needs, and what that means for a table.
//!
//! `facts/mysql.tsv` holds it for each operation: for MariaDB 10.11 measured (ask for `INSTANT`,
//! `NOCOPY`, `INPLACE`, `COPY` with `LOCK=NONE` in turn and see which is refused), for MySQL by
//! version from the manual (8.0 §15.12.1, "Online DDL Operations"), and for 9.7 measured by
//! `scripts/mysql-matrix`.

use std::collections::HashMap;
use std::sync::LazyLock;

use downhaul_catalog::{Column, Table};
use downhaul_syntax::change::{ColumnPosition, RowFilter};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName, SqlType,
};

use super::collation::{Coding, Recoding, conversion, is_text, recoding};
use super::type_change::{Fit, labels_fit};
use super::{Blocks, Effects, LockEffect, Scene};
use crate::ServerVersion;

const MYSQL: &str = include_str!("../../facts/mysql.tsv");

/// How the server carries out an `ALTER`, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    /// Only metadata.
    Instant,
    /// Without writing the clustered index anew (MariaDB).
    Nocopy,
    /// Inside the engine.
    Inplace,
    /// Row by row into a new table; writes wait.
    Copy,
}

impl Algorithm {
    /// As `ALGORITHM=` names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "INSTANT",
            Self::Nocopy => "NOCOPY",
            Self::Inplace => "INPLACE",
            Self::Copy => "COPY",
        }
    }
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) algorithm: Algorithm,
    /// Every row is written anew.
    pub(crate) rebuilds: bool,
    /// An index is built over all rows.
    pub(crate) builds: bool,
    /// Writes wait for as long as it lasts.
    pub(crate) blocks_writes: bool,
    /// A short lock that keeps readers out too.
    pub(crate) exclusive: bool,
}

struct Row {
    mysql: &'static str,
    mariadb: &'static str,
}

static ROWS: LazyLock<HashMap<&'static str, Row>> = LazyLock::new(|| {
    rows().map(|[operation, _, mysql, mariadb]| (operation, Row { mysql, mariadb })).collect()
});

/// All operations in order: name, statement that shows it, what it needs on MySQL and on MariaDB.
pub(crate) fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    MYSQL.lines().skip(1).filter_map(|line| {
        let mut cells = line.split('\t');
        Some([cells.next()?, cells.next()?, cells.next()?, cells.next()?])
    })
}

/// What an operation costs on a server.
pub(crate) fn online(operation: &str, dialect: Dialect, version: ServerVersion) -> Online {
    let cell = match ROWS.get(operation) {
        Some(row) if dialect == Dialect::MariaDb => row.mariadb,
        Some(row) => row.mysql,
        None => "copy",
    };
    let chosen = cell
        .split(',')
        .map(str::trim)
        .find_map(|alternative| match alternative.split_once(' ') {
            Some((since, word)) => {
                since.parse::<ServerVersion>().ok().filter(|v| version >= *v).map(|_| word)
            }
            None => Some(alternative),
        })
        .unwrap_or("copy");
    read(chosen)
}

fn read(word: &str) -> Online {
    let algorithm = match word.split('-').next() {
        Some("instant") => Algorithm::Instant,
        Some("nocopy") => Algorithm::Nocopy,
        Some("inplace") => Algorithm::Inplace,
        _ => Algorithm::Copy,
    };
    let copy = algorithm == Algorithm::Copy;
    let says = |flag: &str| word.split('-').any(|w| w == flag);
    Online {
        algorithm,
        rebuilds: copy || says("rebuild"),
        builds: copy || says("rebuild") || says("index"),
        blocks_writes: copy || says("shared"),
        exclusive: says("exclusive"),
    }
}

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
fn builds_secondary(change: &Change) -> bool {
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

/// Adds the locks, rebuilds and index builds of a change.
pub(super) fn physical(change: &Change, scene: &Scene<'_>, out: &mut Effects) {
    let state = &scene.state;
    match change {
        Change::Truncate { tables, .. } => {
            for table in tables {
                add(
                    online("truncate", state.dialect(), state.options.version()),
                    table,
                    scene,
                    out,
                );
            }
            return;
        }
        Change::OptimizeTable { tables } => {
            for table in tables {
                add(
                    online("optimize", state.dialect(), state.options.version()),
                    table,
                    scene,
                    out,
                );
            }
            return;
        }
        Change::Update { table, rows: RowFilter::All, .. }
        | Change::Delete { table, rows: RowFilter::All, .. }
            if state.in_use(table) =>
        {
            let table = state.catalog.normalize(table);
            out.locks.push(LockEffect {
                table: table.clone(),
                mode: "row locks on all rows",
                blocks: Blocks::Writes,
            });
            out.scans.push(table);
            return;
        }
        Change::LockTable { tables, mode } => {
            for table in tables.iter().filter(|t| state.in_use(t)) {
                let read = mode.to_lowercase().contains("read");
                out.locks.push(LockEffect {
                    table: state.catalog.normalize(table),
                    mode: if read { "READ" } else { "WRITE" },
                    blocks: if read { Blocks::Writes } else { Blocks::Reads },
                });
            }
            return;
        }
        Change::CreateTable { def, .. } => {
            for query in def.as_query.iter() {
                for table in query.tables.iter().filter(|t| state.in_use(t)) {
                    out.scans.push(state.catalog.normalize(table));
                }
            }
            return;
        }
        _ => {}
    }
    if let Some((operation, table)) = operation(change, scene) {
        add(costs(change, operation, table, scene).1, table, scene, out);
    }
}

/// What a change costs on the table that it meets, and as which operation: the engine, virtual
/// columns, a fulltext index and the row format stand in the way of cheaper ones (measured on
/// MariaDB 10.11; MySQL manual §15.12.1).
pub(crate) fn costs(
    change: &Change,
    operation: &'static str,
    table: &ObjectName,
    scene: &Scene<'_>,
) -> (&'static str, Online) {
    let (dialect, version) = (scene.state.dialect(), scene.state.options.version());
    if is_copied(operation, table, scene)
        || moves_virtual(change, table, scene)
        || checks_json(change, table, scene)
    {
        return ("change-type", online("change-type", dialect, version));
    }
    let mut costs = online(operation, dialect, version);
    let Some(known) = scene.state.table(table) else { return (operation, costs) };
    let instant = costs.algorithm == Algorithm::Instant
        && matches!(operation, "add-column-last" | "add-column-position" | "drop-column");
    // Where no row changes its form at once, none changes its order (measured on MariaDB 10.11).
    let moves = dialect == Dialect::MariaDb
        && matches!(operation, "reorder-column" | "drop-indexed-column");
    let fulltext = known.indexes.iter().any(|i| matches!(i.method.as_deref(), Some("fulltext")));
    let compressed = known
        .options
        .get("row_format")
        .is_some_and(|format| format.eq_ignore_ascii_case("compressed"));
    let indexed = indexed_virtual(known);
    // MySQL adds and drops columns at once only where nothing else of the statement needs more.
    let beside = dialect == Dialect::Mysql
        && scene.siblings.iter().any(|sibling| {
            self::operation(sibling, scene)
                .is_some_and(|(o, _)| online(o, dialect, version).algorithm > Algorithm::Instant)
        });
    if instant && (fulltext || compressed || indexed || beside) || moves && (fulltext || compressed)
    {
        costs = Online {
            algorithm: Algorithm::Inplace,
            rebuilds: true,
            builds: true,
            blocks_writes: false,
            exclusive: false,
        };
    }
    // A rebuild cannot follow what is written meanwhile, nor can the build of an index over a column
    // that is not there yet.
    costs.blocks_writes |= costs.rebuilds && (fulltext || indexed)
        || dialect == Dialect::MariaDb && indexes_new_virtual(change, scene.siblings);
    (operation, costs)
}

/// It builds an index over a virtual column that comes with the same statement (measured on MariaDB
/// 10.11).
fn indexes_new_virtual(change: &Change, siblings: &[Change]) -> bool {
    let columns: Vec<&Ident> = match change {
        Change::CreateIndex { index, .. } => {
            index.parts.iter().filter_map(|p| p.column.as_ref()).collect()
        }
        Change::AddConstraint { constraint, .. } => match &constraint.kind {
            ConstraintKind::Unique { columns, .. } => columns.iter().collect(),
            _ => return false,
        },
        _ => return false,
    };
    siblings.iter().any(|sibling| match sibling {
        Change::AddColumn { column, .. } => {
            columns.contains(&&column.name) && column.generated.as_ref().is_some_and(|g| !g.stored)
        }
        _ => false,
    })
}

/// An index holds a virtual column.
fn indexed_virtual(table: &Table) -> bool {
    let is_virtual = |name: &Ident| {
        let column = table.column(name);
        column.and_then(|c| c.generated.as_ref()).is_some_and(|g| !g.stored)
    };
    let parts = table.indexes.iter().flat_map(|i| &i.parts);
    parts.filter_map(|p| p.column.as_ref()).any(is_virtual)
        || table.constraints.iter().any(|c| {
            matches!(&c.kind, ConstraintKind::Unique { columns, .. } if columns.iter().any(is_virtual))
        })
}

/// A virtual column comes to stand elsewhere: MariaDB then copies the table (measured).
fn moves_virtual(change: &Change, table: &ObjectName, scene: &Scene<'_>) -> bool {
    let Some(known) = scene.state.table(table) else { return false };
    if scene.state.dialect() != Dialect::MariaDb {
        return false;
    }
    let is_virtual = |c: &Column| c.generated.as_ref().is_some_and(|g| !g.stored);
    let place = |name: &Ident| known.columns.iter().position(|c| c.name == *name);
    // Index of the first column that stands behind what is put there.
    let behind = |position: &ColumnPosition| match position {
        ColumnPosition::First => Some(0),
        ColumnPosition::After(other) => place(other).map(|at| at + 1),
    };
    match change {
        Change::AddColumn { position: Some(position), .. } => {
            behind(position).is_some_and(|at| known.columns.iter().skip(at).any(is_virtual))
        }
        Change::ModifyColumn { from, position: Some(position), .. } => {
            let (Some(from), Some(to)) = (place(from), behind(position)) else { return false };
            let (first, behind) = if from < to { (from + 1, to) } else { (to, from) };
            known.columns.iter().take(behind).skip(first).any(is_virtual)
        }
        Change::DropColumn { column, .. } if indexed_virtual(known) => {
            place(column).is_some_and(|at| known.columns.iter().skip(at + 1).any(is_virtual))
        }
        _ => false,
    }
}

/// MySQL copies for any `MODIFY` of a table with a CHECK that calls `json_valid` (measured on 9.7; a
/// CHECK without a function is in nobody's way).
fn checks_json(change: &Change, table: &ObjectName, scene: &Scene<'_>) -> bool {
    scene.state.dialect() == Dialect::Mysql
        && matches!(change, Change::ModifyColumn { .. })
        && scene.state.table(table).is_some_and(|t| {
            t.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::Check { expr, .. }
                    if expr.functions.iter().any(|f| f == "json_valid"))
            })
        })
}

/// An engine other than InnoDB copies what is more than metadata (measured on MyISAM).
fn is_copied(operation: &str, table: &ObjectName, scene: &Scene<'_>) -> bool {
    let engine = scene.state.table(table).and_then(|t| t.options.get("engine"));
    let other = engine.is_some_and(|e| !e.eq_ignore_ascii_case("innodb"));
    let touches_rows = [
        "add-column",
        "drop-column",
        "drop-indexed-column",
        "add-index",
        "add-unique",
        "add-fulltext",
        "add-spatial",
        "drop-index",
        "set-not-null",
        "drop-not-null",
        "reorder-column",
        "add-primary-key",
        "drop-primary-key",
        "change-primary-key",
        "widen-varchar",
        "same-engine",
        "change-engine",
        "force",
    ];
    other && touches_rows.iter().any(|o| operation.starts_with(o))
}

fn add(online: Online, table: &ObjectName, scene: &Scene<'_>, out: &mut Effects) {
    if !scene.state.in_use(table) {
        return;
    }
    let asked = scene.online.and_then(|o| o.algorithm.as_deref()).unwrap_or_default();
    let lock = scene.online.and_then(|o| o.lock.as_deref()).unwrap_or_default();
    let mut online = online;
    // A more expensive way may be asked for; a cheaper one than possible is refused.
    if asked == "copy" && online.algorithm != Algorithm::Copy {
        online = read("copy");
    }
    let table = scene.state.catalog.normalize(table);
    let (mode, blocks) = if lock == "exclusive" || online.exclusive {
        ("EXCLUSIVE", Blocks::Reads)
    } else if lock == "shared" || online.blocks_writes {
        if online.algorithm == Algorithm::Copy {
            ("ALGORITHM=COPY, LOCK=SHARED", Blocks::Writes)
        } else {
            ("ALGORITHM=INPLACE, LOCK=SHARED", Blocks::Writes)
        }
    } else {
        match online.algorithm {
            Algorithm::Instant => ("ALGORITHM=INSTANT", Blocks::Ddl),
            Algorithm::Nocopy => ("ALGORITHM=NOCOPY, LOCK=NONE", Blocks::Ddl),
            Algorithm::Inplace => ("ALGORITHM=INPLACE, LOCK=NONE", Blocks::Ddl),
            Algorithm::Copy => ("ALGORITHM=COPY, LOCK=SHARED", Blocks::Writes),
        }
    };
    out.locks.push(LockEffect { table: table.clone(), mode, blocks });
    if online.rebuilds {
        out.rewrites.push(table.clone());
        out.scans.push(table.clone());
    }
    // The primary key lies in the rows themselves.
    let secondary = scene.state.table(&table).is_none_or(|t| {
        t.assumed
            || !t.indexes.is_empty()
            || t.constraints.iter().any(|c| {
                matches!(c.kind, ConstraintKind::Unique { .. } | ConstraintKind::ForeignKey { .. })
            })
            || scene.siblings.iter().any(builds_secondary)
    });
    if online.builds && secondary {
        out.builds_indexes.push(table.clone());
        if !online.rebuilds {
            out.scans.push(table);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_choose_the_algorithm() {
        let at = |operation: &str, dialect: Dialect, version: &str| {
            online(operation, dialect, version.parse().unwrap()).algorithm
        };
        assert_eq!(at("drop-column", Dialect::Mysql, "8.0.28"), Algorithm::Inplace);
        assert_eq!(at("drop-column", Dialect::Mysql, "8.0.29"), Algorithm::Instant);
        assert_eq!(at("drop-column", Dialect::MariaDb, "10.11"), Algorithm::Instant);
        assert_eq!(at("change-type", Dialect::Mysql, "9.0"), Algorithm::Copy);
        let fulltext = online("add-fulltext", Dialect::Mysql, "8.0.36".parse().unwrap());
        assert!(fulltext.blocks_writes && fulltext.builds && !fulltext.rebuilds);
    }

    #[test]
    fn every_row_reads() {
        for line in MYSQL.lines().skip(1) {
            assert_eq!(line.split('\t').count(), 4, "{line}");
        }
        assert_eq!(rows().count(), MYSQL.lines().count() - 1);
    }
}
