//! `docs/lint-truth.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::agreement::agreement;
use crate::data::{Engine, Set};
use crate::others::others;
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

const HEAD: &str = "| | hazardous | found | recall | harmless | false alarms | rate |\n\
                    | --- | --: | --: | --: | --: | --: | --: |\n";

const INTRODUCTION: &str = "# What the analyzer finds, measured

Each statement below was run on a real server, on tables that hold rows, and its effects were
measured: locks, tables written anew or read in full, index builds, values that are gone,
statements of the running release that fail afterwards, rows that a role sees for the first time,
settings that stay changed, objects of another shape that `IF NOT EXISTS` leaves as they are, or the
refusal. No label was given by hand. Then Downhaul was given the schema as migrations and judged
each statement without a server. A finding counts from the severity warning on. The data lies in
`tests/lint_truth/`, is measured again by `cargo test --test lint_truth`, and this page is written by
the same test.

The few statements of a sample release do not show all that changes for clients. So each table is
probed before and after the statement, by writes that are made from the server's own catalog, the
same for every table, set and engine, and rolled back: a copy of a row with fresh keys; two of them
with a value at the edge of its type (NULL, empty, zero, negative, long, large, the first and last
dates, each label of an enum); one that leaves out a column; one with a key that is taken, also
in capitals; one whose reference points nowhere; an update of each column, after which the whole row is compared; and a
delete. On MariaDB and SQLite a text of each column is looked for in capitals; on PostgreSQL each role
of the setup counts the rows of each table, and the server tells which rights it has. An empty table gets
rows of fresh values. Of the sets that
the rules were written with and of the seventh, those on PostgreSQL and MariaDB, and of the eighth to the tenth, are
probed again only where that is asked for (`DOWNHAUL_TRUTH_PROBES=1`), for it takes minutes.

A statement is hazardous where

- the server refuses it (`fails`);
- a table is locked while one is read or written in full (`locks` with `rewrites`, `scans` or
  `builds`); on MariaDB also where a table is written anew without a lock, for the replicas stand
  still as long, and where as many rows as a table holds are changed or copied, for they stay locked
  until the end (`rows`); on SQLite where it writes many pages, or as many rows as a table holds, for nobody
  else can write meanwhile;
- statements of the running release fail, a role has lost a right or rows from its sight, or a text is no
  longer found in capitals (`breaks`), or a name is gone that statements may use: of a table, view,
  column, type, field of a type, sequence or function (`names`);
- values are gone (`loses`), or a table or column is dropped that is empty here (`drops`);
- a probe that was accepted is refused now: a write of the running release may be (`refuses`);
- a probe that a key, a reference or a trigger refused is let in now: duplicates and orphans stay,
  whatever comes later (`lets`). A column that may hold more than before (`NOT NULL`, a check or a
  length that goes) is what a release prepares the next one with, and no hazard;
- a write no longer changes the rows and columns that it changed: the work of a trigger, or of `ON
  UPDATE` (`stops`). What is done in addition is no hazard, nor is a new default;
- it silently does nothing (`hides`), settings stay changed (`leaves`), a role sees more (`shows`), or
  a sequence hands out numbers again, had it come further than here (`repeats`).

A brief lock alone is none: any `ALTER TABLE` takes one, and the runner bounds the wait for it.

A statement that is there to change rows and found none to change (`idle`) is neither: with other rows
it does something, and what is not known. These are counted apart and listed below; so is one that does
more beside it, unless the analyzer reports that.

Each set is judged twice: by the migrations alone, and with `--queries`, where the linter is given the
statements of the running release as files. Then what they name is known, and `names` alone makes no
hazard.

## Statements that the rules were written with

";

const HELD_OUT: &str = "
## Statements never seen

Each further schema and its statements were written before anyone looked at what the analyzer says of
them, and were measured the same way. The first score is what it said then, by the measurement of that
day; the others are after the rules were mended by it. Each set was first scored after the rules were
mended by the one before. No statement was taken out.

