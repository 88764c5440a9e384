//! Documentation of the rules: `explain` and the pages in `docs/rules/`.

use downhaul_syntax::Dialect;

use crate::rule::{Hazard, Rule};
use crate::rules::{all_rules, find_rule};

/// First sentence under "What it does", without a line break.
pub(crate) fn summary(docs: &str) -> String {
    let text = section(docs, "What it does").unwrap_or(docs);
    let paragraph = text.trim().split("\n\n").next().unwrap_or_default();
    let text = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}

/// The text under a heading of the second level.
pub(crate) fn section<'a>(docs: &'a str, heading: &str) -> Option<&'a str> {
    let mark = format!("## {}", heading.trim());
    let start = docs.lines().scan(0, |at, line| {
        let here = *at;
        *at += line.len() + 1;
        Some((here, line))
    });
    let (from, line) = start.clone().find(|(_, l)| l.trim() == mark)?;
    let from = from + line.len() + 1;
    let to = start
        .map(|(at, l)| (at, l.trim_start()))
        .find(|(at, l)| *at >= from && l.starts_with("## "))
        .map_or(docs.len(), |(at, _)| at);
    docs.get(from.min(docs.len())..to.min(docs.len()))
}

fn dialect_title(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        Dialect::MariaDb => "MariaDB",
        Dialect::Sqlite => "SQLite",
    }
}

/// Doc comments begin with one blank on each line.
fn markdown(rule: &Rule) -> String {
    let mut out = String::with_capacity(rule.docs.len());
    for line in rule.docs.lines() {
        out.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        out.push('\n');
    }
    out
}

/// The page of a rule, as Markdown.
#[must_use]
pub fn rule_page(rule: &Rule) -> String {
    let dialects = rule.dialects.iter().map(|d| dialect_title(*d)).collect::<Vec<_>>().join(", ");
    let default = if rule.default_on { "on" } else { "off" };
    format!(
        "# {name} ({code})\n\n{hazard}. Severity: {severity}. Databases: {dialects}. \
         By default: {default}. Since: {since}.\n\n{body}\n## How to allow it\n\n\
         ```sql\n-- downhaul:allow {name} \"why it is safe here\"\n```\n",
        name = rule.name,
        code = rule.code,
        hazard = rule.hazard().title(),
        severity = rule.severity,
        since = rule.since,
        body = markdown(rule),
    )
}

/// The page of a rule by code or name; `None` where no rule is called so.
#[must_use]
pub fn explain(code_or_name: &str) -> Option<String> {
    find_rule(code_or_name).map(rule_page)
}

/// The list of all rules, as Markdown.
#[must_use]
pub fn rule_index_page() -> String {
    let mut out = String::from("# Rules\n");
    for hazard in Hazard::ALL {
        let rules: Vec<_> = all_rules().iter().filter(|r| r.hazard() == hazard).collect();
        if rules.is_empty() {
            continue;
        }
        out.push_str(&format!("\n## {} ({})\n\n", hazard.title(), hazard.prefix()));
        out.push_str("| code | name | severity | databases | what it does |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for rule in rules {
            let databases = if rule.dialects.len() == 4 {
                "all".to_owned()
            } else {
                rule.dialects.iter().map(|d| dialect_title(*d)).collect::<Vec<_>>().join(", ")
            };
            let severity = if rule.default_on {
                rule.severity.to_string()
            } else {
                format!("{}, off", rule.severity)
            };
            out.push_str(&format!(
                "| {} | [{}]({}.md) | {} | {} | {} |\n",
                rule.code,
                rule.name,
                rule.name,
                severity,
                databases,
                rule.summary().replace('|', "\\|"),
            ));
        }
    }
    out
}

/// The measured tables, as Markdown.
#[must_use]
pub fn lock_page() -> String {
    let mut out = String::from(
        "# What statements lock, rewrite, read and build\n\n## PostgreSQL\n\n\
         Measured on PostgreSQL 12 to 18: each statement ran in a transaction on tables with rows, \
         then `pg_locks`, file nodes and scan counters were read. Of `CONCURRENTLY` and `VACUUM`, \
         which refuse a transaction, the lock was read that they wait for while another session \
         stands in the way; their scans are from the manual. Where versions differ, or do not know \
         the statement, a row says for which it holds; `--server-version` and `--database-url` tell \
         the analyzer which one counts. The schema is `crates/lint/facts/postgres_setup.sql`, the \
         table `crates/lint/facts/postgres.tsv`; a test measures it again on the PostgreSQL of this \
         machine, and `scripts/postgres-matrix` on all versions.\n\n\
         | statement | versions | locks | writes anew | reads in full | builds indexes on |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for fact in crate::effects::lock_facts() {
        let locks: Vec<String> =
            fact.locks.iter().map(|(table, mode)| format!("`{table}` {mode}")).collect();
        let names = |tables: &[&str]| {
            tables.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ")
        };
        out.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} |\n",
            fact.statement.replace('|', "\\|"),
            fact.versions,
            locks.join(", "),
            names(&fact.rewrites),
            names(&fact.scans),
            names(&fact.builds_indexes),
        ));
    }
    out.push_str(
        "\n## MySQL and MariaDB\n\n\
         The cheapest algorithm that the server accepts. MariaDB: measured on 10.11. MySQL: the \
         manual of 8.0, section \"Online DDL Operations\", and for 9.7 measured \
         (`scripts/mysql-matrix`); a version in front says since when. \
         `copy` and `shared` block writes, `rebuild` writes every row anew, `index` builds an \
         index, `exclusive` also blocks reads, for a moment.\n\n\
         | statement | MySQL | MariaDB |\n| --- | --- | --- |\n",
    );
    for [_, statement, mysql, mariadb] in crate::effects::mysql::rows() {
        out.push_str(&format!("| `{statement}` | {mysql} | {mariadb} |\n"));
    }
    out
}

/// All generated pages: path below the repository's root, and text.
#[must_use]
pub fn rule_pages() -> Vec<(String, String)> {
    let mut pages = vec![
        ("docs/rules/README.md".to_owned(), rule_index_page()),
        ("docs/locks.md".to_owned(), lock_page()),
    ];
    pages.extend(all_rules().iter().map(|r| (r.docs_path(), rule_page(r))));
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let docs = " ## What it does\n \n Reports\n this.\n \n ## Why is this bad\n \n Because.\n";
        assert_eq!(section(docs, "Why is this bad").map(str::trim), Some("Because."));
        assert_eq!(summary(&docs.replace("\n ", "\n")), "Reports this.");
        assert_eq!(section(docs, "Nothing"), None);
    }

    #[test]
    fn every_rule_has_its_sections() {
        for rule in all_rules() {
            let page = rule_page(rule);
            for heading in ["What it does", "Why is this bad"] {
                assert!(section(&page, heading).is_some(), "{}: {heading}", rule.name);
            }
            assert!(!rule.summary().is_empty(), "{}", rule.name);
            assert!(rule.summary().len() < 300, "{}: {}", rule.name, rule.summary());
        }
    }
}
