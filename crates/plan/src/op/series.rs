//! Pieces put together to migrations, replayed, and proven to come back.

use downhaul_catalog::{
    Catalog, DiffOptions, Difference, DifferenceKind, NotInvertedKind, Problem, diff,
    inverse_script,
};
use downhaul_syntax::{Change, Ident, ObjectName, Script, parse_script};

use super::locks_first::locks_first;
use super::partitioned::{Partitioned, concurrently, is_divided, names_a_part};
use super::piece::{PhaseFile, Piece, Side, Slot, Step};
use super::{HERE, Made, Refused, refused, stale};
use crate::{Direction, Phase};

/// A file rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Migrations in the order in which they run; one without a phase where the file was safe.
    pub files: Vec<PhaseFile>,
    /// What a person should know before any of them runs.
    pub notes: Vec<String>,
    /// How the schema behind the last one differs from the one behind the file itself, the order of
    /// columns aside.
    pub remaining: Vec<String>,
}

/// Puts the pieces of all statements together.
pub(crate) fn assemble(
    script: &Script,
    before: &Catalog,
    name: &str,
    mut all: Vec<Made>,
) -> Result<Expansion, Refused> {
    keep_apart(&mut all);
    let mut out = Expansion::default();
    let mut now = before.clone();
    let mut built: Vec<(Slot, Side, Side)> = Vec::new();
    let mut plain = true;
    let partitioned = Partitioned::new(before, &all);
    for slot in Slot::ALL {
        let (mut up, mut downs) = (Side::default(), Vec::new());
        let met = now.clone();
        let mut any = false;
        for piece in all.iter().flat_map(|made| &made.pieces).filter(|(s, _)| *s == slot) {
            any = true;
            plain &= slot == Slot::EXPAND && matches!(piece.1, Piece::AsWritten { .. });
            let (there, back) = both_ways(&piece.1, &now, &mut out.notes);
            let there = partitioned.side(&there, &now, None)?;
            for step in &there.steps {
                let problems = now.apply_script(&parse_script(&step.sql, before.dialect), HERE);
                if let Some((_, _, problem)) = problems.first() {
                    let view = |name: &String| name.contains("view ");
                    let next = if matches!(problem, Problem::DependsOn { dependents, .. } if dependents.iter().any(view))
                    {
                        "drop the view before it and create it again behind it, in this file (DROP VIEW …; CREATE VIEW …): all of that happens in one phase"
                    } else {
                        "check the names against the migrations before this file; --schema names what was there before them"
                    };
                    return refused(
                        format!(
                            "the {} step `{}` cannot run: {problem}",
                            slot.suffix(),
                            first_line(&step.sql)
                        ),
                        next,
                    );
                }
            }
            up.append(there);
            downs.push(back);
        }
        if !any {
            continue;
        }
        let mut down = Side::default();
        for back in downs.into_iter().rev() {
            down.append(back);
        }
        let down = partitioned.side(&indexes_last(down, &now), &now, Some(&met))?;
        let (up, down) =
            (locks_first(up, slot, before.dialect), locks_first(down, slot, before.dialect));
        prove(&met, &now, &down, slot)?;
        built.push((slot, up, down));
    }
    let derived = |slot: Slot, direction: Direction| {
        let mut here = all.iter().filter(|made| made.pieces.iter().any(|(s, _)| *s == slot));
        here.all(|made| made.follows_in(slot, direction))
    };
    let given_up: Vec<[bool; 2]> = built
        .iter()
        .map(|(slot, ..)| [derived(*slot, Direction::Up), derived(*slot, Direction::Down)])
        .collect();
    for ((_, _, down), given_up) in built.iter_mut().zip(&given_up) {
        if !given_up[1] {
            mark(down, all.iter().flat_map(|made| &made.follow), before);
        }
    }
    let mut meant = before.clone();
    meant.apply_script(script, HERE);
    for made in all {
        for note in made.notes {
            if !out.notes.contains(&note) {
                out.notes.push(note);
            }
        }
        for change in &made.implied {
            meant.apply(change, HERE);
        }
    }
    let remaining = diff(&meant, &now, DiffOptions::default());
    // What the file leaves behind it is there behind the last phase too.
    let lost = |d: &&Difference| d.kind == DifferenceKind::OnlyLeft && !d.is_of_property();
    if let Some(difference) = remaining.iter().find(lost) {
        return refused(
            format!("the phases would not lead where the file does: {difference}"),
            "what the file drops and makes again, or changes twice, cannot be told apart here: put one of the two into a migration of its own",
        );
    }
    let told = remaining.iter().filter(|difference| !names_a_part(difference, &now));
    out.remaining = told.map(ToString::to_string).collect();
    let count = built.len();
    for (at, (slot, up, down)) in built.into_iter().enumerate() {
        out.files.push(file(name, (at + 1, count), slot, plain, (&up, &down), given_up[at]));
    }
    Ok(out)
}

