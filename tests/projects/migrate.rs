//! Random migrations of the tables, made up from the catalog: columns that come, go, get other names and
//! types, rows that are changed and deleted, tables that are emptied and dropped; later writes; and the way
//! back, which has to bring back what the migrations took and keep what was written since.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::{Outcome, Rng};

use crate::catalog::{Catalog, Column, Table};
use crate::picture::{Picture, Policy, Row, differences, keyed, merged_rows, without_what_came};
use crate::project::Engine;
use crate::round::{Ending, Kind, Place, STANDS};

/// What a column of before is called since; `None` where it is gone.
type Images = BTreeMap<(String, String), Option<String>>;

struct Step {
    up: String,
    down: String,
    table: String,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Dropped(String),
    Renamed(String, String),
    Retyped(String),
    TableDropped,
    /// Rows, a new column, an index.
    Other,
}

/// Another type for a column: what makes it, what makes it back.
fn other_type(engine: Engine, column: &Column, rng: &mut Rng) -> Option<(String, String)> {
    let ty = column.ty.to_lowercase();
    let name = crate::catalog::quoted(engine, &column.name);
    let has = |words: &[&str]| words.iter().any(|word| ty.starts_with(word));
    match engine {
        Engine::Sqlite => None,
        Engine::Postgres => {
            let of = |to: &str, using: &str, back: &str| {
                let using = using.replace('@', &name);
                let back = back.replace('@', &name);
                Some((
                    format!("ALTER COLUMN {name} TYPE {to} USING {using}"),
                    format!("ALTER COLUMN {name} TYPE {} USING {back}", column.ty),
                ))
            };
            let same = format!("@::{}", column.ty);
            if ty.ends_with("[]") {
                None
            } else if has(&["text", "character varying"]) {
                match rng.below(3) {
                    0 => of("varchar(3)", "left(@, 3)", "@"),
                    1 => of("bytea", "convert_to(@, 'UTF8')", "convert_from(@, 'UTF8')"),
                    _ => of("integer", "length(@)", &same),
                }
            } else if has(&["integer", "bigint", "smallint"]) {
                match rng.below(3) {
                    0 => of("numeric", "@", &same),
                    1 => of("smallint", "(@ % 100)::smallint", &same),
                    _ => of("text", "@::text", &same),
                }
            } else if has(&["numeric", "double", "real"]) {
                of("integer", "round(@)::integer", &same)
            } else if has(&["timestamp"]) {
                of("date", "@::date", &same)
            } else if has(&["boolean", "jsonb"]) {
                of("text", "@::text", &same)
            } else {
                None
            }
        }
        Engine::MySql => {
            let to = if has(&["varchar"]) {
                *rng.pick(&["text", "varchar(300)", "varbinary(900)"])
            } else if has(&["int", "smallint", "tinyint"]) {
                *rng.pick(&["bigint", "varchar(30)", "decimal(30,2)"])
            } else if has(&["datetime", "timestamp"]) {
                "date"
            } else if has(&["double", "float", "decimal"]) {
                *rng.pick(&["bigint", "varchar(60)"])
            } else {
                return None;
            };
            let null = if column.nullable { "NULL" } else { "NOT NULL" };
            Some((
                format!("MODIFY {name} {to} {null}"),
                format!("MODIFY {name} {} {null}", column.ty),
            ))
        }
    }
}

