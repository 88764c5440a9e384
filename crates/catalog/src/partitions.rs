//! The partitions of a MySQL or MariaDB table, which its definition holds as text: read, changed and
//! written again. What the server refuses was run on MariaDB 10.11.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use downhaul_syntax::{Dialect, Ident};

use crate::text::{Kind, Token, mentions_ident, same_text, tokens};

/// How a table is divided: `RANGE (year(at)) (PARTITION p1 VALUES LESS THAN (2024))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlPartitions {
    dialect: Dialect,
    /// All before the list: method, key, number, sub-partitions.
    head: String,
    /// In order; none where the server names them (`PARTITIONS 4`). Cheap to copy: a table may have
    /// thousands, which a series of migrations adds one by one.
    parts: Vec<Arc<MysqlPartition>>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlPartition {
    /// Its name.
    pub name: Ident,
    /// The whole definition, from the word `PARTITION` on.
    text: String,
    /// What stands in `VALUES LESS THAN (…)` or `VALUES IN (…)`; none of a hash.
    values: Option<Values>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Less(Vec<String>),
    In(Vec<String>),
}

/// Why the server refuses a change of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionProblem {
    /// No partition has this name.
    Missing(Ident),
    /// One has it already.
    Exists(Ident),
    /// Anything else.
    Refused(&'static str),
}

const INCREASING: &str = "VALUES LESS THAN must rise strictly from partition to partition";

impl MysqlPartitions {
    /// Reads what follows `PARTITION BY`.
    #[must_use]
    pub fn read(text: &str, dialect: Dialect) -> Self {
        let all = tokens(text, dialect);
        let Some((from, to)) = list(&all) else {
            return Self { dialect, head: text.trim().to_owned(), parts: Vec::new() };
        };
        let head = join(&all[..from]).trim().to_owned();
        let tail = join(&all[to + 1..]);
        let head = format!("{head} {}", tail.trim()).trim().to_owned();
        Self { dialect, head, parts: parts(&all[from + 1..to], dialect) }
    }

    /// As `PARTITION BY` takes it.
    #[must_use]
    pub fn text(&self) -> String {
        if self.parts.is_empty() {
            return self.head.clone();
        }
        let parts: Vec<&str> = self.parts.iter().map(|p| p.text.as_str()).collect();
        format!("{} ({})", self.head, parts.join(", "))
    }

    /// Names in order; empty where the server gives them.
    pub fn names(&self) -> impl Iterator<Item = &Ident> {
        self.parts.iter().map(|p| &p.name)
    }

    /// The key reads the column.
    #[must_use]
    pub fn reads(&self, column: &Ident) -> bool {
        mentions_ident(&self.head, self.dialect, column)
    }

    /// The key is the primary key, whatever that is: `KEY ()`.
    #[must_use]
    pub fn is_by_primary_key(&self) -> bool {
        let plain: String = self.head.split_whitespace().collect();
        plain.to_uppercase().contains("KEY()")
    }

    /// Names of a statement such as `DROP PARTITION a, b`.
    #[must_use]
    pub fn named(text: &str, dialect: Dialect) -> Vec<Ident> {
        let all = tokens(text, dialect);
        let words = significant(&all);
        words
            .iter()
            .take_while(|t| !matches!(upper(t).as_str(), "INTO" | "WITH" | "TO" | "("))
            .filter_map(|t| t.ident(dialect))
            .filter(|i| !matches!(i.key().to_uppercase().as_str(), "IF" | "EXISTS" | "NOT"))
            .collect()
    }

    /// Carries out `verb PARTITION text`, verb in small letters; what the server says against it.
    ///
    /// # Errors
    ///
    /// The first problem; nothing has changed then.
    pub fn change(&mut self, verb: &str, text: &str) -> Result<(), PartitionProblem> {
        match verb {
            "add" => self.add(text),
            "drop" | "convert" => self.remove(verb, text),
            "reorganize" => self.reorganize(text),
            "coalesce" => {
                if !self.is_hash() {
                    return refused("COALESCE PARTITION is for HASH and KEY only");
                }
                let fewer = number(text, self.dialect).unwrap_or(1);
                let now = self.count();
                if fewer >= now {
                    return refused("all partitions cannot be removed: use DROP TABLE");
                }
                self.set_count(now - fewer);
                Ok(())
            }
            _ => {
                let named = Self::named(text, self.dialect);
                let all = |i: &Ident| i.key().eq_ignore_ascii_case("all");
                self.know(named.iter().filter(|i| !all(i)))
            }
        }
    }