Looking at the verdicts that differ showed faults of the measurement too, which were mended for all
sets: after the second set it learnt to see objects that are hidden, settings that stay and rows that
a role sees, and to make the tables in the time zone of the migrations; after the fourth, that a query
of the running release finds nothing any more, and the probes, the names and the statements that
change no row, which are described above. So the counts of hazardous and harmless statements of one
set differ between the scores.

The fifth set was written and frozen after the probes were made, by someone who had read the sources of
a good part of the rules, and before it was judged. The verdicts on it and on the older sets led to more
mends of the measurement, which favour the later scores and are no part of the first: triggers that
refuse some rows only, tables without rows, keys that keep to checks, sequences that stand where their
rows do, what is dropped while empty (`drops`), and on SQLite that many rows count and not only many
pages, by which three findings that were false alarms became right. The first scores of the fifth set on
PostgreSQL and MariaDB were taken after some of these, that on SQLite before all of them. That on MariaDB
counts one miss that was none: the probes themselves had used up the numbers of a table.

The sixth set has the shapes of statements drawn from the migrations of some thirty public projects, kind by
kind, so that not nine in ten make a table; it was written by someone who had not read the rules, and frozen
before it was judged. Its first scores are of the measurement as it stood. One thing was mended in between: the
clock of MariaDB's setup stands still, since what it says had counted as lost data in every statement.

The seventh set came about the same way: shapes of statements as they follow one another in the migrations of
Actual, alf.io, Cal.com, cdk, DataEase, docs.rs, Dolibarr, eq-author, Hoarder, Hyperswitch, Immich, Joomla,
Kanboard, Kill Bill, LibreNMS, Logto, Mattermost, Miniflux, Misskey, MolMeDB, Open-AudIT, OpenEMR, Penpot,
Phabricator, Pi-hole, PrestaShop, Rauthy, Semaphore, Spoke, Travis CI, Trilium, Umami, Uptime Kuma, Windmill and
Zed, written anew over three schemas of its own by someone who had read neither rules nor effects, and frozen in
a commit before it was measured or judged. Of which projects the sixth was drawn is not written down: four that
showed traces in it were left out. Its first verdicts are those of the rules that had not yet been mended by the
sixth. One thing was mended between the measurement and the verdicts: a statement of the release wrote another
value into a table of MyISAM, which no transaction takes back, and that had counted as lost data in three cases.
The verdicts showed a fault of the measurement: a column that is written in other capitals is found by MariaDB and
SQLite as before, and no name is gone, which the first score on MariaDB counts as a miss.

The eighth set has the shapes of statements, one after the other, of migrations of crates.io, Dendrite, Icinga
Director, Jellyseerr, Memos, Nakama, osTicket, Piwigo, PrairieLearn, Roundcube, Shiori, Stash, Supabase Auth and
Typebot, drawn by chance from their files and written anew over three schemas of its own, after the rules had
been mended by the seventh and before any was measured or judged; whoever wrote it had read some of the rules. Its
first verdicts are those of the rules as they stood in the commit before. Two faults of the measurement showed
before the first verdict: that a trigger fires for fewer columns had not been seen (one case of the second set),
and the tables in which SQLite keeps a virtual one were taken for tables. What the verdicts showed: the file for
MariaDB said that each case runs in a transaction, which no other set says, the measurement does not do, and the
server does not have, by which two of the eight false alarms of its first score came about; two statements of the
release went by a name that the measurement does not look for; a role that sees fewer rows than before was taken
for one that sees the same, in all sets; and a time zone that a statement sets had counted as values lost.

After that, and before its author looked at any later set, some 300 statements of PostgreSQL and of
MariaDB and 160 of SQLite that were written to mislead the analyzer, and are in no set, were measured and judged.
They led to mends of rules and of the measurement: the rights of roles and what they see, texts in capitals, rows
that are all written (MariaDB), rows that were to be changed beside something else, fields of a type; sequences
whose rows others refer to, and sequences that were not set back as they stood. One statement of the seventh set
and one of the eighth became misses by it.

