//! Columns split, merged or computed anew: some come, some go, in one `ALTER TABLE`, and directives
//! say how each follows from the others.

use downhaul_catalog::{Table, render};
use downhaul_syntax::{Change, ColumnDef, Ident, ObjectName, SqlType};

use super::conversion::{Conv, directive_for};
use super::names;
use super::partitioned::{is_divided, late};
use super::piece::{Piece, Side, Slot};
use super::rules::Rules;
use super::sync::Sync;
use super::{HERE, Made, Refused, Scene, refused};
use crate::Direction;

/// Whether the statement adds and drops columns, and directives tie them together.
pub(crate) fn is_meant(changes: &[Change], scene: &Scene<'_>) -> bool {
    let adds = changes.iter().any(|c| matches!(c, Change::AddColumn { .. }));
    let drops = changes.iter().any(|c| matches!(c, Change::DropColumn { .. }));
    adds && drops && !(scene.forward.is_empty() && scene.back.is_empty())
}

/// What the statement says: which columns come and go, and how each follows from the others.
pub(crate) struct Reshape<'a> {
    pub(crate) known: &'a Table,
    pub(crate) added: Vec<&'a ColumnDef>,
    pub(crate) dropped: Vec<&'a Ident>,
    /// For each added column.
    pub(crate) forward: Vec<Conv>,
    /// For each dropped column.
    pub(crate) back: Vec<Conv>,
}

impl<'a> Reshape<'a> {
    /// Reads the changes and the directives above them.
    pub(crate) fn read(changes: &'a [Change], scene: &'a Scene<'_>) -> Result<Self, Refused> {
        let dialect = scene.dialect();
        let (mut added, mut dropped): (Vec<&ColumnDef>, Vec<&Ident>) = (Vec::new(), Vec::new());
        let mut table: Option<&ObjectName> = None;
        for change in changes {
            match change {
                Change::AddColumn { table: of, column, .. } => {
                    table = Some(of);
                    added.push(column);
                }
                Change::DropColumn { table: of, column, .. } => {
                    table = Some(of);
                    dropped.push(column);
                }
                _ => {
                    return refused(
                        "columns that take the place of others stand in a statement of their own",
                        "write the other actions as a second statement",
                    );
                }
            }
        }
        let Some(table) = table else {
            return refused(
                "no column is named",
                "add columns and drop columns in one ALTER TABLE",
            );
        };
        let known = scene.table(table)?;
        // The expressions of the way back name the new columns.
        let mut after = scene.now.clone();
        for column in &added {
            if !column.constraints.is_empty()
                || column.generated.is_some()
                || column.identity.is_some()
            {
                return refused(
                    format!("{table}.{} carries more than a type and NOT NULL", column.name),
                    "add its constraints in a second statement",
                );
            }
            let bare = ColumnDef {
                not_null: false,
                not_null_name: None,
                default: None,
                ..(*column).clone()
            };
            after.apply(
                &Change::AddColumn {
                    table: known.name.clone(),
                    column: bare,
                    if_not_exists: false,
                    position: None,
                },
                HERE,
            );
        }
        let Some(both) = after.table(&known.name) else {
            return refused(format!("{table} is not known"), "give the schema with --schema FILE");
        };
        let mut forward = Vec::new();
        for column in &added {
            let Some(directive) = directive_for(&scene.forward, &column.name, added.len() == 1)
            else {
                return refused(
                    format!(
                        "nothing says how {table}.{} follows from the old columns",
                        column.name
                    ),
                    format!(
                        "add -- downhaul:forward {} \"EXPRESSION\" above the statement",
                        column.name
                    ),
                );
            };
            forward.push(Conv::of_directive(directive, both, dialect)?);
        }
        let mut back = Vec::new();
        for column in &dropped {
            let Some(directive) = directive_for(&scene.back, column, dropped.len() == 1) else {
                return refused(
                    format!("nothing says how {table}.{column} follows from the new columns"),
                    format!(
                        "add -- downhaul:back {column} \"EXPRESSION\" above the statement: the old release goes on reading it"
                    ),
                );
            };
            back.push(Conv::of_directive(directive, both, dialect)?);
            let found = scene.column(table, column)?;
            if known.primary_key().contains(column) || found.generated.is_some() {
                return refused(
                    format!("{table}.{column} is part of the key, or generated"),
                    "build a new table beside the old one",
                );
            }
        }
        Ok(Self { known, added, dropped, forward, back })
    }

    /// What the expressions may lose.
    pub(crate) fn caution(&self) -> String {
        format!(
            "where the expressions lose something, what one release writes and the other cannot hold is cut: check -- downhaul:forward and -- downhaul:back with the rows of {}",
            self.known.name
        )
    }

