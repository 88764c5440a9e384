//! One round: a mark, traffic, perhaps another mark and more traffic; then a restore of some kind, compared
//! with what the rows say that it must be, and its undo.

use downhaul_kit::{Outcome, Program, Rng, Session};
use serde_json::Value;

use crate::catalog::Table;
use crate::picture::{
    Counts, Keyed, Picture, Policy, differences, keyed, merged_rows, picture, rows,
};
use crate::project::Engine;
use crate::traffic::Traffic;

/// What a restore brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Whole,
    Tables,
    Where,
    Columns,
    Since,
    Migrate,
}

const KINDS: [Kind; 7] = [
    Kind::Whole,
    Kind::Whole,
    Kind::Tables,
    Kind::Where,
    Kind::Columns,
    Kind::Since,
    Kind::Migrate,
];

/// What a server says where others refer to a row, or have taken a value since.
pub(crate) const STANDS: [&str; 10] = [
    "would go or change with them",
    "would point to nothing",
    "foreign key",
    "FOREIGN KEY",
    "unique",
    "UNIQUE",
    "Duplicate",
    "null value",
    "NULL",
    "check constraint",
];

/// A project that is tracked.
pub(crate) struct Place {
    pub(crate) program: Program,
    pub(crate) reader: Session,
    pub(crate) traffic: Traffic,
    pub(crate) rng: Rng,
    pub(crate) marks: usize,
    pub(crate) migrations: usize,
    /// Migrations may run: nothing is half applied.
    pub(crate) may_migrate: bool,
    /// Marks that can be reached, oldest first, with what was there then.
    pub(crate) past: Vec<(String, Picture)>,
    /// A migration cannot be taken back: the rounds end.
    pub(crate) stuck: bool,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Restored,
    /// Both sides had changed the same value, as was foreseen.
    Conflict,
    /// A part of the tables alone would break what the database demands.
    Refused,
}

impl Place {
    pub(crate) fn engine(&self) -> Engine {
        self.traffic.catalog.engine
    }

    pub(crate) async fn see(&mut self) -> Picture {
        picture(&self.traffic.catalog, &mut self.reader).await
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.program.run(args)
    }

    pub(crate) fn must(&self, args: &[&str]) -> Result<String, String> {
        let outcome = self.run(args);
        if outcome.code == Some(0) {
            Ok(outcome.stdout)
        } else {
            Err(format!("{args:?}: {outcome}"))
        }
    }

    fn json(&self, args: &[&str]) -> Result<Value, String> {
        let text = self.must(args)?;
        serde_json::from_str(&text).map_err(|error| format!("{args:?}: {error}: {text}"))
    }

    /// Names the moment. Where a mark waits for those who write, they end before.
    pub(crate) async fn mark(&mut self) -> Result<(String, Picture), String> {
        if self.engine() != Engine::Postgres || self.rng.one_in(3) {
            self.traffic.settle(&mut self.rng).await;
        }
        self.marks += 1;
        let name = format!("moment {}", self.marks);
        self.must(&["snapshot", "mark", &name])?;
        let then = self.see().await;
        self.past.push((name.clone(), then.clone()));
        Ok((name, then))
    }

    /// What lies before one of the marks goes; those behind it can be reached as ever.
    async fn prune(&mut self) -> Result<(), String> {
        if self.past.len() < 2 {
            return Ok(());
        }
        self.traffic.settle(&mut self.rng).await;
        let first = 1 + self.rng.below(self.past.len() - 1);
        let before = self.see().await;
        let name = self.past[first].0.clone();
        self.must(&["snapshot", "prune", "--before", &name, "--yes"])?;
        let gone: Vec<(String, Picture)> = self.past.drain(..first).collect();
        let outcome = self.run(&["snapshot", "restore", "--to", &gone[0].0, "--yes"]);
        if outcome.code == Some(0) {
            return Err(format!("restored to `{}`, which was pruned: {outcome}", gone[0].0));
        }
        differences(&before, &self.see().await).map_or(Ok(()), Err)
    }

    pub(crate) async fn write(&mut self) {
        let statements = *self.rng.pick(&[5, 30, 120, 300]);
        self.traffic.write(&mut self.rng, statements).await;
    }

    /// `diff` counts what the pictures say.
    fn check_diff(&self, marks: &[&str], then: &Picture, now: &Picture) -> Result<(), String> {
        let mut args = vec!["snapshot", "diff"];
        args.extend(marks);
        args.extend(["--format", "json", "--limit", "3"]);
        let said = self.json(&args)?;
        self.check_counts(&args, &said, ["inserted", "updated", "deleted"], |table| {
            Some(self.counts(table, &then[&table.quoted], &now[&table.quoted]))
        })
    }

