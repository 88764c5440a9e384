//! An enum that a file makes anew: the old one steps aside, another takes its name, columns are cast to it, and
//! the old one goes (`ALTER TYPE … RENAME TO`, `CREATE TYPE`, `ALTER COLUMN … TYPE … USING`, `DROP TYPE`, in the
//! order of Prisma or in that of most manuals).
//!
//! The columns get second ones of the other type, and where these take the names, the types do so too, in the same
//! transaction: releases write `'sad'::mood`, and that has to be the type of the column whenever they do.

use downhaul_catalog::{Catalog, Column, rename_types, render_type};
use downhaul_syntax::{
    Change, Conversion, Dialect, Expr, Ident, ObjectKind, ObjectName, Script, Span, SqlType,
    TypeDef, parse_script,
};

use super::compose::{Composed, rewrite};
use super::names;
use super::{Refused, refused};

/// An enum that is made anew.
#[derive(Clone, Debug)]
pub(crate) struct RemadeType {
    /// Its name, before the file and behind it.
    pub(crate) name: ObjectName,
    /// The name of the new one until the change of places.
    pub(crate) coming: ObjectName,
    /// The name of the old one from then on.
    pub(crate) aside: ObjectName,
    /// The labels of both.
    old: Vec<String>,
    new: Vec<String>,
    /// Columns that change to it, each with what says so.
    columns: Vec<Cast>,
}

/// A column that changes to the new type.
#[derive(Clone, Debug)]
struct Cast {
    table: ObjectName,
    column: Ident,
    span: Span,
    /// What the statement calls the two types.
    called: [ObjectName; 2],
    /// Each value keeps its label.
    plain: bool,
    /// It is said how it gets back.
    back: bool,
}

/// A type that the file speaks of, under the name that it has at a place.
#[derive(Clone, PartialEq, Eq)]
enum Which {
    Old,
    New,
}

/// What the file does with one type.
struct Recipe {
    name: ObjectName,
    labels: Vec<String>,
    /// Statements that create, rename and drop the two; the first creates the new one.
    steps: Vec<usize>,
    /// For each statement, which names mean which.
    meant: Vec<Vec<(Ident, Which)>>,
}

impl Recipe {
    /// Reads what becomes of an enum: another one has its name at the end, and it is gone.
    fn of(script: &Script, name: &ObjectName, before: &Catalog) -> Option<Self> {
        let is = |of: &ObjectName, name: &ObjectName| before.normalize(of) == *name;
        let mut old = Some(name.clone());
        let mut new: Option<(ObjectName, Vec<String>)> = None;
        let (mut created, mut steps, mut meant) = (None, Vec::new(), Vec::new());
        for (at, statement) in script.statements.iter().enumerate() {
            if let [change] = statement.changes() {
                match change {
                    Change::CreateType { name: of, def: TypeDef::Enum(labels) } => {
                        let of = before.normalize(of);
                        // One that takes its name, or is to take it: which of several is seen in the end.
                        if new.is_none() && takes_name(script, &of, name, before) {
                            new = Some((of, labels.clone()));
                            created = Some(at);
                        }
                    }
                    Change::Rename { kind: ObjectKind::Type, from, to, .. } => {
                        let to = ObjectName { schema: name.schema.clone(), name: to.clone() };
                        if old.as_ref().is_some_and(|old| is(from, old)) {
                            old = Some(to);
                            steps.push(at);
                        } else if let Some((new, _)) = &mut new
                            && is(from, new)
                        {
                            *new = to;
                            steps.push(at);
                        }
                    }
                    Change::DropType { name: of, cascade: false, .. }
                        if old.as_ref().is_some_and(|old| is(of, old)) =>
                    {
                        old = None;
                        steps.push(at);
                    }
                    _ => {}
                }
            }
            let mut here = Vec::new();
            here.extend(old.iter().map(|old| (old.name.clone(), Which::Old)));
            here.extend(new.iter().map(|(new, _)| (new.name.clone(), Which::New)));
            meant.push(here);
        }
        let (last, labels) = new?;
        if old.is_some() || last != *name {
            return None;
        }
        steps.insert(0, created?);
        Some(Self { name: name.clone(), labels, steps, meant })
    }

    /// What a type is called at a place.
    fn called(&self, at: usize, which: &Which) -> ObjectName {
        let found = self.meant[at].iter().find(|(_, of)| of == which);
        let name = found.map_or(&self.name.name, |(name, _)| name);
        ObjectName { schema: self.name.schema.clone(), name: name.clone() }
    }

