//! MariaDB and MySQL: the same phases, by other means.
//!
//! Nothing of the schema can be rolled back here, so each statement stands by itself and says which
//! algorithm it needs: the server then refuses what would copy the table or lock out writers,
//! instead of doing it. A rule that binds new rows only (`NOT VALID`) is not to be had: a column
//! may be NULL until it is filled.

mod add_column;
mod change_column;
mod change_primary_key;
mod change_type;
mod convert_charset;
mod copy_table;
mod drop_column;
mod feed;
mod fold;
mod keys;
mod modify_column;
mod rename_column;
mod rename_ruled;
mod rename_table;
mod reshape_columns;
mod retype_keys;
mod storage;
mod triggers;

use downhaul_catalog::{Catalog, Column, column_def, render};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, IndexDef, ObjectName,
    Script, Span, SqlType, Statement, parse_script,
};

use super::conversion::Conv;
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene, anew_by_hand, as_written, names, pair, refused, replace};
use crate::{Direction, Phase};

pub(crate) use change_primary_key::{change_primary_key, is_meant as changes_primary_key};
pub(crate) use copy_table::{copy_table, is_asked_for as asks_for_copy};
pub(crate) use fold::fold;
pub(crate) use reshape_columns::reshape_columns;
pub(crate) use retype_keys::said;

/// The pieces of one change.
pub(crate) fn one_change(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    match change {
        Change::RenameColumn { table, from, to } => {
            rename_column::rename_column(table, from, to, scene)
        }
        Change::AddColumn { table, column, .. } => {
            add_column::add_column(change, table, column, text, scene)
        }
        Change::DropColumn { table, column, .. } => {
            drop_column::drop_column(change, table, column, text, scene)
        }
        Change::ModifyColumn { table, from, column, .. } => {
            modify_column::modify_column(change, table, from, column, scene)
        }
        Change::RenameTable { from, to } if anew_by_hand::is_made(from, to, scene) => {
            anew_by_hand::refuse(&scene.now.normalize(to), scene)
        }
        Change::RenameTable { from, to } if scene.now.table(from).is_some() => {
            rename_table::rename_table(from, to, scene)
        }
        Change::ConvertCharset { table, charset, collation } => {
            convert_charset::convert_charset(table, charset, collation.as_deref(), scene)
        }
        // A table that this file makes is empty, and nobody writes to it.
        Change::CreateIndex { index: IndexDef { table, .. }, .. }
        | Change::AddConstraint { table, .. }
            if scene.now.table(table).is_some_and(|known| known.origin == HERE) =>
        {
            let mut made = Made::default();
            made.push(Slot::EXPAND, as_written::piece(change, text, scene, "")?);
            Ok(made)
        }
        Change::CreateIndex { index, .. } => {
            let slot = if index.unique { Slot::CONTRACT } else { Slot::EXPAND };
            if locks_out_writers(index) {
                let why = "Writers wait until it is built: the server has no other way.";
                let named = named_index(change, index, scene);
                let mut made = online(&named, slot, " ALGORITHM=INPLACE LOCK=SHARED", why, scene)?;
                made.note(format!(
                    "writers of {} wait while the {} index is built: the server has no other way",
                    index.table,
                    index.method.as_deref().unwrap_or_default().to_uppercase()
                ));
                return Ok(made);
            }
            if let Some([build, drop, rename, back]) = replace::key(index, change, scene) {
                let (why, clause) = (
                    "Beside the index whose name it takes at the contract.",
                    " ALGORITHM=INPLACE LOCK=NONE",
                );
                let mut made = online(&build, slot, clause, why, scene)?;
                let why = "Its successor stands, and takes its name.";
                made.append(online(&drop, Slot::CONTRACT, "", why, scene)?);
                let (mut up, mut down) = (Side::default(), Side::default());
                add(&mut up, "", &rename, INPLACE, dialect)?;
                add(&mut down, "", &back, INPLACE, dialect)?;
                made.push(Slot::CONTRACT, Piece::made(up, down));
                return Ok(made);
            }
            online(
                &named_index(change, index, scene),
                slot,
                " ALGORITHM=INPLACE LOCK=NONE",
                "Writers go on while it is built.",
                scene,
            )
        }
        // It goes when its successor takes its name.
        Change::DropIndex { .. } if replace::hands_over(change, scene) => Ok(Made::default()),
        Change::DropIndex { .. } => online(
            change,
            Slot::CONTRACT,
            "",
            "The old release may be fast only because of it: it goes last.",
            scene,
        ),
        Change::AddConstraint { table, constraint, .. } => {
            let mut made = Made::default();
            if let ConstraintKind::ForeignKey { columns, .. } = &constraint.kind {
                made.append(index_for(table, constraint, columns, scene)?);
            }
            let (clause, why) = match &constraint.kind {
                ConstraintKind::Unique { .. } => (
                    INPLACE,
                    "The old release must not write duplicates any more. Writers go on while it is built.",
                ),
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => (
                    "",
                    "The old release may break it: it must be gone. Every row is read, and writers wait meanwhile.",
                ),
                _ => {
                    return refused(
                        "the key of a table is how its rows are stored: to add one copies the table where another was made up for it",
                        "where it replaces one, write both in one statement: DROP PRIMARY KEY, ADD PRIMARY KEY (…)",
                    );
                }
            };
            made.append(online(change, Slot::CONTRACT, clause, why, scene)?);
            Ok(made)
        }
        Change::AlterColumnType { .. } | Change::SetNotNull { .. } | Change::DropNotNull { .. } => {
            refused(
                format!("{dialect} has no such statement"),
                "state the whole column: ALTER TABLE … MODIFY COLUMN …",
            )
        }
        _ => as_written::as_written(change, text, scene),
    }
}

