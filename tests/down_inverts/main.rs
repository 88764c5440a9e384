//! Generated downs lead back, and the replay without a server says what the server does.
//!
//! Every case runs on a private server in a transaction that is rolled back: a schema, an up, the
//! down that [`downhaul_catalog::inverse_script`] makes of it. The server's own description of its
//! schema must be the one from before. Each statement of the up is also put to the catalog: it must
//! see a problem where the server refuses, and none where it does not. Last a statement of the down
//! is left out: then the catalog must name a difference where the server has one.

mod cases;
mod generate;

use downhaul_catalog::{
    Catalog, DiffOptions, InverseScript, NotInvertedKind, Origin, diff, inverse_script,
};
use downhaul_engine::{LockBudget, SchemaDump, Session, Target, connect};
use downhaul_kit::{Postgres, Rng, SqliteFile};
use downhaul_syntax::{Dialect, Script, parse_script};

/// Generated cases for each database; `DOWNHAUL_CASES` asks for more.
fn case_count() -> u64 {
    std::env::var("DOWNHAUL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

/// What the server refused, with its words.
type Refusal = Result<(), String>;

struct Trial {
    session: Box<dyn Session>,
    dialect: Dialect,
}

impl Trial {
    async fn open(url: &str, create: bool) -> Self {
        let target = Target::parse(url).expect("the kit gives a valid address");
        let session = connect(&target, create).await.expect("the kit's database is there");
        let dialect = session.dialect();
        Self { session, dialect }
    }

    async fn begin(&mut self) {
        self.session.begin(LockBudget::default()).await.expect("a transaction");
    }

    async fn rollback(&mut self) {
        self.session.rollback().await.expect("a rollback");
    }

    /// Runs one statement; a refused one leaves the transaction as it was.
    async fn try_run(&mut self, sql: &str) -> Refusal {
        self.session.execute("SAVEPOINT step").await.expect("a savepoint");
        match self.session.execute(sql).await {
            Ok(_) => {
                self.session.execute("RELEASE SAVEPOINT step").await.expect("a release");
                Ok(())
            }
            Err(error) => {
                self.session.execute("ROLLBACK TO SAVEPOINT step").await.expect("a rollback");
                Err(error.to_string())
            }
        }
    }

    async fn run_all(&mut self, sql: &str) -> Refusal {
        for statement in parse_script(sql, self.dialect).statements {
            self.try_run(&statement.text).await.map_err(|e| format!("{}: {e}", statement.text))?;
        }
        Ok(())
    }

    async fn dump(&mut self) -> SchemaDump {
        self.session.dump().await.expect("a dump")
    }

    /// How two of the server's descriptions differ. SQLite keeps the text of statements: there
    /// what the texts say is compared.
    fn differences(&self, left: &SchemaDump, right: &SchemaDump) -> Vec<String> {
        if self.dialect == Dialect::Sqlite {
            let catalog = |dump: &SchemaDump| {
                let mut catalog = Catalog::new(self.dialect);
                for object in dump.objects.iter().filter(|o| !o.part) {
                    let script = parse_script(&object.create, self.dialect);
                    catalog.apply_script(&script, Origin::Baseline);
                }
                catalog
            };
            return diff(&catalog(left), &catalog(right), DiffOptions::default())
                .iter()
                .map(ToString::to_string)
                .collect();
        }
        // DEFAULT NULL of a type with a length is kept as an expression, and means no default.
        let is_null = |d: &&downhaul_engine::dump::DumpDifference<'_>| {
            [d.left, d.right]
                .iter()
                .flatten()
                .all(|o| o.fingerprint.contains(" SET DEFAULT NULL::"))
        };
        left.differences(right)
            .iter()
            .filter(|d| !is_null(d))
            .map(|d| {
                let text = |o: Option<&downhaul_engine::DumpObject>| {
                    o.map_or("absent".to_owned(), |o| o.fingerprint.clone())
                };
                format!("{}: {} / {}", d.id().name, text(d.left), text(d.right))
            })
            .collect()
    }
}

fn replay(catalog: &mut Catalog, sql: &str) -> Vec<String> {
    let script = parse_script(sql, catalog.dialect);
    let problems = catalog.apply_script(&script, Origin::Series(1));
    problems.into_iter().map(|(_, _, problem)| problem.to_string()).collect()
}

/// Whether the down says of itself that it does not bring the schema back.
fn says_inexact(inverse: &InverseScript) -> bool {
    !inverse.is_exact() || inverse.not_inverted.iter().any(|n| n.kind == NotInvertedKind::Schema)
}

/// The inverse of `up` on a server that has run `base`.
async fn check(trial: &mut Trial, base: &str, up: &str) {
    trial.begin().await;
    trial.run_all(base).await.unwrap_or_else(|e| panic!("the case is wrong: {e}"));
    let before = trial.dump().await;
    trial.run_all(up).await.unwrap_or_else(|e| panic!("the case is wrong: {e}"));
    let mut catalog = Catalog::new(trial.dialect);
    assert_eq!(replay(&mut catalog, base), Vec::<String>::new(), "{base}");
    let inverse = inverse_script(&parse_script(up, trial.dialect), &catalog);
    assert!(!says_inexact(&inverse), "{up}\n{inverse:#?}");
    let down = inverse.sql();
    trial.run_all(&down).await.unwrap_or_else(|e| panic!("{up}\n--\n{down}\n--\n{e}"));
    let after = trial.dump().await;
    let left = trial.differences(&before, &after);
    assert!(left.is_empty(), "{up}\n--\n{down}\n--\n{left:#?}");
    trial.rollback().await;
}

/// What a run of generated cases found.
#[derive(Debug, Default)]
struct Tally {
    statements: u32,
    refused: u32,
    /// The catalog saw a problem, the server none.
    cried_wolf: Vec<String>,
    /// The server refused, the catalog saw nothing.
    overlooked: Vec<String>,
    downs: u32,
    said_inexact: u32,
    wrong_downs: Vec<String>,
    shortened: u32,
    shortened_wrong: Vec<String>,
}

/// One generated case: a base, an up, its inverse, and the inverse with a statement left out.
async fn generated(trial: &mut Trial, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::new(seed);
    let mut generator = generate::Generator::new(trial.dialect);
    trial.begin().await;
    let mut catalog = Catalog::new(trial.dialect);
    for _ in 0..10 + rng.below(10) {
        let sql = generator.statement(&mut rng, &catalog);
        step(trial, &mut catalog, &sql, seed, tally).await;
    }
    let before = trial.dump().await;
    let base = catalog.clone();
    let mut up = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let sql = generator.statement(&mut rng, &catalog);
        if step(trial, &mut catalog, &sql, seed, tally).await {
            up.push(sql);
        }
    }
    let up = up.join(";\n") + ";";
    let script: Script = parse_script(&up, trial.dialect);
    let inverse = inverse_script(&script, &base);
    tally.downs += 1;
    if says_inexact(&inverse) {
        tally.said_inexact += 1;
        trial.rollback().await;
        return;
    }
    let down = inverse.sql();
    trial.session.execute("SAVEPOINT up_done").await.expect("a savepoint");
    match trial.run_all(&down).await {
        Err(error) => {
            tally.wrong_downs.push(format!("seed {seed}\n{up}\n--\n{down}\n--\n{error}"));
        }
        Ok(()) => {
            let after = trial.dump().await;
            let left = trial.differences(&before, &after);
            if !left.is_empty() {
                tally.wrong_downs.push(format!("seed {seed}\n{up}\n--\n{down}\n--\n{left:#?}"));
            }
        }
    }
    if inverse.statements.len() > 1 {
        trial.session.execute("ROLLBACK TO SAVEPOINT up_done").await.expect("a rollback");
        let out = rng.below(inverse.statements.len());
        let shorter: Vec<&str> = inverse
            .statements
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != out)
            .map(|(_, s)| s.sql.as_str())
            .collect();
        let shorter = shorter.join(";\n") + ";";
        let mut replayed = catalog.clone();
        let problems = replay(&mut replayed, &shorter);
        let named: Vec<String> = diff(&base, &replayed, DiffOptions::default())
            .iter()
            .map(ToString::to_string)
            .collect();
        let truth = match trial.run_all(&shorter).await {
            Err(error) => Err(error),
            Ok(()) => {
                let after = trial.dump().await;
                Ok(trial.differences(&before, &after))
            }
        };
        tally.shortened += 1;
        let agree = match &truth {
            Err(_) => !problems.is_empty(),
            Ok(left) => problems.is_empty() && left.is_empty() == named.is_empty(),
        };
        if !agree {
            tally.shortened_wrong.push(format!(
                "seed {seed}\n{up}\n-- without {}:\n{shorter}\n-- server {truth:#?}\n-- catalog \
                 {problems:#?} {named:#?}",
                inverse.statements[out].sql
            ));
        }
    }
    trial.rollback().await;
}