    fn which(&self, at: usize, name: &str) -> Option<Which> {
        let found = self.meant[at].iter().find(|(of, _)| of.as_str().eq_ignore_ascii_case(name));
        found.map(|(_, which)| which.clone())
    }
}

/// Whether a type that the file creates bears a name in the end.
fn takes_name(script: &Script, created: &ObjectName, name: &ObjectName, now: &Catalog) -> bool {
    let renamed = script.statements.iter().flat_map(|s| s.changes()).any(|change| {
        matches!(change, Change::Rename { kind: ObjectKind::Type, from, to, .. }
            if now.normalize(from) == *created && *to == name.name)
    });
    created == name || renamed
}

/// Takes such statements for what they come to: a type of another name, and columns of that.
pub(super) fn fold(out: &mut Composed, before: &Catalog) {
    if before.dialect != Dialect::Postgres {
        return;
    }
    let enums = before.types.iter().filter_map(|(name, found)| match &found.def {
        TypeDef::Enum(labels) => Some((name.clone(), labels.clone())),
        _ => None,
    });
    for (name, old) in enums.collect::<Vec<_>>() {
        let script = out.script.clone();
        let Some(recipe) = Recipe::of(&script, &name, before) else { continue };
        let free = |end: &str| {
            let found = names::free(&format!("{}_{end}", name.name), |base| {
                let name = Ident::stored(before.dialect, base);
                let full = ObjectName { schema: recipe.name.schema.clone(), name };
                before.types.contains_key(&full)
                    || before.table(&full).is_some()
                    || before.view(&full).is_some()
            });
            let name = Ident::stored(before.dialect, &found);
            ObjectName { schema: recipe.name.schema.clone(), name }
        };
        let mut remade = RemadeType {
            name: name.clone(),
            coming: free("new"),
            aside: free("old"),
            old,
            new: recipe.labels.clone(),
            columns: Vec::new(),
        };
        if remade.put(&recipe, out, before).is_some() {
            out.remade.push(remade);
        } else {
            out.script = script;
        }
    }
}

impl RemadeType {
    /// The names that types have until the change of places, in the place of those that the file gives them.
    fn put(&mut self, recipe: &Recipe, out: &mut Composed, before: &Catalog) -> Option<()> {
        let dialect = before.dialect;
        for at in 0..out.script.statements.len() {
            let until = |name: &Ident| match recipe.which(at, name.as_str())? {
                Which::Old => Some(self.name.name.clone()),
                Which::New => Some(self.coming.name.clone()),
            };
            let told = |conversion: &Conversion| Conversion {
                expr: rename_types(&conversion.expr, dialect, &until),
                ..conversion.clone()
            };
            let (forward, back) = &out.directives[at];
            let (forward, mut back): (Vec<_>, Vec<_>) =
                (forward.iter().map(told).collect(), back.iter().map(told).collect());
            let statement = &out.script.statements[at];
            let mut changes = statement.changes().to_vec();
            let mut touched = false;
            for change in &mut changes {
                match change {
                    Change::AlterColumnType { table, column, ty, using, .. }
                        if recipe.which(at, &ty.name) == Some(Which::New) =>
                    {
                        touched = true;
                        *ty = renamed(ty, &self.coming, dialect);
                        let text = using.as_ref().map(|u| rename_types(&u.text, dialect, &until));
                        let target = render_type(ty, dialect);
                        let plain = text
                            .as_ref()
                            .is_none_or(|text| is_plain(text, column, &target, dialect));
                        let brackets = "[]".repeat(usize::from(ty.dimensions));
                        let q = dialect.quote_if_needed(column);
                        let text = match text {
                            Some(text) if !plain => text,
                            _ => format!("CAST(CAST({q} AS text{brackets}) AS {target})"),
                        };
                        *using = Some(expression(&text, dialect)?);
                        let for_it = |conversion: &Conversion| {
                            conversion.column.as_deref().is_none_or(|c| c == column.as_str())
                        };
                        let said = forward.iter().any(for_it);
                        let is_back = back.iter().any(for_it);
                        if !is_back && self.new.iter().all(|label| self.old.contains(label)) {
                            let old = before.table(table)?.column(column)?.ty.clone()?;
                            back.push(Conversion {
                                column: Some(column.as_str().to_owned()),
                                expr: format!(
                                    "CAST(CAST({q} AS text{brackets}) AS {})",
                                    render_type(&old, dialect)
                                ),
                            });
                        }
                        self.columns.push(Cast {
                            table: before.normalize(table),
                            column: column.clone(),
                            span: statement.span,
                            called: [Which::Old, Which::New].map(|which| recipe.called(at, &which)),
                            plain: plain && !said,
                            back: is_back,
                        });
                    }
                    // Comes at the contract, when each has its name.
                    Change::SetDefault { default, .. } => {
                        let text = rename_types(&default.text, dialect, &|name| {
                            let new = recipe.which(at, name.as_str()) == Some(Which::New);
                            new.then(|| self.name.name.clone())
                        });
                        if text != default.text {
                            touched = true;
                            *default = expression(&text, dialect)?;
                        }
                    }
                    Change::CreateType { name, .. } if recipe.steps.first() == Some(&at) => {
                        touched = true;
                        *name = self.coming.clone();
                    }
                    _ => {}
                }
            }
            if recipe.steps[1..].contains(&at) {
                out.emptied[at] = true;
                (touched, changes) = (true, Vec::new());
            }
            out.directives[at] = (forward, back);
            if touched {
                rewrite(&mut out.script.statements[at], changes, dialect);
            }
        }
        (!self.columns.is_empty()).then_some(())
    }