    fn method(&self) -> String {
        let all = tokens(&self.head, self.dialect);
        let words = significant(&all);
        words.iter().map(upper).find(|w| w != "LINEAR").unwrap_or_default()
    }

    fn is_hash(&self) -> bool {
        matches!(self.method().as_str(), "HASH" | "KEY")
    }

    /// How many the server makes of a hash.
    fn count(&self) -> usize {
        if !self.parts.is_empty() {
            return self.parts.len();
        }
        let all = tokens(&self.head, self.dialect);
        let words = significant(&all);
        let at = words.iter().position(|t| upper(t) == "PARTITIONS");
        at.and_then(|at| words.get(at + 1)?.text.parse().ok()).unwrap_or(1)
    }

    fn set_count(&mut self, count: usize) {
        if !self.parts.is_empty() {
            self.parts.truncate(count);
            return;
        }
        let all = tokens(&self.head, self.dialect);
        let mut out = String::new();
        let mut number_follows = false;
        for token in &all {
            if number_follows && token.kind == Kind::Number {
                out.push_str(&count.to_string());
                number_follows = false;
                continue;
            }
            number_follows |= upper(token) == "PARTITIONS";
            out.push_str(token.text);
        }
        if !all.iter().any(|t| upper(t) == "PARTITIONS") {
            out = format!("{} PARTITIONS {count}", out.trim_end());
        }
        self.head = out;
    }