    fn counts(&self, table: &Table, then: &[Vec<String>], now: &[Vec<String>]) -> Counts {
        Counts::of(then, now, table.key_places(self.engine()).as_deref())
    }

    /// Counts that a command said of each table, where somebody knows what they must be.
    fn check_counts(
        &self,
        args: &[&str],
        said: &Value,
        fields: [&str; 3],
        wanted: impl Fn(&Table) -> Option<Counts>,
    ) -> Result<(), String> {
        if said["unreachable"].as_array().is_none_or(|list| !list.is_empty()) {
            return Err(format!("{args:?}: unreachable: {}", said["unreachable"]));
        }
        for table in &self.traffic.catalog.tables {
            // Not counted here: keys whose texts may differ, and keys that are not the primary one.
            let known = table.key_places(self.engine()).is_some();
            if !known && (table.unique || !table.key.is_empty()) {
                continue;
            }
            let Some(wanted) = wanted(table) else { continue };
            let name = table.quoted.replace(['"', '`'], "");
            let name = name.strip_prefix("public.").unwrap_or(&name);
            let this = said["tables"].as_array().and_then(|list| {
                list.iter().find(|t| {
                    let label = t["table"].as_str().unwrap_or_default().replace(['"', '`'], "");
                    label.strip_prefix("public.").unwrap_or(&label) == name
                })
            });
            let number = |field: &str| this.and_then(|t| t[field].as_u64()).unwrap_or(0);
            let found = Counts {
                inserted: number(fields[0]),
                updated: number(fields[1]),
                deleted: number(fields[2]),
            };
            if found != wanted {
                return Err(format!("{args:?}: {name}: {found:?} instead of {wanted:?}"));
            }
        }
        Ok(())
    }

    /// A view of the past holds what the table held.
    async fn check_show(&mut self, mark: &str, then: &Picture) -> Result<(), String> {
        let table = self.rng.pick(&self.traffic.catalog.tables).clone();
        let said = self.must(&["snapshot", "show", &table.quoted, "--as-of", mark, "--view"])?;
        let view = said.split(" shows ").next().unwrap_or_default().to_owned();
        let past = Table { quoted: view.clone(), alone: false, ..table.clone() };
        let found = rows(&self.traffic.catalog, &mut self.reader, &past, "").await;
        let _ = self.reader.try_run(&format!("DROP VIEW {view}")).await;
        let wanted = Picture::from([(table.quoted.clone(), then[&table.quoted].clone())]);
        let found = Picture::from([(table.quoted.clone(), found)]);
        match differences(&wanted, &found) {
            None => Ok(()),
            Some(lines) => Err(format!("show as of {mark}:\n{lines}")),
        }
    }

    /// Tables of which a restore of a part can be foreseen.
    pub(crate) fn foreseeable(&self) -> Vec<Table> {
        let engine = self.engine();
        let tables = self.traffic.catalog.tables.iter();
        tables.filter(|t| t.key_places(engine).is_some()).cloned().collect()
    }