/// Whether an index is of a kind that is built without writers only (error 1846).
pub(super) fn locks_out_writers(index: &IndexDef) -> bool {
    matches!(index.method.as_deref(), Some("fulltext" | "spatial"))
}

/// An index without a name gets the one that the server would give it: its way back names it.
fn named_index(change: &Change, index: &IndexDef, scene: &Scene<'_>) -> Change {
    let mut change = change.clone();
    if index.name.is_none() {
        let mut after = scene.now.clone();
        after.apply(&change, HERE);
        let newest = after.table(&index.table).and_then(|t| t.indexes.last());
        if let Change::CreateIndex { index, .. } = &mut change {
            index.name = newest.map(|newest| newest.name.clone());
        }
    }
    change
}

/// The index that a foreign key needs, where none serves it: made with the key, while writers wait, it would
/// stay behind when the key goes.
fn index_for(
    table: &ObjectName,
    constraint: &ConstraintDef,
    columns: &[Ident],
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    if known.has_prefix_index(columns) {
        return Ok(Made::default());
    }
    // As the server would call it.
    let name = constraint.name.as_ref().or(columns.first());
    let base = name.map_or_else(|| known.name.name.to_string(), ToString::to_string);
    let name = names::free_part(scene.now, &known.name, &base);
    let index = IndexDef {
        unique: false,
        ..pair::unique_index(&known.name, &name, columns, scene.dialect())
    };
    let create = Change::CreateIndex { index, concurrently: false, if_not_exists: false };
    let why = "The index that the foreign key needs. Writers go on while it is built.";
    online(&create, Slot::EXPAND, " ALGORITHM=INPLACE LOCK=NONE", why, scene)
}

/// The end of an `ALTER TABLE` that neither copies nor locks out writers.
pub(super) const INPLACE: &str = ", ALGORITHM=INPLACE, LOCK=NONE";
/// The end of one that touches no row at all.
pub(super) const INSTANT: &str = ", ALGORITHM=INSTANT";

/// A change with the algorithm that it needs.
fn online(
    change: &Change,
    slot: Slot,
    clause: &str,
    why: &str,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let mut side = Side::default();
    add(&mut side, why, change, clause, scene.dialect())?;
    let mut made = Made::default();
    for step in side.steps {
        made.push(slot, Piece::AsWritten { why: step.why, text: step.sql });
    }
    Ok(made)
}