    /// The names are among those that are known; of a hash none are.
    fn know<'i>(&self, names: impl IntoIterator<Item = &'i Ident>) -> Result<(), PartitionProblem> {
        for name in names {
            if !self.parts.is_empty() && !self.names().any(|n| n == name) {
                return Err(PartitionProblem::Missing(name.clone()));
            }
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), PartitionProblem> {
        let all = tokens(text, self.dialect);
        let words = significant(&all);
        let leave = words.len() > 2 && upper(&words[0]) == "IF" && upper(&words[1]) == "NOT";
        let Some((from, to)) = list(&all) else {
            let more = number(text, self.dialect).unwrap_or(1);
            if !self.is_hash() {
                return refused("RANGE and LIST want each partition to be defined");
            }
            self.set_count(self.count() + more);
            return Ok(());
        };
        let new = parts(&all[from + 1..to], self.dialect);
        if let Some(taken) = new.iter().find(|p| self.names().any(|n| *n == p.name)) {
            let taken = PartitionProblem::Exists(taken.name.clone());
            return if leave { Ok(()) } else { Err(taken) };
        }
        let mut after = self.parts.clone();
        after.extend(new);
        self.check(&after, self.parts.len())?;
        self.parts = after;
        Ok(())
    }

    fn remove(&mut self, verb: &str, text: &str) -> Result<(), PartitionProblem> {
        if self.is_hash() && verb == "drop" {
            return refused("DROP PARTITION is for RANGE and LIST only");
        }
        let upper = text.trim_start().to_uppercase();
        let named = Self::named(text, self.dialect);
        if !upper.starts_with("IF ") {
            self.know(&named)?;
        }
        let left: Vec<_> =
            self.parts.iter().filter(|p| !named.contains(&p.name)).cloned().collect();
        if left.is_empty() && !self.parts.is_empty() {
            return refused("all partitions cannot be removed: use DROP TABLE");
        }
        self.parts = left;
        Ok(())
    }

    fn reorganize(&mut self, text: &str) -> Result<(), PartitionProblem> {
        let all = tokens(text, self.dialect);
        let Some((from, to)) = list(&all) else { return Ok(()) };
        let named = Self::named(text, self.dialect);
        self.know(&named)?;
        let new = parts(&all[from + 1..to], self.dialect);
        let Some(first) = self.parts.iter().position(|p| named.contains(&p.name)) else {
            return Ok(());
        };
        let old =
            self.parts.iter().rposition(|p| named.contains(&p.name)).map(|at| &self.parts[at]);
        let is_last = old.is_some_and(|o| self.parts.last() == Some(o));
        // Rows beyond the new end would have no place; only the last partition may reach further.
        if let (Some(Some(Values::Less(was))), Some(Some(Values::Less(is)))) =
            (old.map(|o| &o.values), new.last().map(|n| &n.values))
        {
            let allowed = match compare(is, was) {
                Some(Ordering::Equal) | None => true,
                Some(Ordering::Greater) => is_last,
                Some(Ordering::Less) => false,
            };
            if !allowed {
                return refused("the new partitions must end where the old ones ended");
            }
        }
        let mut after: Vec<_> =
            self.parts.iter().filter(|p| !named.contains(&p.name)).cloned().collect();
        if let Some(taken) = new.iter().find(|n| after.iter().any(|p| p.name == n.name)) {
            return Err(PartitionProblem::Exists(taken.name.clone()));
        }
        let at = first.min(after.len());
        after.splice(at..at, new);
        self.check(&after, 0)?;
        self.parts = after;
        Ok(())
    }

    /// Ranges rise, and no value stands in two lists; those before `new` are known to be right.
    fn check(&self, parts: &[Arc<MysqlPartition>], new: usize) -> Result<(), PartitionProblem> {
        let method = self.method();
        for part in &parts[new..] {
            match (&part.values, method.as_str()) {
                (Some(Values::Less(_)), "LIST") => {
                    return refused("only RANGE takes VALUES LESS THAN");
                }
                (Some(Values::In(_)), "RANGE") => return refused("only LIST takes VALUES IN"),
                _ => {}
            }
        }
        let mut seen = BTreeSet::new();
        let lists = parts.iter().filter_map(|part| match &part.values {
            Some(Values::In(values)) => Some(values),
            _ => None,
        });
        if !lists.flatten().all(|value| seen.insert(value)) {
            return refused("a value stands in two lists");
        }
        for pair in parts[new.saturating_sub(1)..].windows(2) {
            if let (Some(Values::Less(a)), Some(Values::Less(b))) =
                (&pair[0].values, &pair[1].values)
                && matches!(compare(a, b), Some(Ordering::Equal | Ordering::Greater))
            {
                return refused(INCREASING);
            }
        }
        Ok(())
    }

    /// The statements that make these of those: verb and text each, the list written as it shall be;
    /// `None` where the table has to be divided anew.
    #[must_use]
    pub fn steps_to(&self, to: &Self) -> Option<Vec<(&'static str, String)>> {
        if !same_text(&self.head, &to.head, self.dialect) || self.parts.is_empty() {
            return None;
        }
        let gone: Vec<&Arc<MysqlPartition>> =
            self.parts.iter().filter(|p| !to.parts.iter().any(|t| t.name == p.name)).collect();
        let new: Vec<&Arc<MysqlPartition>> =
            to.parts.iter().filter(|p| !self.parts.iter().any(|f| f.name == p.name)).collect();
        let (true, true) = (gone.len() < self.parts.len(), new.len() < to.parts.len()) else {
            return None;
        };
        let mut after = self.clone();
        let mut steps = Vec::new();
        if !gone.is_empty() {
            let names: Vec<_> =
                gone.iter().map(|p| self.dialect.quote_if_needed(&p.name)).collect();
            steps.push(("drop", names.join(", ")));
        }
        if !new.is_empty() {
            let texts: Vec<&str> = new.iter().map(|p| p.text.as_str()).collect();
            steps.push(("add", format!("({})", texts.join(", "))));
        }
        for (verb, text) in &steps {
            after.change(verb, text).ok()?;
        }
        let same = after.parts.len() == to.parts.len()
            && after
                .parts
                .iter()
                .zip(&to.parts)
                .all(|(a, b)| a.name == b.name && same_text(&a.text, &b.text, self.dialect));
        same.then_some(steps)
    }
}

fn refused<T>(why: &'static str) -> Result<T, PartitionProblem> {
    Err(PartitionProblem::Refused(why))
}

fn upper(token: &Token<'_>) -> String {
    if token.kind == Kind::Word || token.kind == Kind::Op {
        token.text.to_uppercase()
    } else {
        String::new()
    }
}

fn significant<'t>(all: &[Token<'t>]) -> Vec<Token<'t>> {
    all.iter().filter(|t| t.kind != Kind::Space).copied().collect()
}