    /// The columns that go, with their types.
    pub(crate) fn first(&self) -> Vec<(Ident, Option<SqlType>)> {
        let typed =
            |c: &&Ident| self.known.column(c).map(|found| (found.name.clone(), found.ty.clone()));
        self.dropped.iter().filter_map(typed).collect()
    }

    /// The columns that come, with their types.
    pub(crate) fn second(&self) -> Vec<(Ident, Option<SqlType>)> {
        self.added.iter().map(|c| (c.name.clone(), c.ty.clone())).collect()
    }
}

/// Columns that take the place of others.
#[allow(clippy::too_many_lines, reason = "the three phases stand side by side")]
pub(crate) fn reshape_columns(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let reshape = Reshape::read(changes, scene)?;
    let (first, second, caution) = (reshape.first(), reshape.second(), reshape.caution());
    let Reshape { known, added, dropped, forward, back } = reshape;
    let check = |column: &Ident| {
        names::free_part(scene.now, &known.name, &format!("{}_{column}_not_null", known.name.name))
    };
    let new_rules = Rules {
        not_null: added
            .iter()
            .filter(|c| c.not_null)
            .map(|c| (c.name.clone(), check(&c.name)))
            .collect(),
        constraints: Vec::new(),
    };
    let old_rules = Rules {
        not_null: dropped
            .iter()
            .filter(|c| known.column(c).is_some_and(|column| column.not_null))
            .map(|c| ((*c).clone(), check(c)))
            .collect(),
        constraints: Vec::new(),
    };
    let base = added.first().map(|c| c.name.to_string()).unwrap_or_default();
    let (trigger, function) = Sync::named(scene.now, known, &base);
    let sync = Sync {
        dialect,
        table: known.name.clone(),
        first,
        second,
        forward,
        back,
        required: new_rules.not_null.iter().map(|(c, _)| c.clone()).collect(),
        trigger,
        function,
        schema: known.name.schema.clone().or_else(|| scene.now.default_schema.clone()),
    };
    let mut made = Made::default();
    made.note(caution);

    let (mut up, mut down) = (Side::default(), Side::default());
    let mut why =
        "Empty and without a default: this touches no row, and holds its lock for an instant.";
    for column in &added {
        let bare =
            ColumnDef { not_null: false, not_null_name: None, default: None, ..(*column).clone() };
        up.change(
            why,
            &Change::AddColumn {
                table: known.name.clone(),
                column: bare,
                if_not_exists: false,
                position: None,
            },
            dialect,
        )?;
        why = "";
    }
    sync.create(
        &mut up,
        "Whoever writes one side, the other follows. The trigger compares values and asks no client who it is; it stands before the first row is copied, so that none is missed.",
    );
    new_rules.add(
        &known.name,
        dialect,
        &mut up,
        "NOT VALID: rows that are not filled yet are left alone.",
    )?;
    sync.drop(&mut down, "");
    for column in added.iter().rev() {
        down.change("", &drop(&known.name, &column.name), dialect)?;
    }
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    new_rules.promote(&known.name, dialect, &mut up)?;
    old_rules.demote(
        &known.name,
        dialect,
        &mut up,
        "From here on the rules of the old side bind new rows only, so that the way back from contract takes no scan.",
    )?;
    down.sql(
        "Fills the old side again with what was written after contract. Nothing to do where contract never ran.",
        sync.backfill_back(),
    );
    old_rules.promote(&known.name, dialect, &mut down)?;
    new_rules.demote(&known.name, dialect, &mut down, "")?;
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    if is_divided(scene.now, &known.name) {
        let plain = sync.forward.iter().map(|conv| conv.plain(dialect));
        let columns: Vec<(Ident, String)> =
            sync.second.iter().map(|(c, _)| c.clone()).zip(plain).collect();
        late(&known.name, &columns, dialect, &mut up);
    }
    sync.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    sync.create(&mut down, "Both sides follow each other again.");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    for column in &added {
        if let Some(default) = &column.default {
            let set = Change::SetDefault {
                table: known.name.clone(),
                column: column.name.clone(),
                default: default.clone(),
            };
            let unset =
                Change::DropDefault { table: known.name.clone(), column: column.name.clone() };
            let (mut up, mut down) = (Side::default(), Side::default());
            up.change("", &set, dialect)?;
            down.change("", &unset, dialect)?;
            made.push(Slot::CONTRACT, Piece::made(up, down));
        }
    }
    for column in &dropped {
        let text = match render(&drop(&known.name, column), dialect) {
            Ok(statements) => statements.join(";\n"),
            Err(error) => return refused(error.to_string(), "write the phases by hand"),
        };
        made.push(Slot::CONTRACT, Piece::as_written(text));
    }
    Ok(made)
}

fn drop(table: &ObjectName, column: &Ident) -> Change {
    Change::DropColumn {
        table: table.clone(),
        column: column.clone(),
        if_exists: false,
        cascade: false,
    }
}