impl Place {
    /// One change of one table.
    async fn step(&mut self, number: usize) -> Option<Step> {
        let catalog = self.traffic.catalog.clone();
        let engine = catalog.engine;
        let table = self.rng.pick(&catalog.tables).clone();
        let name = table.quoted.clone();
        let fixed: BTreeSet<&str> = table
            .references
            .iter()
            .flat_map(|r| r.columns.iter().map(String::as_str))
            .chain(table.key.iter().map(|at| table.columns[*at].name.as_str()))
            .collect();
        let free: Vec<Column> = table
            .columns
            .iter()
            .filter(|c| !c.computed && !fixed.contains(c.name.as_str()))
            .cloned()
            .collect();
        let referred = catalog.tables.iter().any(|t| t.refers_to(&name) && t.quoted != name);
        let alter = |what: &str| format!("ALTER TABLE {name} {what};\n");
        let step =
            |up: String, down: String, change| Some(Step { up, down, table: name.clone(), change });
        if free.is_empty() {
            return None;
        }
        let column = self.rng.pick(&free).clone();
        let c = catalog.q(&column.name);
        match self.rng.below(12) {
            0..3 => {
                if table.pictured().len() < 2 || !column.may_be_left_out() {
                    return None;
                }
                step(
                    alter(&format!("DROP COLUMN {c}")),
                    alter(&format!("ADD COLUMN {c} {}", column.ty)),
                    Change::Dropped(column.name),
                )
            }
            3 | 4 => {
                let new = format!("{} new{number}", column.name);
                let n = catalog.q(&new);
                step(
                    alter(&format!("RENAME COLUMN {c} TO {n}")),
                    alter(&format!("RENAME COLUMN {n} TO {c}")),
                    Change::Renamed(column.name, new),
                )
            }
            5 | 6 => {
                let (to, back) = other_type(engine, &column, &mut self.rng)?;
                step(alter(&to), alter(&back), Change::Retyped(column.name))
            }
            7 => {
                let n = catalog.q(&format!("extra {number}"));
                step(
                    alter(&format!("ADD COLUMN {n} int DEFAULT {}", self.rng.below(9))),
                    alter(&format!("DROP COLUMN {n}")),
                    Change::Other,
                )
            }
            8 | 9 => {
                let which = self.traffic.condition(&mut self.rng, 0, &table).await;
                let value = column.value(engine, &mut self.rng);
                step(
                    format!("UPDATE {name} SET {c} = {value} {which};\n"),
                    "SELECT 1;\n".into(),
                    Change::Other,
                )
            }
            10 => {
                let which = self.traffic.condition(&mut self.rng, 0, &table).await;
                let up = match (engine, self.rng.below(3)) {
                    (Engine::Postgres | Engine::MySql, 0) if !referred => {
                        format!("TRUNCATE TABLE {name};\n")
                    }
                    (_, 1) => format!("DELETE FROM {name};\n"),
                    _ => format!("DELETE FROM {name} {which};\n"),
                };
                step(up, "SELECT 1;\n".into(), Change::Other)
            }
            _ if referred => None,
            _ => {
                let down = match engine {
                    Engine::Postgres => return None,
                    Engine::MySql => {
                        let rows = self.reader.rows(&format!("SHOW CREATE TABLE {name}")).await;
                        rows[0][1].clone()?
                    }
                    Engine::Sqlite => {
                        let text = crate::catalog::literal(name.trim_matches('"'));
                        let of = format!(
                            "SELECT group_concat(sql, ';\n') FROM (SELECT sql FROM sqlite_schema WHERE tbl_name = {text} AND sql IS NOT NULL \
                             AND name NOT LIKE 'downhaul%' ORDER BY type <> 'table', type = 'trigger')"
                        );
                        self.reader.value(&of).await?
                    }
                };
                step(format!("DROP TABLE {name};\n"), format!("{down};\n"), Change::TableDropped)
            }
        }
    }

    async fn look(&mut self) {
        self.traffic.catalog = Catalog::read(self.traffic.catalog.engine, &mut self.reader).await;
    }

    fn files(number: usize) -> [String; 2] {
        ["up", "down"].map(|way| format!("migrations/{:05}_random.{way}.sql", 90_000 + number))
    }