The ninth set has the shapes of statements of migrations of Bitwarden, BookStack, Concourse, Documenso, Hatchet,
Headscale, Healthchecks, Hex, Kavita, Kimai, Lemmy, linkding, Lobsters, Mealie, MISP, Monica, Navidrome, NetBox,
OpenStreetMap's website, Ory Kratos, Outline, Pixelfed, Redash, Snipe-IT, Sonarr and Vaultwarden, drawn by chance
from their files, as their tools write them (Rails, Django, Prisma, Diesel, Ecto, Sequelize, Alembic, EF Core,
Laravel, Doctrine, FluentMigrator, goose; and Hibernate by hand), and of what is done to a server by hand. They
were written anew over three schemas of their own by someone who had read neither the rules, nor the effects, nor
the reasons for earlier verdicts, with as many harmless statements as hazardous ones, and committed before they
were measured. Between the measurement and the verdicts thirty-two were added on PostgreSQL and seventeen on SQLite;
rows were added or changed for four statements that had changed nothing for want of them, or had built an index on
too few to show, and a fifth names another row; a migration that locks one table while it reads another in full,
which the measurement does not take for a lock that lasts, was made two; and the measurement was mended: a row that
holds the last number of a sequence is found also where others refer to it (no earlier truth changes by that).
What the first verdicts showed: on SQLite an index over some thousand rows fills more pages than the measurement
lets pass, which the tables of earlier sets were too short for, and no rule told of it: six of the eleven misses
there were such, and six of the seven false alarms were about tables of three to forty rows, which the statement does
not tell. Since then the analyzer counts the rows of migrations that bring the data along, as these setups and dumps
do, and says nothing of SQLite's small tables; the migrations of an application bring little, and there it is
`--database-url` that tells. The file for MariaDB said again that each case runs in a transaction, which was mended after the first
score: two of its six false alarms came about by that, and part of a third verdict.

The tenth set has the shapes of statements of migrations of atuin, GoToSocial, Grafana, Home Assistant, Lychee,
Mastodon, n8n, Paperless-ngx, Pterodactyl, Synapse, TeslaMate, Unleash and wallabag, from their files, and of
Chatwoot, Dub, FreshRSS, Jellyfin, Langfuse, listmonk, Matomo, Nextcloud and ntfy, from memory (Rails, TypeORM, Prisma,
Django, Ecto, db-migrate, sqlx, bun, EF Core, Laravel, Doctrine, xorm, SQL by hand), and of what is done to a server by
hand; more of it than before ends what an earlier migration began. It was written anew over three schemas of its own
by someone who had read neither rules nor effects, but the labels of the ninth set. It was measured before it was
judged. Until then rows, columns and statements of the release were changed where a statement had met nothing to
change, or a table that grows was too short to show; and where the measurement does not see what a statement does, two
were written otherwise (a check of a domain that is not valid yet, a trigger that is there with another body) and one
was taken out (a column is renamed, and a new one takes its name). The measurement was mended before the verdicts: a
statement that sets a sequence is measured in a database of its own, for no transaction takes back where a sequence
stands, and publications are among what decides whether a write is let in. The verdicts of the rules as they stood
were printed by mistake when all was measured a last time; the set was committed as it was then. Since then three tables
are analyzed behind the setup, for the plans of two statements depended on whether probes had been made; nothing else
has been changed, and no label. The first score is of commit 8e04362. The rules of 4e92176, mended meanwhile without this set, found
one more on MariaDB, and said the same of all else. What the first verdicts showed: a migration of several statements is
measured as one, by which a scan before the lock counts as one under it (the miss on PostgreSQL that remains); what
remains on SQLite depends on rows, or on an insert that names no columns.

";

const OTHERS: &str = "
## The same statements, judged by other tools

`scripts/compare-linters` gives each PostgreSQL statement to each tool as a migration file of its
own, with timeouts preset, the version and the transaction told where the tool takes them, and its
rules of taste left out; safe-migrate gets a synced snapshot of the schema where one is given. The
others see the file alone, which is how they are made to be used: they cannot know what a statement
meets. What safe-migrate says of index builds and refreshes depends on the statistics that the server
has at the time of the snapshot: of two runs on the first set, ten verdicts differed.