fn join(tokens: &[Token<'_>]) -> String {
    tokens.iter().map(|t| t.text).collect()
}

fn number(text: &str, dialect: Dialect) -> Option<usize> {
    tokens(text, dialect).iter().find(|t| t.kind == Kind::Number)?.text.parse().ok()
}

/// Places of the parentheses around the first list of partitions.
fn list(all: &[Token<'_>]) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut open = None;
    for (at, token) in all.iter().enumerate() {
        match token.text {
            "(" if token.kind == Kind::Op => {
                let first = all[at + 1..].iter().find(|t| t.kind != Kind::Space);
                if depth == 0 && first.is_some_and(|t| upper(t) == "PARTITION") {
                    open = Some(at);
                }
                depth += 1;
            }
            ")" if token.kind == Kind::Op => {
                depth = depth.saturating_sub(1);
                if depth == 0
                    && let Some(open) = open
                {
                    return Some((open, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// Cuts at the commas that stand in no parentheses.
fn at_commas<'a, 't>(all: &'a [Token<'t>]) -> Vec<&'a [Token<'t>]> {
    let (mut depth, mut start, mut out) = (0_i32, 0, Vec::new());
    for (at, token) in all.iter().enumerate().filter(|(_, t)| t.kind == Kind::Op) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            "," if depth == 0 => {
                out.push(&all[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&all[start..]);
    out
}

fn parts(all: &[Token<'_>], dialect: Dialect) -> Vec<Arc<MysqlPartition>> {
    at_commas(all)
        .into_iter()
        .filter_map(|part| {
            let words = significant(part);
            let name = words.get(1)?.ident(dialect)?;
            let text = join(part).trim().to_owned();
            Some(Arc::new(MysqlPartition { name, text, values: values(&words) }))
        })
        .collect()
}

fn values(words: &[Token<'_>]) -> Option<Values> {
    let at = words.iter().position(|t| upper(t) == "VALUES")?;
    let less = words.get(at + 1).is_some_and(|t| upper(t) == "LESS");
    let behind = &words[at + if less { 3 } else { 2 }..];
    if behind.first()?.text != "(" {
        return less.then(|| Values::Less(vec!["MAXVALUE".to_owned()]));
    }
    let mut depth = 0;
    let end = behind.iter().position(|t| {
        depth += match (t.kind, t.text) {
            (Kind::Op, "(") => 1,
            (Kind::Op, ")") => -1,
            _ => 0,
        };
        depth == 0
    })?;
    let plain = |value: &[Token<'_>]| {
        let word = |t: &Token<'_>| match t.kind {
            Kind::Word => t.text.to_uppercase(),
            _ => t.text.to_owned(),
        };
        value.iter().map(word).collect::<String>()
    };
    let values = at_commas(&behind[1..end]).into_iter().map(plain).collect();
    Some(if less { Values::Less(values) } else { Values::In(values) })
}

/// Of two ends of ranges; `None` where they would have to be computed.
fn compare(a: &[String], b: &[String]) -> Option<Ordering> {
    for (a, b) in a.iter().zip(b) {
        match compare_values(a, b)? {
            Ordering::Equal => {}
            other => return Some(other),
        }
    }
    Some(Ordering::Equal)
}

fn compare_values(a: &str, b: &str) -> Option<Ordering> {
    let most = |v: &str| v == "MAXVALUE";
    if most(a) || most(b) {
        return Some(most(a).cmp(&most(b)));
    }
    if a == b {
        return Some(Ordering::Equal);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return a.partial_cmp(&b);
    }
    // Dates, alone or as the argument of one function that rises with them.
    let cut = |v: &str| {
        let (head, rest) = v.split_once('\'')?;
        let (date, tail) = rest.split_once('\'')?;
        let date: String = date.chars().filter(char::is_ascii_digit).collect();
        let rises = matches!(head, "" | "TO_DAYS(" | "UNIX_TIMESTAMP(" | "TO_SECONDS(" | "DATE");
        (rises && date.len() >= 8).then(|| (head.to_owned(), date, tail.to_owned()))
    };
    let ((head, a, tail), (other_head, b, other_tail)) = (cut(a)?, cut(b)?);
    let short = a.len().min(b.len());
    (head == other_head && tail == other_tail && a[..short] != b[..short])
        .then(|| a[..short].cmp(&b[..short]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, verb: &str, change: &str) -> Result<String, PartitionProblem> {
        let mut read = MysqlPartitions::read(text, Dialect::MariaDb);
        read.change(verb, change)?;
        Ok(read.text())
    }

    fn name(text: &str) -> Ident {
        Ident::new(Dialect::MariaDb, text, false)
    }

    const YEARS: &str = "RANGE (year(at)) (PARTITION a VALUES LESS THAN (2023), \
         PARTITION b VALUES LESS THAN (2024))";
    const OPEN: &str = "RANGE COLUMNS (at) (PARTITION a VALUES LESS THAN ('2023-01-01'), \
         PARTITION m VALUES LESS THAN (MAXVALUE))";
    const LISTS: &str = "LIST (code) (PARTITION n VALUES IN (1, 2), PARTITION s VALUES IN (3))";

    #[test]
    fn what_the_server_takes() {
        for (text, verb, change, expect) in [
            (
                YEARS,
                "add",
                "(PARTITION c VALUES LESS THAN MAXVALUE)",
                "RANGE (year(at)) (PARTITION a VALUES LESS THAN (2023), PARTITION b VALUES LESS \
                 THAN (2024), PARTITION c VALUES LESS THAN MAXVALUE)",
            ),
            (YEARS, "drop", "a", "RANGE (year(at)) (PARTITION b VALUES LESS THAN (2024))"),
            (YEARS, "drop", "IF EXISTS x", YEARS),
            (YEARS, "truncate", "ALL", YEARS),
            (YEARS, "exchange", "a WITH TABLE x", YEARS),
            (
                OPEN,
                "reorganize",
                "m INTO (PARTITION b VALUES LESS THAN ('2024-01-01'), PARTITION m VALUES LESS THAN \
                 (MAXVALUE))",
                "RANGE COLUMNS (at) (PARTITION a VALUES LESS THAN ('2023-01-01'), PARTITION b \
                 VALUES LESS THAN ('2024-01-01'), PARTITION m VALUES LESS THAN (MAXVALUE))",
            ),
            (LISTS, "drop", "`s`", "LIST (code) (PARTITION n VALUES IN (1, 2))"),
            ("HASH (id) PARTITIONS 4", "add", "PARTITIONS 2", "HASH (id) PARTITIONS 6"),
            ("HASH (id) PARTITIONS 4", "coalesce", "3", "HASH (id) PARTITIONS 1"),
        ] {
            assert_eq!(after(text, verb, change).as_deref(), Ok(expect), "{text} {verb} {change}");
        }
    }

    #[test]
    fn what_it_refuses() {
        use PartitionProblem as P;
        for (text, verb, change, expect) in [
            (YEARS, "add", "(PARTITION c VALUES LESS THAN (2022))", P::Refused(INCREASING)),
            (YEARS, "add", "(PARTITION a VALUES LESS THAN (2026))", P::Exists(name("a"))),
            (OPEN, "add", "(PARTITION c VALUES LESS THAN ('2030-01-01'))", P::Refused(INCREASING)),
            (YEARS, "drop", "a, x", P::Missing(name("x"))),
            (YEARS, "truncate", "x", P::Missing(name("x"))),
            (YEARS, "drop", "a, b", P::Refused("all partitions cannot be removed: use DROP TABLE")),
            (
                YEARS,
                "reorganize",
                "b INTO (PARTITION b VALUES LESS THAN (2000))",
                P::Refused("the new partitions must end where the old ones ended"),
            ),
            (
                LISTS,
                "add",
                "(PARTITION x VALUES IN (7, 2))",
                P::Refused("a value stands in two lists"),
            ),
            (
                LISTS,
                "add",
                "(PARTITION x VALUES LESS THAN (7))",
                P::Refused("only RANGE takes VALUES LESS THAN"),
            ),
            (
                "HASH (id) PARTITIONS 2",
                "coalesce",
                "2",
                P::Refused("all partitions cannot be removed: use DROP TABLE"),
            ),
        ] {
            assert_eq!(after(text, verb, change), Err(expect), "{text} {verb} {change}");
        }
    }

    #[test]
    fn values_that_would_have_to_be_computed_are_not_compared() {
        let days = |day: &str| vec![format!("TO_DAYS('{day}')")];
        assert_eq!(compare(&days("2024-01-01"), &days("2023-01-01")), Some(Ordering::Greater));
        assert_eq!(compare(&days("2024-01-01"), &["739000".to_owned()]), None);
        assert_eq!(compare(&["F('2024-01-01')".to_owned()], &["F('2023-01-01')".to_owned()]), None);
    }

    #[test]
    fn steps_lead_from_one_to_the_other_or_it_is_divided_anew() {
        let read = |text: &str| MysqlPartitions::read(text, Dialect::MariaDb);
        let shorter = "RANGE (year(at)) (PARTITION a VALUES LESS THAN (2023))";
        let dropped = read(YEARS).steps_to(&read(shorter));
        assert_eq!(dropped, Some(vec![("drop", "b".to_owned())]));
        let added = read(shorter).steps_to(&read(YEARS));
        let text = "(PARTITION b VALUES LESS THAN (2024))".to_owned();
        assert_eq!(added, Some(vec![("add", text)]));
        // The first range cannot be added again.
        let later = "RANGE (year(at)) (PARTITION b VALUES LESS THAN (2024))";
        assert_eq!(read(later).steps_to(&read(YEARS)), None);
        assert_eq!(read(YEARS).steps_to(&read(LISTS)), None);
    }
}