    /// Up, writes, down. Where the tables are tracked, back to a mark from before as well.
    pub(crate) async fn migrate(&mut self, tracked: bool) -> Result<(Kind, Ending), String> {
        self.traffic.settle(&mut self.rng).await;
        let marked = if tracked { Some(self.mark().await?) } else { None };
        self.write().await;
        self.traffic.settle(&mut self.rng).await;
        self.look().await;
        let before = self.traffic.catalog.clone();
        let pre = self.see().await;
        let mut images = Images::new();
        for table in &before.tables {
            for column in &table.columns {
                let name = column.name.clone();
                images.insert((table.quoted.clone(), name.clone()), Some(name));
            }
        }
        let (mut retyped, mut gone) = (BTreeSet::new(), BTreeSet::new());
        let mut ups: Vec<(usize, Step)> = Vec::new();
        for _ in 0..1 + self.rng.below(4) {
            self.migrations += 1;
            let number = self.migrations;
            let Some(step) = self.step(number).await else { continue };
            let [up, down] = Self::files(number);
            let by_hand = self.rng.one_in(2);
            self.program.write(&up, &step.up);
            self.program.write(&down, if by_hand { step.down.as_str() } else { "" });
            let was = self.see().await;
            let how = *self.rng.pick(&["auto", "copy", "tombstone"]);
            let outcome = self.run(&["up", "--yes", "--protect", how]);
            self.look().await;
            if outcome.code != Some(0) {
                if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
                    println!("      {}: {outcome}", step.up);
                }
                if let Some(lines) = differences(&was, &self.see().await) {
                    return Err(format!("{} failed and changed:\n{lines}\n{outcome}", step.up));
                }
                for file in [&up, &down] {
                    std::fs::remove_file(self.program.dir().join(file))
                        .map_err(|e| e.to_string())?;
                }
                if outcome.code == Some(6) {
                    return Err(format!("{}: {outcome}", step.up));
                }
                continue;
            }
            let of = |images: &Images, name: &str| {
                images
                    .iter()
                    .find(|((t, _), i)| *t == step.table && i.as_deref() == Some(name))
                    .map(|(k, _)| k.clone())
            };
            match &step.change {
                Change::Dropped(name) => {
                    if let Some(key) = of(&images, name) {
                        images.insert(key, None);
                    }
                }
                Change::Renamed(old, new) => {
                    if let Some(key) = of(&images, old) {
                        images.insert(key, Some(new.clone()));
                    }
                }
                Change::Retyped(name) => retyped.extend(of(&images, name)),
                Change::TableDropped => drop(gone.insert(step.table.clone())),
                Change::Other => {}
            }
            ups.push((number, step));
        }
        let told: Vec<&str> = ups.iter().map(|(_, step)| step.up.trim()).collect();
        let told = told.join(" ");
        if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
            println!("      migrated: {told}");
        }
        let after = self.traffic.catalog.clone();
        let post = self.see().await;
        let writes = self.rng.one_in(2);
        if writes && !after.tables.is_empty() {
            self.write().await;
            self.traffic.settle(&mut self.rng).await;
            if !self.traffic.ours.is_empty() {
                return Err(format!(
                    "after {told}: writes failed: {:#?}",
                    std::mem::take(&mut self.traffic.ours)
                ));
            }
        }
        let now = self.see().await;
        if ups.is_empty() {
            return Ok((Kind::Migrate, Ending::Refused));
        }
        if let Some((mark, base)) = &marked
            && self.rng.one_in(3)
        {
            self.restore_across(mark, base, (&before, &after, &images, &retyped), &now)
                .await
                .map_err(|why| format!("after {told}: {why}"))?;
        }
        if let [(number, Step { change: Change::Other, .. })] = ups.as_slice()
            && tracked
            && self.rng.one_in(2)
        {
            self.undo_of_one(*number, (&pre, &post, &now))
                .await
                .map_err(|why| format!("after {told}: {why}"))?;
        }
        let steps = ups.len().to_string();
        let mut outcome = self.run(&["down", "--yes", "--use-generated-down", "--steps", &steps]);
        if outcome.code != Some(0) {
            // Those that it does not know how to take back have a way by hand.
            for (number, step) in &ups {
                self.program.write(&Self::files(*number)[1], &step.down);
            }
            let applied = self.run(&["status", "--format", "json"]).stdout;
            let left = ups
                .iter()
                .filter(|(number, _)| is_applied(&applied, 90_000 + number))
                .count()
                .to_string();
            if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
                println!("      {told}: {outcome}");
            }
            outcome = self.run(&["down", "--yes", "--use-edited-down", "--steps", &left]);
        }
        self.look().await;
        let found = self.see().await;
        if outcome.code != Some(0) {
            // What was written since cannot be what it was before, or has taken a unique value; or SQLite
            // alters no table while a trigger names one that is gone: nothing more is to be had here.
            let retypes = |(_, step): &(usize, Step)| matches!(step.change, Change::Retyped(_));
            let taken = |told: &str| {
                told.contains("is duplicated")
                    || told.contains("Duplicate entry")
                    || told.contains("UNIQUE")
            };
            let met = ups.iter().any(retypes) || taken(&outcome.stderr);
            let dangles = outcome.stderr.contains("error in trigger");
            if (writes && met || dangles) && outcome.code == Some(5) {
                self.stuck = true;
                return Ok((Kind::Migrate, Ending::Refused));
            }
            return Err(format!("down of {told}: {outcome}"));
        }
        for (number, _) in &ups {
            for file in Self::files(*number) {
                std::fs::remove_file(self.program.dir().join(file)).map_err(|e| e.to_string())?;
            }
        }
        let wrong = |lines: String| format!("down of {told} led elsewhere:\n{lines}\n{outcome}");
        if !writes {
            let found = without_what_came(&found, &pre, &post);
            if let Some(lines) = differences(&pre, &found) {
                return Err(wrong(lines));
            }
        } else {
            let mut lines = Vec::new();
            for table in &before.tables {
                let Some(key) = table.key_places(before.engine) else { continue };
                if gone.contains(&table.quoted) {
                    continue;
                }
                let there = after.tables.iter().find(|t| t.quoted == table.quoted);
                let Some(there) = there else { continue };
                let Some(new_key) = there.key_places(before.engine) else { continue };
                let empty = Vec::new();
                let states = [
                    keyed(pre.get(&table.quoted).unwrap_or(&empty), &key),
                    keyed(post.get(&table.quoted).unwrap_or(&empty), &new_key),
                    keyed(now.get(&table.quoted).unwrap_or(&empty), &new_key),
                    keyed(found.get(&table.quoted).unwrap_or(&empty), &key),
                ];
                let stored = outcome.stdout.contains("kept_") || outcome.stderr.contains("kept_");
                lines.extend(unlike((table, there), &states, (&images, &retyped), stored));
            }
            if !lines.is_empty() {
                lines.truncate(8);
                return Err(wrong(lines.join("\n")));
            }
        }
        if let Some((mark, base)) = &marked {
            self.write().await;
            self.traffic.settle(&mut self.rng).await;
            let now = self.see().await;
            let outcome = self.run(&["snapshot", "restore", "--to", mark, "--yes"]);
            let found = self.see().await;
            if outcome.code != Some(0) {
                return Err(format!("restore past {told}: {outcome}"));
            }
            let mut base = base.clone();
            for table in begun_anew(&before, &retyped, &outcome) {
                base.insert(table.to_owned(), now[table].clone());
            }
            if let Some(lines) = differences(&base, &found) {
                return Err(format!("restored past {told} to something else:\n{lines}\n{outcome}"));
            }
            if now != found {
                self.must(&["snapshot", "restore", "--undo", "--yes"])?;
                if let Some(lines) = differences(&now, &self.see().await) {
                    return Err(format!("past {told}, undone to something else:\n{lines}"));
                }
            }
        }
        // Histories of tables that had no way to be followed begin anew: older marks are out of their reach.
        if before.engine == Engine::MySql
            && before
                .tables
                .iter()
                .any(|t| t.key.is_empty() && retyped.iter().any(|(of, _)| *of == t.quoted))
        {
            self.past.clear();
        }
        Ok((Kind::Migrate, Ending::Restored))
    }

    /// What one migration did to rows is undone by its marks, and what was written since stays.
    async fn undo_of_one(
        &mut self,
        number: usize,
        (pre, post, now): (&Picture, &Picture, &Picture),
    ) -> Result<(), String> {
        let mark = format!("before {:05}_random", 90_000 + number);
        let policy = *self.rng.pick(&[Policy::Fail, Policy::KeepNew, Policy::RestoreOld]);
        let args = [
            "snapshot",
            "restore",
            "--to",
            &mark,
            "--keep-since",
            "--on-conflict",
            policy.name(),
            "--yes",
        ];
        let outcome = self.run(&args);
        let found = self.see().await;
        let (mut conflicts, mut wanted) = (0, Picture::new());
        for table in self.foreseeable() {
            // A column that came with it stays.
            if !pre.get(&table.quoted).is_some_and(|rows| {
                rows.first().is_some_and(|row| row.len() == table.pictured().len())
            }) {
                continue;
            }
            let (rows, met) = merged_rows(&table, self.engine(), [pre, post, now], policy);
            wanted.insert(table.quoted.clone(), rows);
            conflicts += met;
        }
        if outcome.code != Some(0) {
            if let Some(lines) = differences(now, &found) {
                return Err(format!("{args:?} failed and changed:\n{lines}\n{outcome}"));
            }
            let met = policy == Policy::Fail && outcome.stderr.contains("again since");
            let stands = STANDS.iter().any(|text| outcome.stderr.contains(text));
            return if met || stands { Ok(()) } else { Err(format!("{args:?}: {outcome}")) };
        }
        if policy == Policy::Fail && conflicts > 0 {
            return Err(format!("{args:?}: went through with {conflicts} conflicts"));
        }
        if let Some(lines) = differences(&wanted, &found) {
            return Err(format!("{args:?} led to something else:\n{lines}\n{outcome}"));
        }
        if *now != found {
            self.must(&["snapshot", "restore", "--undo", "--yes"])?;
            if let Some(lines) = differences(now, &self.see().await) {
                return Err(format!("{args:?}, and its undo:\n{lines}"));
            }
        }
        Ok(())
    }

    /// Back to a mark while the migrations stand: what they left as it was is what it was.
    async fn restore_across(
        &mut self,
        mark: &str,
        base: &Picture,
        (before, after, images, retyped): (
            &Catalog,
            &Catalog,
            &Images,
            &BTreeSet<(String, String)>,
        ),
        now: &Picture,
    ) -> Result<(), String> {
        let outcome = self.run(&["snapshot", "restore", "--to", mark, "--yes"]);
        let found = self.see().await;
        if outcome.code != Some(0) {
            // A value of then that the type of now cannot hold, or that a new index forbids.
            return match differences(now, &found) {
                None if !retyped.is_empty() => Ok(()),
                None => Err(format!("restore with the migrations in place: {outcome}")),
                Some(lines) => Err(format!("a restore failed and changed:\n{lines}\n{outcome}")),
            };
        }
        let anew = begun_anew(before, retyped, &outcome);
        for table in &before.tables {
            let Some(there) = after.tables.iter().find(|t| t.quoted == table.quoted) else {
                continue;
            };
            if anew.contains(&table.quoted.as_str()) {
                continue;
            }
            let mut places = Vec::new();
            for (at, column) in table.pictured().iter().enumerate() {
                let key = (table.quoted.clone(), column.name.clone());
                let image = images.get(&key).cloned().flatten().filter(|_| !retyped.contains(&key));
                let new =
                    image.and_then(|name| there.pictured().iter().position(|c| c.name == name));
                places.extend(new.map(|new| (at, new)));
            }
            let cut = |rows: &[Row], second: bool| {
                let mut rows: Vec<Row> = rows
                    .iter()
                    .map(|row| {
                        places
                            .iter()
                            .map(|(a, b)| row[if second { *b } else { *a }].clone())
                            .collect()
                    })
                    .collect();
                rows.sort();
                rows
            };
            let (wanted, is) = (cut(&base[&table.quoted], false), cut(&found[&table.quoted], true));
            let one = |rows| Picture::from([(table.quoted.clone(), rows)]);
            if let Some(lines) = differences(&one(wanted), &one(is)) {
                return Err(format!("restored with the migrations in place:\n{lines}\n{outcome}"));
            }
        }
        if *now != found {
            self.must(&["snapshot", "restore", "--undo", "--yes"])?;
            if let Some(lines) = differences(now, &self.see().await) {
                return Err(format!("undone with the migrations in place:\n{lines}"));
            }
        }
        Ok(())
    }
}