    /// Whether a column changes to it.
    pub(crate) fn is(&self, ty: &SqlType, now: &Catalog) -> bool {
        let name =
            ObjectName { schema: ty.schema.clone(), name: Ident::stored(now.dialect, &ty.name) };
        now.normalize(&name).to_string().eq_ignore_ascii_case(&self.coming.to_string())
    }

    /// A text over the names that types have behind the change of places.
    pub(crate) fn behind(&self, text: &str, dialect: Dialect) -> String {
        rename_types(text, dialect, &|name| {
            if *name == self.name.name {
                Some(self.aside.name.clone())
            } else {
                (*name == self.coming.name).then(|| self.name.name.clone())
            }
        })
    }

    /// A type of the old enum, under the name that it has then.
    pub(crate) fn parked(&self, ty: &SqlType, dialect: Dialect) -> SqlType {
        renamed(ty, &self.aside, dialect)
    }

    /// A type of the new one, under the name that it has then.
    pub(crate) fn taken(&self, ty: &SqlType, dialect: Dialect) -> SqlType {
        renamed(ty, &self.name, dialect)
    }

    /// The old type, to be made again.
    pub(crate) fn create_aside(&self) -> Change {
        Change::CreateType { name: self.aside.clone(), def: TypeDef::Enum(self.old.clone()) }
    }

    /// Refuses what would fail in the hands of a release, with the lines to write.
    pub(crate) fn check(&self, before: &Catalog) -> Result<(), (Span, Refused)> {
        let dialect = before.dialect;
        let Some(first) = self.columns.first() else { return Ok(()) };
        let at = |span: Span, what: String, next: String| {
            refused::<()>(what, next).map_err(|refusal| (span, refusal))
        };
        let named = |labels: &[&String]| {
            labels.iter().map(|label| dialect.literal(label)).collect::<Vec<_>>().join(", ")
        };
        for table in before.tables.values() {
            for column in &table.columns {
                let changes = self
                    .columns
                    .iter()
                    .any(|one| one.table == table.name && one.column == column.name);
                let is = column.ty.as_ref().is_some_and(|ty| {
                    let name = ObjectName {
                        schema: ty.schema.clone(),
                        name: Ident::stored(dialect, &ty.name),
                    };
                    before.normalize(&name).to_string().eq_ignore_ascii_case(&self.name.to_string())
                });
                if is && !changes {
                    return at(
                        first.span,
                        format!(
                            "{}.{} is of type {} too, and the file drops that",
                            table.name, column.name, self.name
                        ),
                        format!(
                            "change it along: ALTER TABLE {} ALTER COLUMN {} TYPE …",
                            dialect.quote_name_if_needed(&table.name),
                            dialect.quote_if_needed(&column.name)
                        ),
                    );
                }
            }
        }
        let gone: Vec<&String> = self.old.iter().filter(|l| !self.new.contains(l)).collect();
        let come: Vec<&String> = self.new.iter().filter(|l| !self.old.contains(l)).collect();
        for one in &self.columns {
            let q = dialect.quote_if_needed(&one.column);
            let case = |labels: &[&String]| {
                let whens: Vec<String> = labels
                    .iter()
                    .map(|label| format!(" WHEN {} THEN 'LABEL'", dialect.literal(label)))
                    .collect();
                format!("CASE CAST({q} AS text){} ELSE CAST({q} AS text) END", whens.concat())
            };
            if one.plain && !gone.is_empty() {
                return at(
                    one.span,
                    format!(
                        "{} has no {} any more, and a row of {} that holds it, or a release that writes it, would fail",
                        self.name,
                        named(&gone),
                        one.table
                    ),
                    format!(
                        "say what becomes of it, in place of the cast:\n  USING CAST({} AS {})",
                        case(&gone),
                        dialect.quote_name_if_needed(&one.called[1])
                    ),
                );
            }
            if !come.is_empty() && !one.back {
                return at(
                    one.span,
                    format!(
                        "{} has {} besides, and nothing says what the old column of {} gets for it",
                        self.name,
                        named(&come),
                        one.table
                    ),
                    format!(
                        "say it on the line above the statement; where labels only come, ALTER TYPE … ADD VALUE needs no phases:\n  -- downhaul:back {} \"CAST({} AS {})\"",
                        one.column.as_str(),
                        case(&come),
                        dialect.quote_name_if_needed(&one.called[0])
                    ),
                );
            }
        }
        Ok(())
    }