/// Puts a statement to the server and to the catalog; true where the server took it.
async fn step(
    trial: &mut Trial,
    catalog: &mut Catalog,
    sql: &str,
    seed: u64,
    tally: &mut Tally,
) -> bool {
    let truth = trial.try_run(sql).await;
    let mut next = catalog.clone();
    let problems = replay(&mut next, sql);
    tally.statements += 1;
    match &truth {
        Ok(()) => {
            *catalog = next;
            if !problems.is_empty() {
                tally.cried_wolf.push(format!("seed {seed}: {sql}: {problems:?}"));
            }
        }
        Err(error) => {
            tally.refused += 1;
            if problems.is_empty() {
                tally.overlooked.push(format!("seed {seed}: {sql}: {error}"));
            }
        }
    }
    truth.is_ok()
}

/// Shares of a hundred; nothing at all is none.
fn share(part: usize, whole: u32) -> f64 {
    100.0 * part as f64 / f64::from(whole.max(1))
}

async fn generated_cases(trial: &mut Trial) {
    let mut tally = Tally::default();
    let first = Rng::seed_or(1);
    for seed in first..first + case_count() {
        generated(trial, seed, &mut tally).await;
    }
    let report = |title: &str, all: &[String]| {
        format!(
            "{title} ({}):\n{}\n",
            all.len(),
            all.iter().take(6).cloned().collect::<Vec<_>>().join("\n\n")
        )
    };
    assert!(
        tally.wrong_downs.is_empty(),
        "{}",
        report("downs that do not lead back", &tally.wrong_downs)
    );
    assert!(
        share(tally.cried_wolf.len(), tally.statements - tally.refused) <= 0.5,
        "{}",
        report("problems that the server does not see", &tally.cried_wolf)
    );
    assert!(
        share(tally.overlooked.len(), tally.refused) <= 5.0,
        "{} of {}",
        report("refusals that the catalog does not see", &tally.overlooked),
        tally.refused
    );
    assert!(
        share(tally.shortened_wrong.len(), tally.shortened) <= 2.0,
        "{} of {}",
        report("shortened downs judged otherwise than by the server", &tally.shortened_wrong),
        tally.shortened
    );
    assert!(share(tally.said_inexact as usize, tally.downs) <= 15.0, "{tally:?}");
    assert!(tally.refused > 0 && tally.shortened > 0, "the cases try nothing: {tally:?}");
}

#[tokio::test]
async fn hand_picked_changes_on_postgresql() {
    let database = Postgres::shared().fresh_database().await;
    let mut trial = Trial::open(database.url(), false).await;
    for up in cases::POSTGRES {
        check(&mut trial, cases::POSTGRES_BASE, up).await;
    }
}

#[tokio::test]
async fn generated_changes_on_postgresql() {
    let database = Postgres::shared().fresh_database().await;
    let mut trial = Trial::open(database.url(), false).await;
    generated_cases(&mut trial).await;
}

#[tokio::test]
async fn hand_picked_changes_on_sqlite() {
    let file = SqliteFile::new();
    let mut trial = Trial::open(&file.url(), true).await;
    for up in cases::SQLITE {
        check(&mut trial, cases::SQLITE_BASE, up).await;
    }
}

#[tokio::test]
async fn generated_changes_on_sqlite() {
    let file = SqliteFile::new();
    let mut trial = Trial::open(&file.url(), true).await;
    generated_cases(&mut trial).await;
}