/// Tables whose history is told to begin anew, so that a restore leaves them: on MariaDB and MySQL those without
/// a key, of which a column got another type.
fn begun_anew<'c>(
    before: &'c Catalog,
    retyped: &BTreeSet<(String, String)>,
    outcome: &Outcome,
) -> Vec<&'c str> {
    let told = |table: &Table| {
        let name = table.quoted.trim_matches('`');
        [name, &table.quoted].iter().any(|name| {
            let line = format!("the history of {name} begins at");
            outcome.stdout.contains(&line) || outcome.stderr.contains(&line)
        })
    };
    before
        .tables
        .iter()
        .filter(|table| before.engine == Engine::MySql && table.key.is_empty())
        .filter(|table| retyped.iter().any(|(of, _)| *of == table.quoted))
        .filter(|table| told(table))
        .map(|table| table.quoted.as_str())
        .collect()
}

/// Whether `status` says that a version is applied.
fn is_applied(status: &str, version: usize) -> bool {
    let Ok(status) = serde_json::from_str::<serde_json::Value>(status) else { return false };
    status["migrations"].as_array().is_some_and(|all| {
        all.iter().any(|m| {
            m["version"].as_str() == Some(&version.to_string())
                && m["state"].as_str() == Some("applied")
        })
    })
}