/// Adds a change with the algorithm that it needs.
pub(super) fn add(
    side: &mut Side,
    why: &str,
    change: &Change,
    clause: &str,
    dialect: Dialect,
) -> Result<(), Refused> {
    let statements = match render(change, dialect) {
        Ok(statements) => statements,
        Err(error) => return refused(error.to_string(), "write this change by hand"),
    };
    for (at, sql) in statements.into_iter().enumerate() {
        side.sql(if at == 0 { why } else { "" }, format!("{sql}{clause}"));
    }
    Ok(())
}

/// A column beside another one, which triggers always write: without what only the first one needs.
///
/// Where it takes no NULL it has a default, which nobody ever finds: `INSERT … SELECT` asks for a value or
/// a default before it fires a trigger (error 1364).
pub(super) fn beside(def: &ColumnDef, name: &Ident, not_null: bool, dialect: Dialect) -> ColumnDef {
    let default = def.ty.as_ref().filter(|_| not_null).and_then(|ty| filler(ty, dialect));
    ColumnDef {
        name: name.clone(),
        not_null,
        not_null_name: None,
        default,
        comment: None,
        ..def.clone()
    }
}

/// Whether the server does these beside writers in one statement. One that adds a column which is computed when
/// it is read (`VIRTUAL`) does nothing else so (error 1846).
pub(crate) fn goes_with_others(changes: &[Change]) -> bool {
    let is_virtual = |change: &Change| {
        matches!(change, Change::AddColumn { column, .. }
            if column.generated.as_ref().is_some_and(|generated| !generated.stored))
    };
    changes.len() < 2 || !changes.iter().any(is_virtual)
}

/// Some value of a type.
fn filler(ty: &SqlType, dialect: Dialect) -> Option<Expr> {
    let label;
    let text = match ty.name.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal"
        | "numeric" | "float" | "double" | "boolean" | "year" | "bit" => "0",
        "char" | "varchar" | "binary" | "varbinary" | "set" => "''",
        "tinytext" | "text" | "mediumtext" | "longtext" | "tinyblob" | "blob" | "mediumblob"
        | "longblob"
            if dialect == Dialect::MariaDb =>
        {
            "''"
        }
        "enum" => {
            label = dialect.literal(ty.args.first()?);
            &label
        }
        "date" => "'1970-01-02'",
        "datetime" | "timestamp" => "'1970-01-02 00:00:00'",
        "time" => "'00:00:00'",
        _ => return None,
    };
    Some(literal(text))
}

/// The default of a column that takes no NULL and follows others, as long as a release does not know it:
/// what the triggers compute. `INSERT … SELECT` asks for a value or a default before it fires a trigger
/// (error 1364), and rows come while the triggers stand aside, as kept values go back. `None` where the server may not take it as a default.
pub(super) fn default_of(conv: &Conv, dialect: Dialect) -> Option<Expr> {
    /// Functions of texts, numbers, dates and JSON that give the same for the same, as MariaDB 10.11 was seen
    /// to take them, and words that stand before a bracket.
    const TAKEN: &str = "\
        lower upper concat concat_ws substring substr substring_index left right trim ltrim rtrim \
        replace coalesce ifnull nullif if cast convert abs round floor ceil mod greatest least \
        length char_length lpad rpad date year month date_format lcase ucase mid reverse repeat \
        space instr locate position insert elt field find_in_set ascii ord character_length \
        octet_length bit_length hex unhex md5 sha1 sha sha2 crc32 to_base64 from_base64 quote \
        soundex truncate ceiling sign sqrt pow power exp ln log log2 log10 conv bin oct isnull nvl \
        nvl2 strcmp regexp_replace regexp_substr regexp_instr json_value json_extract json_unquote \
        json_query json_object json_array json_quote json_length json_valid json_contains day \
        dayofmonth dayofweek dayofyear weekday hour minute second microsecond quarter time timestamp \
        last_day to_days from_days makedate datediff timestampdiff timestampadd date_add date_sub \
        adddate subdate str_to_date extract inet_aton inet_ntoa and or not in like between when then \
        else case div";
    let text = conv.plain(dialect);
    let calls = text.match_indices('(').map(|(at, _)| {
        let before = text[..at].trim_end();
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_');
        before[start.map_or(0, |at| at + 1)..].to_lowercase()
    });
    /// Of these MySQL has none, or takes other arguments.
    const NOT_BY_MYSQL: [&str; 7] =
        ["md5", "sha", "sha1", "nvl", "nvl2", "json_value", "json_query"];
    let known = |name: String| {
        let taken = TAKEN.split(' ').any(|taken| taken == name);
        let not = dialect == Dialect::Mysql && NOT_BY_MYSQL.contains(&name.as_str());
        name.is_empty() || taken && !not
    };
    let asks = text.contains('@') || text.to_lowercase().contains("select");
    let taken = !asks && calls.into_iter().all(known);
    taken.then(|| literal(&format!("({text})")))
}