/// Says of columns that follow from others, above the statements that drop them, how they do.
fn mark<'m>(
    down: &mut Side,
    follow: impl Iterator<Item = &'m (ObjectName, Ident, String)> + Clone,
    before: &Catalog,
) {
    for step in &mut down.steps {
        let script = parse_script(&step.sql, before.dialect);
        let Some([Change::DropColumn { table, column, .. }]) =
            script.statements.first().map(|s| s.changes())
        else {
            continue;
        };
        let is = |(of, name, _): &&(ObjectName, Ident, String)| {
            *of == before.normalize(table) && name == column
        };
        if let Some((_, _, expr)) = follow.clone().find(is)
            && !step.sql.starts_with("-- ")
        {
            let gone = Side { steps: vec![step.clone()] };
            step.sql.clone_from(&stale::as_computed(column, expr, gone).steps[0].sql);
        }
    }
}

/// A piece as the statements of both directions.
fn both_ways(piece: &Piece, now: &Catalog, notes: &mut Vec<String>) -> (Side, Side) {
    match piece {
        Piece::Made { up, down } => (up.clone(), down.clone()),
        Piece::AsWritten { why, text } => {
            let mut up = Side::default();
            up.sql(why, text.clone());
            let inverse = inverse_script(&parse_script(text, now.dialect), now);
            for item in &inverse.not_inverted {
                if !matches!(item.kind, NotInvertedKind::Data | NotInvertedKind::Stays) {
                    notes.push(format!("down: {}", item.reason));
                }
            }
            let mut down = Side::default();
            for statement in inverse.statements {
                down.sql("", statement.sql);
            }
            (up, down)
        }
    }
}

/// Indexes that a way back has to build come last, and CONCURRENTLY: the table was in use all the
/// while. Those of a table that the way back makes itself stay where they are.
fn indexes_last(down: Side, now: &Catalog) -> Side {
    let (mut first, mut last) = (Side::default(), Side::default());
    for step in down.steps {
        let script = parse_script(&step.sql, now.dialect);
        let moved = match script.statements.first().map(|s| s.changes()) {
            Some([Change::CreateIndex { index, concurrently: false, if_not_exists }])
                if now.dialect == downhaul_syntax::Dialect::Postgres
                    && (now.table(&index.table).is_some_and(|t| t.partitioning.is_none())
                        || is_divided(now, &index.table)) =>
            {
                concurrently(index, *if_not_exists, now.dialect)
            }
            _ => None,
        };
        match moved {
            Some(statements) => {
                for sql in statements {
                    last.steps.push(Step { why: step.why.clone(), sql });
                }
            }
            None => first.steps.push(step),
        }
    }
    first.append(last);
    first
}

/// Replays a way back; it has to lead to the schema before.
fn prove(met: &Catalog, after: &Catalog, down: &Side, slot: Slot) -> Result<(), Refused> {
    let mut back = after.clone();
    for step in &down.steps {
        let problems = back.apply_script(&parse_script(&step.sql, met.dialect), HERE);
        if let Some((_, _, problem)) = problems.first() {
            return refused(
                format!(
                    "the way back of {} would be refused at `{}`: {problem}",
                    slot.suffix(),
                    first_line(&step.sql)
                ),
                "this is a mistake of Downhaul's: please report it, and write the phases by hand",
            );
        }
    }
    // No server takes a value out of an enum: it stays, and harms nobody. The notes say so.
    let stays = |d: &Difference| d.kind == DifferenceKind::OnlyRight && d.object == "enum value";
    match diff(met, &back, DiffOptions::default()).iter().find(|difference| !stays(difference)) {
        None => Ok(()),
        Some(difference) => refused(
            format!("the way back of {} is not exact: {difference}", slot.suffix()),
            "ship this statement in a migration of its own; `downhaul generate-down` says what cannot be undone",
        ),
    }
}

