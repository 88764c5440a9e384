//! `docs/lint-truth.md`.

use crate::verdict::{Class, Counts, Judged, Score};

fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

fn row(name: &str, counts: Counts) -> String {
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} |\n",
        counts.hazardous,
        counts.hazardous - counts.missed,
        percent(counts.recall()),
        counts.harmless,
        counts.false_alarms,
        percent(counts.false_alarm_rate()),
    )
}

/// The whole page.
pub(crate) fn page(scores: &[Score]) -> String {
    let mut out = String::from(
        "# What the analyzer finds, measured\n\n\
         Each statement below was run on a real server, on tables that hold rows, and its effects were\n\
         measured: locks, tables written anew or read in full, index builds, values that are gone,\n\
         statements of the running release that fail afterwards, or the refusal. No label was given by\n\
         hand. Then Downhaul was given the schema as migrations and judged each statement without a\n\
         server. A finding counts from the severity warning on. The data lies in `tests/lint_truth/`, is\n\
         measured again by `cargo test --test lint_truth`, and this page is written by the same test.\n\n\
         | engine | hazardous | found | recall | harmless | false alarms | rate |\n\
         | --- | --: | --: | --: | --: | --: | --: |\n",
    );
    for score in scores {
        out.push_str(&row(score.engine.title(), score.overall()));
    }
    for score in scores {
        out.push_str(&format!("\n## {}\n\n", score.engine.title()));
        out.push_str("| hazard | cases | found | recall |\n| --- | --: | --: | --: |\n");
        for class in Class::ALL {
            let counts = score.class(class);
            if counts.hazardous > 0 {
                let found = counts.hazardous - counts.missed;
                let recall = percent(counts.recall());
                out.push_str(&format!(
                    "| {} | {} | {found} | {recall} |\n",
                    class.title(),
                    counts.hazardous
                ));
            }
        }
        list(&mut out, "Missed", score.judged.iter().filter(|j| j.missed()));
        list(&mut out, "False alarms", score.judged.iter().filter(|j| j.false_alarm()));
        out.push_str("\n| statement | measured | Downhaul |\n| --- | --- | --- |\n");
        for judged in &score.judged {
            let codes: Vec<&str> = judged.codes.iter().copied().collect();
            out.push_str(&format!(
                "| {} | {} | {} |\n",
                cell(judged),
                judged.case.truth.to_string().replace('|', "\\|"),
                codes.join(" "),
            ));
        }
    }
    out
}

fn cell(judged: &Judged) -> String {
    let text = if judged.case.history.is_empty() {
        format!("`{}`", judged.case.statement)
    } else {
        format!("`{}` after `{}`", judged.case.statement, judged.case.history)
    };
    text.replace('|', "\\|")
}

fn list<'a>(out: &mut String, title: &str, judged: impl Iterator<Item = &'a Judged>) {
    let lines: Vec<String> = judged.map(|j| format!("- {}\n", j.line())).collect();
    if !lines.is_empty() {
        out.push_str(&format!("\n{title}:\n\n{}", lines.concat()));
    }
}