/// Rows that are not what they must be after a way back: before the migrations, after them, before the way
/// back, and after it. A value that somebody wrote since stays, the others are what they were.
fn unlike(
    (table, there): (&Table, &Table),
    [pre, post, now, found]: &[BTreeMap<Row, Row>; 4],
    (images, retyped): (&Images, &BTreeSet<(String, String)>),
    stored: bool,
) -> Vec<String> {
    let columns = table.pictured();
    // Place of the image in rows of since; whether its type is another one.
    let since: Vec<(Option<usize>, bool)> = columns
        .iter()
        .map(|column| {
            let key = (table.quoted.clone(), column.name.clone());
            let image = images.get(&key).cloned().flatten();
            let place = image.and_then(|name| there.pictured().iter().position(|c| c.name == name));
            (place, retyped.contains(&key))
        })
        .collect();
    let mut lines = Vec::new();
    let mut say = |what: &str, key: &Row| {
        let rows = [pre, post, now, found].map(|state| state.get(key).map(|row| row.join(", ")));
        lines.push(format!(
            "    {}: {what}\n      before {:?}\n      after  {:?}\n      then   {:?}\n      now    {:?}",
            table.quoted, rows[0], rows[1], rows[2], rows[3]
        ));
    };
    let keys: BTreeSet<&Row> = pre.keys().chain(now.keys()).chain(found.keys()).collect();
    for key in keys {
        let is = found.get(key);
        match (pre.get(key), post.get(key), now.get(key)) {
            // Taken by the migration and written again since: either is right.
            (Some(_), None, Some(_)) => {}
            (Some(old), None, None) => {
                if is.is_none() && !stored {
                    say("a row that the migration took did not come back", key);
                } else if is.is_some_and(|is| is != old) {
                    say("a row came back as another one", key);
                }
            }
            (Some(old), Some(wrong), Some(new)) => {
                let Some(is) = is else {
                    say("a row is gone", key);
                    continue;
                };
                for (at, (place, other)) in since.iter().enumerate() {
                    let untouched = place.is_none_or(|place| wrong[place] == new[place]);
                    // What a reference led to may not have come back itself.
                    let refers =
                        table.references.iter().any(|r| r.columns.contains(&columns[at].name));
                    let right = match place {
                        Some(place) if stored && refers && is[at] == new[*place] => true,
                        _ if untouched => is[at] == old[at],
                        Some(place) if !other => is[at] == new[*place],
                        _ => true,
                    };
                    if !right {
                        say(&format!("{} is wrong", columns[at].name), key);
                        break;
                    }
                }
            }
            (Some(_), Some(_), None) => {
                if is.is_some() {
                    say("a row that somebody deleted since is back", key);
                }
            }
            (None, _, Some(new)) => {
                let Some(is) = is else {
                    say("a row that came since is gone", key);
                    continue;
                };
                for (at, (place, other)) in since.iter().enumerate() {
                    if let (Some(place), false) = (place, other)
                        && is[at] != new[*place]
                    {
                        say(
                            &format!("{} of a row that came since is wrong", columns[at].name),
                            key,
                        );
                        break;
                    }
                }
            }
            (None, _, None) => {
                if is.is_some() {
                    say("a row that nobody wrote", key);
                }
            }
        }
    }
    lines
}