fn first_line(sql: &str) -> &str {
    sql.lines().next().unwrap_or_default()
}

/// When a phase runs, for the head of its file.
fn when(phase: Phase, part: u8) -> &'static str {
    match (phase, part) {
        (Phase::Expand, _) => "before the release. The running release does not notice",
        (Phase::Backfill, 1) => "once the rows are filled; each lock is held for an instant",
        (Phase::Backfill, _) => "while the running release works, before the next one reads",
        (Phase::Contract, 0) => "when the old release is gone everywhere",
        (Phase::Contract, _) => "right behind the contract, in a transaction of its own",
    }
}

fn file(
    name: &str,
    (number, count): (usize, usize),
    slot: Slot,
    plain: bool,
    (up, down): (&Side, &Side),
    given_up: [bool; 2],
) -> PhaseFile {
    if plain {
        return PhaseFile { phase: None, name: name.to_owned(), up: up.text(), down: down.text() };
    }
    let head = |given_up: bool| {
        let mut head = format!("-- downhaul:phase {}\n", slot.phase);
        if given_up {
            head.push_str("-- downhaul:protect off\n");
        }
        head
    };
    // What lint would say of these is answered by how Downhaul runs them.
    let mut allowed = String::new();
    if up.steps.len() > 1 && up.steps.iter().any(|step| step.sql.contains(" CONCURRENTLY ")) {
        allowed.push_str("-- downhaul:allow-file concurrently-in-transaction, statement-after-strong-lock \"each index is built by itself, outside of any transaction\"\n");
    }
    if given_up[0] && slot.phase == Phase::Contract {
        allowed.push_str("-- downhaul:allow-file drop-loses-data, up-not-recoverable \"every value is in the other column\"\n");
    }
    if slot == Slot::SWITCH && up.steps.iter().any(|step| step.sql.contains(" RENAME COLUMN ")) {
        allowed.push_str("-- downhaul:allow-file rename-column \"two columns change names at one instant, and both names are there all the while\"\n");
    }
    let title = format!("-- {name}, {number} of {count}: {}.\n\n", when(slot.phase, slot.part));
    let back = if down.is_empty() {
        "-- Nothing to take back here: what was written goes with the phase before, or Downhaul puts\n-- back what it kept.\nSELECT 1;\n"
    } else {
        ""
    };
    PhaseFile {
        phase: Some(slot.phase),
        name: format!("{name}_{}", slot.suffix()),
        up: format!("{}{allowed}{title}{}", head(given_up[0]), up.text()),
        down: format!(
            "{}-- Takes back {name}, {number} of {count}.\n\n{back}{}",
            head(given_up[1]),
            down.text()
        ),
    }
}

/// A backfill of derived values keeps nothing; one of anything else has to. Both in one migration would
/// lose the one or spoil the other, so the second kind gets a migration of its own.
pub(crate) fn keep_apart(all: &mut [Made]) {
    let derived = |made: &Made| made.derived.contains(&(Slot::BACKFILL, Direction::Up));
    let fills = |made: &Made| made.pieces.iter().any(|(slot, _)| *slot == Slot::BACKFILL);
    if !all.iter().any(|made| fills(made) && derived(made)) {
        return;
    }
    for made in all.iter_mut().filter(|made| !derived(made)) {
        let slots = made.pieces.iter_mut().map(|(slot, _)| slot);
        for slot in slots.chain(made.derived.iter_mut().map(|(slot, _)| slot)) {
            if *slot == Slot::BACKFILL {
                *slot = Slot::FILL;
            }
        }
    }
}