";

const AGREEMENT: &str = "
## Effects, item by item

`downhaul lint --format json` tells the effects of each statement. Here they are compared with the
measurement, over all sets: the share of cases in which both say exactly the same, and how many
cases have something to say at all. A loss that is told as partial may come about or not, for it
depends on the values: it counts as told where one was measured. So may a break: the release of these
tables has few statements, and a column of another type breaks some clients only.

";

/// What the analyzer said at first of the statements that were held out.
fn first_score(engine: Engine, set: Set, queries: bool) -> Option<Counts> {
    let text = read("held_out_first_score.tsv");
    let with = if queries { "+queries" } else { "" };
    let stem = format!("{}{with}\t", crate::data::stem(engine, set));
    let line = text.lines().find(|l| l.starts_with(&stem))?;
    let cells: Vec<usize> =
        line.split('\t').skip(1).map(|c| c.parse().expect("a number")).collect();
    let [hazardous, missed, harmless, false_alarms] = cells[..] else { panic!("{line}") };
    Some(Counts { hazardous, missed, harmless, false_alarms })
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_truth").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Why the verdict on a statement is left as it is.
fn reasons() -> BTreeMap<(String, String), String> {
    read("reasons.tsv")
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [set, statement, reason] = cells[..] else { panic!("not three cells: {line}") };
            ((set.to_owned(), statement.to_owned()), reason.to_owned())
        })
        .collect()
}

/// The whole page.
pub(crate) fn page(scores: &[Score]) -> String {
    let of = |set: Set| scores.iter().filter(move |s| s.set == set);
    let mut out = String::from(INTRODUCTION);
    out.push_str(HEAD);
    for score in of(Set::Known) {
        let title = score.engine.title();
        out.push_str(&row(title, score.overall()));
        out.push_str(&row(&format!("{title}, with `--queries`"), score.with_queries()));
    }
    out.push_str(HELD_OUT);
    out.push_str(HEAD);
    for set in Set::ALL.into_iter().filter(|set| *set != Set::Known) {
        for score in of(set) {
            let title = format!("{}, {} set", score.engine.title(), set.title());
            for (queries, with) in [(false, ""), (true, ", with `--queries`")] {
                if let Some(first) = first_score(score.engine, set, queries) {
                    out.push_str(&row(&format!("{title}, first score{with}"), first));
                }
            }
            out.push_str(&row(&format!("{title}, now"), score.overall()));
            out.push_str(&row(&format!("{title}, now, with `--queries`"), score.with_queries()));
        }
    }
    idle(&mut out, scores);
    out.push_str(OTHERS);
    out.push_str(HEAD);
    for score in scores.iter().filter(|s| s.engine == Engine::Postgres) {
        let set = match score.set {
            Set::Known => "known".to_owned(),
            held_out => format!("{} set", held_out.title()),
        };
        if score.set != Set::Known {
            let first = first_score(score.engine, score.set, false).expect("a line a set");
            out.push_str(&row(&format!("Downhaul, {set}, first score"), first));
        }
        out.push_str(&row(&format!("Downhaul, {set}"), score.overall()));
        for other in others(score) {
            let unasked = match other.unasked {
                0 => String::new(),
                n => format!(" ({n} not asked)"),
            };
            out.push_str(&row(&format!("{}, {set}{unasked}", other.tool), other.counts));
        }
    }
    out.push_str(AGREEMENT);
    effects(&mut out, scores);
    let reasons = reasons();
    for score in scores {
        details(&mut out, score, &reasons);
    }
    out
}

const IDLE: &str = "
## Statements that changed no row here

";