/// A constant.
pub(super) fn literal(text: &str) -> Expr {
    Expr {
        text: text.to_owned(),
        columns: Vec::new(),
        functions: Vec::new(),
        span: Span::default(),
    }
}

/// Has fills leave columns with `ON UPDATE CURRENT_TIMESTAMP` as they are: what follows from other columns
/// is no change of the row, nor is a value where none was.
///
/// `before` is the schema before the file, `now` the one behind all expand phases, in which a column may have a
/// second one beside it that has the same.
pub(crate) fn keep_stamps(all: &mut [Made], script: &Script, before: &Catalog, now: &Catalog) {
    let dialect = before.dialect;
    let mut meant = before.clone();
    meant.apply_script(script, HERE);
    let is_stamp = |catalog: &Catalog, table: &ObjectName, column: &Ident| {
        let found = catalog.table(table).and_then(|known| known.column(column));
        found.is_some_and(|column| column.on_update.is_some())
    };
    for made in all {
        let derived = made.derived.clone();
        for (slot, piece) in &mut made.pieces {
            let Piece::Made { up, down } = piece else { continue };
            for (side, direction) in [(up, Direction::Up), (down, Direction::Down)] {
                if slot.phase != Phase::Backfill && !derived.contains(&(*slot, direction)) {
                    continue;
                }
                for step in &mut side.steps {
                    let parsed = parse_script(&step.sql, dialect);
                    let Some([Change::Update { table, columns, .. }]) =
                        parsed.statements.first().map(Statement::changes)
                    else {
                        continue;
                    };
                    // At the contract one of the two goes.
                    let stays = |column: &Ident| {
                        slot.phase != Phase::Contract
                            || is_stamp(before, table, column) && is_stamp(&meant, table, column)
                    };
                    let there = now.table(table).into_iter().flat_map(|known| &known.columns);
                    let stamps: Vec<String> = there
                        .filter(|column| column.on_update.is_some() && stays(&column.name))
                        .filter(|column| !columns.contains(&column.name))
                        .map(|column| dialect.quote_if_needed(&column.name))
                        .map(|name| format!(", {name} = {name}"))
                        .collect();
                    if let Some(at) = step.sql.find("\nWHERE ") {
                        step.sql.insert_str(at, &stamps.concat());
                    }
                }
            }
        }
    }
}

/// `MODIFY COLUMN` to this definition.
pub(super) fn modify(table: &ObjectName, column: ColumnDef) -> Change {
    Change::ModifyColumn { table: table.clone(), from: column.name.clone(), column, position: None }
}

/// A column under a name, NULL or not.
pub(super) fn stated(column: &Column, name: &Ident, not_null: bool) -> ColumnDef {
    ColumnDef { name: name.clone(), not_null, not_null_name: None, ..column_def(column) }
}

/// `ADD COLUMN`.
pub(super) fn added(table: &ObjectName, column: ColumnDef) -> Change {
    Change::AddColumn { table: table.clone(), column, if_not_exists: false, position: None }
}

/// `DROP COLUMN`.
pub(super) fn dropped(table: &ObjectName, column: &Ident) -> Change {
    Change::DropColumn {
        table: table.clone(),
        column: column.clone(),
        if_exists: false,
        cascade: false,
    }
}
