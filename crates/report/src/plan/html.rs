//! A plan as one page: readable on a phone, printable, without anything from elsewhere.

use std::fmt::Write;

use super::{PlanDocument, PlannedMigration, PlannedStatement, Weight};

/// Text between tags, or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// 20000 → `20,000`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", n / 1_000_000),
        _ => format!("{}.{} GB", n / 1_000_000_000, n / 100_000_000 % 10),
    }
}

fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(n as u64), if n == 1 { "" } else { "s" })
}

const STYLE: &str = "
:root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--wash:#f5f7f9;--bad:#b3261e;--badwash:#fdeceb;--warn:#8a5a00;--warnwash:#fff4dc;--mild:#245a9c;--mildwash:#e9f1fb;--good:#1e6b3a;--goodwash:#e7f5ec}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa7b6;--line:#2d3744;--paper:#12171e;--wash:#1a212b;--bad:#ff9a92;--badwash:#3a1b1a;--warn:#f2c063;--warnwash:#362a10;--mild:#8fbcf5;--mildwash:#172a42;--good:#86d6a0;--goodwash:#132c1d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.15rem;margin:0;overflow-wrap:anywhere}
h3{font-size:.85rem;margin:1.2rem 0 .4rem;color:var(--soft);text-transform:uppercase;letter-spacing:.04em}
p{margin:.4rem 0}.soft{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:1.25rem 0 1.75rem;padding:0;list-style:none}
.facts li{background:var(--wash);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem}
.facts b{display:block;font-size:1.15rem;line-height:1.3}
.facts span{color:var(--soft);font-size:.85rem}
nav ol{margin:.25rem 0 1.5rem;padding-left:1.4rem}
a{color:var(--mild)}
article{border:1px solid var(--line);border-radius:.8rem;padding:1rem 1.1rem 1.2rem;margin:0 0 1.25rem}
.tags{display:flex;flex-wrap:wrap;gap:.4rem;margin:.5rem 0 0;padding:0;list-style:none}
.tags li{font-size:.8rem;padding:.1rem .55rem;border-radius:1rem;background:var(--wash);border:1px solid var(--line)}
ol.steps{list-style:none;margin:0;padding:0}
ol.steps>li{margin:.9rem 0 0;padding-top:.9rem;border-top:1px solid var(--line)}
ol.steps>li:first-child{border-top:0;padding-top:.2rem}
.head{display:flex;justify-content:space-between;gap:1rem;color:var(--soft);font-size:.85rem}
pre{margin:.35rem 0;padding:.7rem .8rem;background:var(--wash);border:1px solid var(--line);border-radius:.5rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;font:13.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
ul.effects{list-style:none;margin:.45rem 0 0;padding:0}
ul.effects li{display:flex;gap:.55rem;align-items:baseline;margin:.25rem 0;overflow-wrap:anywhere}
.mark{flex:none;font-size:.78rem;font-weight:600;padding:.05rem .5rem;border-radius:.35rem}
.bad{color:var(--bad);background:var(--badwash)}.warn{color:var(--warn);background:var(--warnwash)}
.mild{color:var(--mild);background:var(--mildwash)}.good{color:var(--good);background:var(--goodwash)}
details summary{cursor:pointer;color:var(--soft)}
footer{margin-top:2rem;color:var(--soft);font-size:.85rem;border-top:1px solid var(--line);padding-top:1rem;overflow-wrap:anywhere}
@media print{body{font-size:11pt}main{max-width:none;padding:0}article{break-inside:auto;border-color:#bbb}ol.steps>li{break-inside:avoid}nav{display:none}details>*{display:block}a{color:inherit;text-decoration:none}}
";

/// The page.
#[must_use]
pub fn page(plan: &PlanDocument) -> String {
    let mut out = String::new();
    let statements: usize = plan.migrations.iter().map(|m| m.statements.len()).sum();
    let count_of = |weight: Weight, label: &str| {
        plan.migrations
            .iter()
            .flat_map(|m| &m.statements)
            .flat_map(|s| &s.lines)
            .filter(|line| line.weight == weight && line.label == label)
            .count()
    };
    let losses: usize = plan.migrations.iter().map(|m| m.kept.len()).sum();
    let no_way_back = plan.migrations.iter().filter(|m| !m.has_down && !m.repeatable).count();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Migration plan: {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Migration plan</h1>\n<p class=\"soft\">{} · {}</p>\n",
        escape(&plan.database),
        escape(&plan.database),
        escape(&plan.server),
    );
    if plan.migrations.is_empty() {
        out.push_str("<p>Nothing is pending.</p>\n");
    }
    let facts = [
        (counted(plan.migrations.len(), "migration"), counted(statements, "statement")),
        (plan.estimate.to_string(), "estimated time, waiting not included".to_owned()),
        (counted(count_of(Weight::Warn, "locks"), "lock"), "that others may wait for".to_owned()),
        (
            counted(count_of(Weight::Bad, "breaks"), "break"),
            "of statements of the running release".to_owned(),
        ),
        (counted(losses, "loss").replace("losss", "losses"), "kept before it happens".to_owned()),
        (
            if no_way_back == 0 { "all".to_owned() } else { format!("all but {no_way_back}") },
            "can be taken back".to_owned(),
        ),
    ];
    if !plan.migrations.is_empty() {
        out.push_str("<ul class=\"facts\">\n");
        for (value, what) in facts {
            let _ =
                writeln!(out, "<li><b>{}</b><span>{}</span></li>", escape(&value), escape(&what));
        }
        out.push_str("</ul>\n");
    }
    if plan.migrations.len() > 1 {
        out.push_str("<nav aria-label=\"Migrations\"><ol>\n");
        for (number, migration) in plan.migrations.iter().enumerate() {
            let _ = writeln!(
                out,
                "<li><a href=\"#m{number}\">{}</a> <span class=\"soft\">{}</span></li>",
                escape(&migration.label),
                escape(&migration.estimate.to_string())
            );
        }
        out.push_str("</ol></nav>\n");
    }
    for (number, migration) in plan.migrations.iter().enumerate() {
        article(&mut out, number, migration);
    }
    let _ = write!(
        out,
        "<footer><p>Times are estimates from the sizes that the server knows and from measured rates; \
         a busy or slow machine takes longer. Waiting for locks comes on top, and is limited.</p>\
         <p>This plan rests on journal, files and schema as they were: <code>{}</code></p></footer>\n\
         </main>\n</body>\n</html>\n",
        escape(&plan.rests_on.to_string())
    );
    out
}

fn article(out: &mut String, number: usize, migration: &PlannedMigration) {
    let _ = write!(
        out,
        "<article id=\"m{number}\">\n<h2>{}</h2>\n<ul class=\"tags\">",
        escape(&migration.label)
    );
    let mut tags = vec![migration.runs.clone(), format!("time: {}", migration.estimate)];
    tags.extend(migration.phase.map(|phase| format!("phase: {phase}")));
    tags.push(migration.file.clone());
    for tag in tags {
        let _ = write!(out, "<li>{}</li>", escape(&tag));
    }
    out.push_str("</ul>\n<h3>What runs</h3>\n<ol class=\"steps\">\n");
    for (index, statement) in migration.statements.iter().enumerate() {
        step(out, index + 1, statement);
    }
    out.push_str("</ol>\n<h3>What is lost, and kept first</h3>\n");
    if migration.kept.is_empty() {
        out.push_str("<p class=\"soft\">Nothing that the text shows.</p>\n");
    } else {
        out.push_str("<ul class=\"effects\">\n");
        for kept in &migration.kept {
            let mut size: Vec<String> = kept.how.iter().cloned().collect();
            size.extend(kept.rows.map(|rows| format!("up to {} rows", thousands(rows))));
            size.extend(kept.bytes.map(|n| format!("at most {}", bytes(n))));
            let size =
                if size.is_empty() { String::new() } else { format!(" ({})", size.join(", ")) };
            let _ = writeln!(
                out,
                "<li><span class=\"mark good\">keeps</span><span><b>{}</b>: {}{}</span></li>",
                escape(&kept.table),
                escape(&kept.what),
                escape(&size)
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<h3>How it is undone</h3>\n");
    if migration.repeatable {
        out.push_str(
            "<p>The text that was stated before is stated again, or what it makes is dropped.</p>\n",
        );
    } else if migration.has_down {
        let _ = writeln!(
            out,
            "<details open><summary>{} of its down file{}</summary>",
            counted(migration.undone_by.len(), "statement"),
            if migration.kept.is_empty() { "" } else { ", then the return of what is kept" }
        );
        for sql in &migration.undone_by {
            let _ = writeln!(out, "<pre>{}</pre>", escape(sql));
        }
        out.push_str("</details>\n");
    } else {
        out.push_str("<p><span class=\"mark bad\">no way back</span> There is no down file.</p>\n");
    }
    out.push_str("</article>\n");
}

fn step(out: &mut String, number: usize, statement: &PlannedStatement) {
    let _ = write!(
        out,
        "<li><div class=\"head\"><span>{number}</span><span>{}</span></div>\n<pre>{}</pre>\n",
        escape(&statement.estimate.to_string()),
        escape(&statement.sql)
    );
    if !statement.lines.is_empty() {
        out.push_str("<ul class=\"effects\">\n");
        for line in &statement.lines {
            let class = match line.weight {
                Weight::Mild => "mild",
                Weight::Warn => "warn",
                Weight::Bad => "bad",
            };
            let _ = writeln!(
                out,
                "<li><span class=\"mark {class}\">{}</span><span>{}</span></li>",
                escape(line.label),
                escape(&line.text)
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</li>\n");
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    /// Whatever stands in names and statements stays text, and the page asks for nothing from
    /// elsewhere.
    #[test]
    fn a_page_is_whole_and_escaped() {
        let evil = "<script>alert('x')</script> & \"quoted\"";
        let statement = PlannedStatement {
            sql: format!("SELECT '{evil}'"),
            effects: None,
            estimate: Estimate { low_ms: 2000, high_ms: 40_000, unknown: false },
            lines: vec![EffectLine { weight: Weight::Bad, label: "loses", text: evil.into() }],
        };
        let migration = PlannedMigration {
            version: "1".into(),
            label: evil.into(),
            file: evil.into(),
            phase: Some("contract"),
            one_transaction: true,
            runs: "in one transaction".into(),
            estimate: statement.estimate,
            statements: vec![statement],
            keeps: Vec::new(),
            kept: vec![PlannedKeep {
                table: evil.into(),
                what: evil.into(),
                how: Some(evil.into()),
                rows: Some(1_234_567),
                bytes: Some(98_000_000),
            }],
            repeatable: false,
            has_down: true,
            undone_by: vec![evil.into()],
        };
        let plan = PlanDocument {
            version: 1,
            database: evil.into(),
            server: evil.into(),
            rests_on: Value::String(evil.into()),
            estimate: migration.estimate,
            migrations: vec![migration.clone(), PlannedMigration { has_down: false, ..migration }],
        };
        let page = page(&plan);
        assert!(!page.contains("<script") && !page.contains("alert('x')"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("2 s to 40 s") && page.contains("1,234,567 rows"));
        assert!(page.contains("no way back") && page.contains("at most 98 MB"));
        // Every tag that is opened is closed.
        for tag in
            ["html", "main", "article", "ol", "ul", "li", "pre", "details", "p", "span", "div"]
        {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