/// Those that are neither hazardous nor harmless, and what is said of them.
fn idle(out: &mut String, scores: &[Score]) {
    out.push_str(IDLE);
    let all = || scores.iter().flat_map(|s| s.judged.iter().map(move |j| (s, j)));
    let all: Vec<_> = all().filter(|(_, j)| j.idle()).collect();
    let flagged = all.iter().filter(|(_, j)| !j.codes.is_empty()).count();
    out.push_str(&format!("{} statements, {flagged} of them reported:\n\n", all.len()));
    for (score, judged) in all {
        let codes: Vec<&str> = judged.codes.iter().copied().collect();
        let said = match codes.join(" ") {
            none if none.is_empty() => "nothing".to_owned(),
            said => said,
        };
        let (engine, set) = (score.engine.title(), score.set.title());
        out.push_str(&format!("- {} ({engine}, {set}): {said}\n", judged.title()));
    }
}

fn effects(out: &mut String, scores: &[Score]) {
    out.push_str(
        "| | effect | cases | with some | exactly the same | rate |\n\
         | --- | --- | --: | --: | --: | --: |\n",
    );
    for engine in Engine::ALL {
        let all_sets: Vec<_> =
            scores.iter().filter(|s| s.engine == engine).map(agreement).collect();
        for (at, first) in all_sets[0].iter().enumerate() {
            let sum = |f: fn(&crate::agreement::Agreement) -> usize| -> usize {
                all_sets.iter().map(|b| f(&b[at])).sum()
            };
            let same = sum(|a| a.same);
            let all = same + sum(|a| a.different.len());
            out.push_str(&format!(
                "| {} | {} | {all} | {} | {same} | {} |\n",
                engine.title(),
                first.kind.title(),
                sum(|a| a.some),
                percent(crate::verdict::ratio(same, all, 1.0)),
            ));
        }
    }
}

fn details(out: &mut String, score: &Score, reasons: &BTreeMap<(String, String), String>) {
    let set = match score.set {
        Set::Known => String::new(),
        held_out => format!(", {} set", held_out.title()),
    };
    out.push_str(&format!("\n## {}{set}\n\n", score.engine.title()));
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
    let why = |judged: &&Judged| {
        let stem = crate::data::stem(score.engine, score.set);
        let reason = reasons.get(&(stem, judged.case.statement.clone()));
        reason.map_or_else(String::new, |r| format!("\n  {r}"))
    };
    list(out, "Missed", score.judged.iter().filter(|j| j.missed()), why);
    list(out, "False alarms", score.judged.iter().filter(|j| j.false_alarm()), why);
    let missed = |j: &&Judged| j.missed_with_queries() && !j.missed();
    list(out, "Missed with `--queries`", score.judged.iter().filter(missed), why);
    let alarm = |j: &&Judged| j.false_alarm_with_queries() && !j.false_alarm();
    list(out, "False alarms with `--queries`", score.judged.iter().filter(alarm), why);
    out.push_str("\n| statement | measured | Downhaul |\n| --- | --- | --- |\n");
    for judged in &score.judged {
        let codes: Vec<&str> = judged.codes.iter().copied().collect();
        out.push_str(&format!(
            "| {} | {} | {} |\n",
            judged.title().replace('|', "\\|"),
            judged.case.truth.to_string().replace('|', "\\|"),
            codes.join(" "),
        ));
    }
}

fn list<'a>(
    out: &mut String,
    title: &str,
    judged: impl Iterator<Item = &'a Judged>,
    why: impl Fn(&&'a Judged) -> String,
) {
    let lines: Vec<String> = judged.map(|j| format!("- {}{}\n", j.line(), why(&j))).collect();
    if !lines.is_empty() {
        out.push_str(&format!("\n{title}:\n\n{}", lines.concat()));
    }
}

/// Reasons for statements whose verdict is right by now, or that are gone.
pub(crate) fn stale_reasons(scores: &[Score]) -> Vec<String> {
    let wrong = |(stem, statement): &(String, String)| {
        scores.iter().any(|score| {
            crate::data::stem(score.engine, score.set) == *stem
                && score.judged.iter().any(|j| j.case.statement == *statement && j.wrong())
        })
    };
    reasons().into_keys().filter(|key| !wrong(key)).map(|(_, statement)| statement).collect()
}