    /// What a person should know.
    pub(crate) fn note(&self) -> Option<String> {
        let gone: Vec<String> =
            self.old.iter().filter(|l| !self.new.contains(l)).map(|l| format!("'{l}'")).collect();
        (!gone.is_empty()).then(|| {
            format!(
                "from the change of places on {} is the new type, for both releases: what still writes {} fails then, so the old release must have ceased to by that phase",
                self.name,
                gone.join(", ")
            )
        })
    }
}

/// A column of an enum as one of text, with its default.
pub(crate) fn as_text(column: &Column, dialect: Dialect) -> Column {
    let text = Ident::stored(dialect, "text");
    let named = column.ty.as_ref().map(|ty| Ident::stored(dialect, &ty.name));
    let ty = column.ty.as_ref().map(|ty| SqlType {
        schema: None,
        name: "text".to_owned(),
        raw: format!("text{}", "[]".repeat(usize::from(ty.dimensions))),
        ..ty.clone()
    });
    let default = column.default.as_ref().map(|default| {
        let to = |name: &Ident| (Some(name) == named.as_ref()).then(|| text.clone());
        Expr { text: rename_types(&default.text, dialect, &to), ..default.clone() }
    });
    Column { ty, default, ..column.clone() }
}

/// The type under another name.
fn renamed(ty: &SqlType, to: &ObjectName, dialect: Dialect) -> SqlType {
    let brackets = "[]".repeat(usize::from(ty.dimensions));
    // Without a schema where the file has none: it is found by the search path.
    let schema = ty.schema.clone();
    let name = ObjectName { schema: schema.clone(), name: to.name.clone() };
    SqlType {
        schema,
        name: to.name.as_str().to_owned(),
        raw: format!("{}{brackets}", dialect.quote_name_if_needed(&name)),
        ..ty.clone()
    }
}

/// Whether an expression only writes the label of the one as the label of the other.
fn is_plain(text: &str, column: &Ident, target: &str, dialect: Dialect) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect()
    };
    let text = bare(text).to_lowercase();
    let target = bare(target).to_lowercase();
    let names = [dialect.quote_if_needed(column), dialect.quote(column)];
    names.iter().map(|name| bare(name).to_lowercase()).any(|q| {
        ["text", "varchar", "charactervarying", "text[]", "varchar[]"].iter().any(|word| {
            [
                format!("{q}::{word}::{target}"),
                format!("castcast{q}as{word}as{target}"),
                format!("cast{q}::{word}as{target}"),
                format!("cast{q}as{word}::{target}"),
            ]
            .contains(&text)
        })
    })
}

fn expression(text: &str, dialect: Dialect) -> Option<Expr> {
    let script =
        parse_script(&format!("ALTER TABLE t ALTER COLUMN c SET DEFAULT ({text})"), dialect);
    match script.statements.first()?.changes() {
        [Change::SetDefault { default, .. }] => {
            Some(Expr { text: text.to_owned(), ..default.clone() })
        }
        _ => None,
    }
}