    pub(crate) async fn round(&mut self) -> Result<(Kind, Ending), String> {
        let mut kind = *self.rng.pick(&KINDS);
        if kind == Kind::Migrate {
            if self.may_migrate {
                return Box::pin(self.migrate(true)).await;
            }
            kind = Kind::Whole;
        }
        let foreseeable = self.foreseeable();
        if foreseeable.is_empty() {
            kind = Kind::Whole;
        }
        if self.rng.one_in(6) {
            self.prune().await?;
        }
        // To one of long ago, or to this moment.
        let (a, base) = if kind != Kind::Where && !self.past.is_empty() && self.rng.one_in(4) {
            self.rng.pick(&self.past).clone()
        } else {
            self.mark().await?
        };
        let chosen = if kind == Kind::Whole {
            None
        } else {
            // Tables in which something happens rather than those that stay empty.
            let full: Vec<&Table> =
                foreseeable.iter().filter(|t| base[&t.quoted].len() > 1).collect();
            Some(if full.is_empty() {
                foreseeable[0].clone()
            } else {
                (*self.rng.pick(&full)).clone()
            })
        };
        let condition = match &chosen {
            Some(table) if kind == Kind::Where => {
                // A computed column is not part of a history.
                let mut written = table.clone();
                written.columns.retain(|c| !c.computed);
                self.traffic.condition(&mut self.rng, 0, &written).await
            }
            _ => String::new(),
        };
        // Which rows of then it holds for.
        let held = match &chosen {
            Some(table) if kind == Kind::Where => {
                rows(&self.traffic.catalog, &mut self.reader, table, &condition).await
            }
            _ => Vec::new(),
        };
        self.write().await;
        let second = if kind == Kind::Since || self.rng.one_in(4) {
            let (b, bad) = self.mark().await?;
            self.write().await;
            Some((b, bad))
        } else {
            None
        };
        self.traffic.settle(&mut self.rng).await;
        if !self.traffic.ours.is_empty() {
            return Err(format!("writes failed: {:#?}", std::mem::take(&mut self.traffic.ours)));
        }
        let now = self.see().await;
        self.check_diff(&[&a], &base, &now)?;
        self.check_show(&a, &base).await?;
        if let Some((b, bad)) = &second {
            self.check_diff(&[&a, b], &base, bad)?;
            self.check_show(b, bad).await?;
        }

        let mut args: Vec<String> = ["snapshot", "restore", "--to", &a].map(str::to_owned).to_vec();
        if self.engine() == Engine::Postgres {
            args.push(format!("--strategy={}", self.rng.pick(&["auto", "rows", "rewrite"])));
        }
        let (wanted, conflicts) = match (kind, &chosen) {
            (Kind::Whole, _) | (_, None) => (base.clone(), 0),
            (Kind::Since, Some(_)) => {
                let (b, bad) = second.as_ref().expect("this kind has a second mark");
                self.since(&mut args, (&base, bad, &now), b)
            }
            (_, Some(table)) => {
                args.extend(["--table".into(), table.quoted.clone()]);
                let places = table.key_places(self.engine()).expect("only such were chosen");
                let (then, is) =
                    (keyed(&base[&table.quoted], &places), keyed(&now[&table.quoted], &places));
                let becomes = match kind {
                    Kind::Where => {
                        let which = condition.trim_start_matches("WHERE ").to_owned();
                        args.extend(["--where".into(), which]);
                        let holds =
                            rows(&self.traffic.catalog, &mut self.reader, table, &condition).await;
                        let (held, holds) = (keyed(&held, &places), keyed(&holds, &places));
                        let mut becomes = is.clone();
                        for key in held.keys().chain(holds.keys()) {
                            match then.get(key) {
                                Some(row) => drop(becomes.insert(key.clone(), row.clone())),
                                None => drop(becomes.remove(key)),
                            }
                        }
                        becomes
                    }
                    Kind::Columns => self.columns(&mut args, table, &then, &is),
                    Kind::Whole | Kind::Tables | Kind::Since | Kind::Migrate => then.clone(),
                };
                let mut wanted = now.clone();
                let mut rows: Vec<_> = becomes.into_values().collect();
                rows.sort();
                wanted.insert(table.quoted.clone(), rows);
                (wanted, 0)
            }
        };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.restore(kind, &args, (&now, &wanted), conflicts).await
    }

    /// The arguments of a restore that keeps what was written since, and what it must lead to.
    fn since(
        &mut self,
        args: &mut Vec<String>,
        (base, bad, now): (&Picture, &Picture, &Picture),
        mark: &str,
    ) -> (Picture, usize) {
        let policy = *self.rng.pick(&[Policy::Fail, Policy::KeepNew, Policy::RestoreOld]);
        args.extend(["--keep-since".into(), mark.to_owned()]);
        args.extend(["--on-conflict".into(), policy.name().to_owned()]);
        let one = self.rng.one_in(2);
        let mut tables = self.foreseeable();
        self.rng.shuffle(&mut tables);
        if one {
            tables.truncate(1 + self.rng.below(3));
        }
        let mut wanted = now.clone();
        let mut conflicts = 0;
        for table in &tables {
            args.extend(["--table".into(), table.quoted.clone()]);
            let (rows, met) = merged_rows(table, self.engine(), [base, bad, now], policy);
            wanted.insert(table.quoted.clone(), rows);
            conflicts += met;
        }
        let refuses = policy == Policy::Fail && conflicts > 0;
        if refuses { (now.clone(), conflicts) } else { (wanted, 0) }
    }

    /// Rows that are there then and now get the values of then in some columns.
    fn columns(
        &mut self,
        args: &mut Vec<String>,
        table: &Table,
        then: &Keyed,
        is: &Keyed,
    ) -> Keyed {
        let pictured = table.pictured();
        let key: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let mut free: Vec<usize> =
            (0..pictured.len()).filter(|at| !key.contains(&pictured[*at].name.as_str())).collect();
        if free.is_empty() {
            return then.clone();
        }
        self.rng.shuffle(&mut free);
        free.truncate(1 + self.rng.below(3));
        let names: Vec<String> = free.iter().map(|at| pictured[*at].name.clone()).collect();
        args.extend(["--columns".into(), names.join(",")]);
        let mut becomes = is.clone();
        for (key, row) in &mut becomes {
            if let Some(old) = then.get(key) {
                for at in &free {
                    row[*at].clone_from(&old[*at]);
                }
            }
        }
        becomes
    }

