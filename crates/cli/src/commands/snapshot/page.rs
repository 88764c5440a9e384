//! A difference as a page for a browser: one file, no scripts, nothing from elsewhere.

use std::fmt::Write as _;

use downhaul_snapshot::difference::{Difference, RowChange, RowDifference, TableDifference};

use super::diff::{counts, word};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#1c1c1c;background:#fff}\
table{border-collapse:collapse;margin:.5em 0 2em}th,td{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}\
th{background:#f3f3f3}td.n{text-align:right}td.v{font-family:ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;max-width:32em}\
.old{background:#fdecea}.new{background:#e8f5e9}.null{color:#777;font-style:italic}.note{color:#555}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}th{background:#262626}th,td{border-color:#444}\
.old{background:#4a2320}.new{background:#1f3d24}.null,.note{color:#999}}";

/// Text that is nothing but text, wherever it stands in a page.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No control character has a place in a page, nor one that turns text around.
            '\t' | '\n' => escaped.push(c),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

fn cell(class: &str, value: Option<&str>, there: bool) -> String {
    match value {
        _ if !there => "<td></td>".to_owned(),
        None => format!("<td class=\"v {class} null\">NULL</td>"),
        Some(text) => format!("<td class=\"v {class}\">{}</td>", escape(text)),
    }
}

fn row(row: &RowDifference, page: &mut String) {
    let key: Vec<String> = row.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let copies = if row.copies > 1 { format!(" ({} times)", row.copies) } else { String::new() };
    let (old, new) = (row.change != RowChange::Inserted, row.change != RowChange::Deleted);
    let height = row.values.len().max(1);
    let _ = write!(
        page,
        "<tr><td rowspan=\"{height}\">{}{copies}</td><td class=\"v\" rowspan=\"{height}\">{}</td>",
        word(row.change),
        escape(&key.join("\n"))
    );
    if row.values.is_empty() {
        page.push_str("<td></td><td></td><td></td></tr>\n");
    }
    for (at, value) in row.values.iter().enumerate() {
        if at > 0 {
            page.push_str("<tr>");
        }
        let _ = writeln!(
            page,
            "<td>{}</td>{}{}</tr>",
            escape(&value.column),
            cell("old", value.old.as_deref(), old),
            cell("new", value.new.as_deref(), new)
        );
    }
}

/// What stands above the rows of a table.
pub(super) fn table(table: &TableDifference) -> String {
    let mut page = format!(
        "<h2>{}</h2>\n<p>{}</p>\n",
        escape(&table.table),
        counts(table.inserted, table.updated, table.deleted)
    );
    if !table.columns.is_empty() {
        page.push_str("<table><tr><th>column</th><th>rows changed</th></tr>\n");
        for (name, rows) in &table.columns {
            let _ = writeln!(page, "<tr><td>{}</td><td class=\"n\">{rows}</td></tr>", escape(name));
        }
        page.push_str("</table>\n");
    }
    if !table.incomparable.is_empty() {
        let _ = writeln!(
            page,
            "<p class=\"note\">not compared, since only one of the moments has it: {}</p>",
            escape(&table.incomparable.join(", "))
        );
    }
    page
}

/// The rows of a table, as they come.
#[derive(Default)]
pub(super) struct Rows {
    begun: bool,
}

impl Rows {
    pub(super) fn row(&mut self, difference: &RowDifference) -> String {
        let mut page = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            page.push_str(
                "<table><tr><th>row</th><th>key</th><th>column</th><th>old</th><th>new</th></tr>\n",
            );
        }
        row(difference, &mut page);
        page
    }

    /// What stands below `shown` rows, of which there may be more.
    pub(super) fn end(
        self,
        table: &TableDifference,
        (offset, limit): (u64, u64),
        shown: u64,
    ) -> String {
        if !self.begun {
            return String::new();
        }
        let last = shown + offset;
        if shown == limit && i64::try_from(last).unwrap_or(i64::MAX) < table.total() {
            return format!(
                "</table>\n<p class=\"note\">more rows: --offset {last}, or a larger --limit</p>\n"
            );
        }
        "</table>\n".to_owned()
    }
}

/// The end of the page.
pub(super) const END: &str = "</body></html>";

/// The head of the page: counts of all tables.
pub(super) fn head(found: &Difference, (from, to): (&str, &str)) -> String {
    let title = format!("Changes from {} to {}", escape(from), escape(to));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n\
         <table><tr><th>table</th><th>inserted</th><th>updated</th><th>deleted</th></tr>\n"
    );
    for table in &found.tables {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&table.table),
            table.inserted,
            table.updated,
            table.deleted
        );
    }
    page.push_str("</table>\n");
    for reason in &found.unreachable {
        let _ = writeln!(page, "<p class=\"note\">left out: {}</p>", escape(reason));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhaul_snapshot::difference::{DifferingRows, ValueChange};

    #[test]
    fn values_are_text_and_nothing_else() {
        let evil = "<script>alert('&\"')</script>\u{0}\u{202e}";
        let found = Difference {
            tables: vec![TableDifference {
                table: evil.into(),
                inserted: 1,
                updated: 1,
                deleted: 0,
                columns: vec![(evil.into(), 1)],
                incomparable: vec![evil.into()],
                rows: DifferingRows::default(),
            }],
            unreachable: vec![evil.into()],
        };
        let differing = [
            RowDifference {
                change: RowChange::Updated,
                key: vec![(evil.into(), evil.into())],
                copies: 1,
                values: vec![ValueChange {
                    column: evil.into(),
                    old: None,
                    new: Some(evil.into()),
                }],
            },
            RowDifference {
                change: RowChange::Inserted,
                key: vec![("id".into(), "2".into())],
                copies: 3,
                values: Vec::new(),
            },
        ];
        let mut page = head(&found, (evil, "now")) + &table(&found.tables[0]);
        let mut rows = Rows::default();
        for difference in &differing {
            page += &rows.row(difference);
        }
        page = page + &rows.end(&found.tables[0], (0, 50), 2) + END;
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains(['\u{0}', '\u{202e}']));
        let safe = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\\u{0}\\u{202e}";
        assert!(page.contains(safe));
        assert!(page.contains("<td class=\"v old null\">NULL</td><td class=\"v new\">"), "{page}");
        assert!(page.contains("inserted (3 times)"));
        let counts = page.find("<th>inserted</th>").unwrap();
        assert!(counts < page.find("<th>old</th>").unwrap(), "counts first");
        for tag in ["table", "tr", "td", "th", "h2", "p"] {
            let open = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