    /// Previews, restores, compares, and undoes.
    async fn restore(
        &mut self,
        kind: Kind,
        args: &[&str],
        (now, wanted): (&Picture, &Picture),
        conflicts: usize,
    ) -> Result<(Kind, Ending), String> {
        let preview = [args, &["--format", "json"]].concat();
        let said = self.json(&preview)?;
        if conflicts > 0 {
            let found: u64 = said["tables"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|t| t["conflicts"].as_u64().unwrap_or(0))
                .sum();
            if found != conflicts as u64 {
                return Err(format!("{args:?}: {found} conflicts instead of {conflicts}"));
            }
        } else {
            self.check_counts(&preview, &said, ["inserts", "updates", "deletes"], |table| {
                Some(self.counts(table, &now[&table.quoted], &wanted[&table.quoted]))
            })?;
        }
        let unchanged = |found: &Picture, what: &str| match differences(now, found) {
            None => Ok(()),
            Some(lines) => Err(format!("{args:?}: {what} changed:\n{lines}")),
        };
        unchanged(&self.see().await, "its preview")?;
        let yes = [args, &["--yes"]].concat();
        let outcome = self.run(&yes);
        let found = self.see().await;
        if outcome.code != Some(0) {
            unchanged(&found, "a restore that failed")?;
            let foreseen = conflicts > 0 && outcome.stderr.contains("again since");
            if foreseen {
                return Ok((kind, Ending::Conflict));
            }
            // What others refer to, or have taken since, stands against a part alone.
            if kind != Kind::Whole && STANDS.iter().any(|text| outcome.stderr.contains(text)) {
                if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
                    println!("      {args:?}: {outcome}");
                }
                return Ok((kind, Ending::Refused));
            }
            return Err(format!("{args:?}: {outcome}"));
        }
        if conflicts > 0 {
            return Err(format!("{args:?}: went through with {conflicts} conflicts"));
        }
        if let Some(lines) = differences(wanted, &found) {
            return Err(format!("{args:?}: restored to something else:\n{lines}"));
        }
        if now != wanted && self.rng.one_in(4) {
            self.undo_past(now, &found).await?;
        } else if now != wanted && !self.rng.one_in(4) {
            self.must(&["snapshot", "restore", "--undo", "--yes"])?;
            if let Some(lines) = differences(now, &self.see().await) {
                return Err(format!("{args:?}: its undo led to something else:\n{lines}"));
            }
        }
        Ok((kind, Ending::Restored))
    }

    /// A restore is taken back, and what was written since it stays.
    async fn undo_past(&mut self, before: &Picture, restored: &Picture) -> Result<(), String> {
        self.traffic.write(&mut self.rng, 8).await;
        self.traffic.settle(&mut self.rng).await;
        let now = self.see().await;
        let policy = *self.rng.pick(&[Policy::Fail, Policy::KeepNew, Policy::RestoreOld]);
        let args = ["snapshot", "restore", "--undo", "--on-conflict", policy.name(), "--yes"];
        let outcome = self.run(&args);
        let found = self.see().await;
        let (mut conflicts, mut wanted) = (0, Picture::new());
        for table in self.foreseeable() {
            let (rows, met) = merged_rows(&table, self.engine(), [before, restored, &now], policy);
            wanted.insert(table.quoted.clone(), rows);
            conflicts += met;
        }
        if outcome.code != Some(0) {
            if let Some(lines) = differences(&now, &found) {
                return Err(format!("{args:?}: an undo that failed changed:\n{lines}\n{outcome}"));
            }
            let met = outcome.stderr.contains("again since");
            if met && policy == Policy::Fail
                || STANDS.iter().any(|text| outcome.stderr.contains(text))
            {
                return Ok(());
            }
            return Err(format!("{args:?}: {outcome}"));
        }
        if policy == Policy::Fail && conflicts > 0 {
            return Err(format!("{args:?}: went through with {conflicts} conflicts"));
        }
        match differences(&wanted, &found) {
            None => Ok(()),
            Some(lines) => Err(format!(
                "{args:?} with later writes led to something else:\n{lines}\n{outcome}"
            )),
        }
    }
}
