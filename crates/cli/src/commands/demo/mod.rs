//! `downhaul demo`: the whole tool at work, on real rows, with a proof at the end.

mod files;
mod judge;
mod proof;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use downhaul_engine::{Target, connect};
use downhaul_plan::{Series, load};
use downhaul_run::{DownSelection, Options, RunError, Runner, UpSelection};

use self::proof::Album;
use crate::args::DemoArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, count, duration, paint, thousands};

/// Tables of the shop, in the order in which they are shown.
const TABLES: [&str; 7] =
    ["customers", "products", "orders", "order_items", "payments", "sessions", "order_notes"];

/// Where the demo plays, and what is removed when it ends.
struct Stage {
    target: Target,
    folder: PathBuf,
    /// Removed with all it holds when dropped; `None` where the user keeps the folder.
    temporary: Option<tempfile::TempDir>,
    /// A database of our own on the user's server: where to connect to drop it, and its name.
    database: Option<(Target, String)>,
}

/// Shows the whole tool at work.
pub async fn run(args: &DemoArgs, ui: &Ui) -> Result<Code, CliError> {
    let stage = set_up(args).await?;
    let result = play(&stage, ui).await;
    let removed = tear_down(&stage, args, ui).await;
    let code = result?;
    removed?;
    Ok(code)
}

async fn set_up(args: &DemoArgs) -> Result<Stage, CliError> {
    let io = |what: &str, path: &Path, error: &std::io::Error| {
        CliError::usage(format!("cannot {what} {}: {error}", path.display()))
    };
    let (folder, temporary) = match &args.keep {
        Some(folder) => {
            if folder.join("migrations").exists() || folder.join("shop.db").exists() {
                return Err(CliError::usage(format!("{} holds a demo already", folder.display()))
                    .state("nothing was changed")
                    .hint("remove it, or name another folder"));
            }
            std::fs::create_dir_all(folder).map_err(|e| io("make", folder, &e))?;
            (folder.clone(), None)
        }
        None => {
            let temporary = tempfile::Builder::new()
                .prefix("downhaul-demo-")
                .tempdir()
                .map_err(|e| io("make a folder in", &std::env::temp_dir(), &e))?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let (target, database) = match &args.database_url {
        None => (Target::Sqlite { path: folder.join("shop.db"), read_only: false }, None),
        Some(url) => match Target::parse(url)? {
            Target::Sqlite { .. } => {
                return Err(CliError::usage("the demo makes its own SQLite file")
                    .hint("leave --database-url away, or name a folder with --keep DIR"));
            }
            server @ (Target::Postgres(_) | Target::MySql(_)) => {
                let name = format!("downhaul_demo_{}", std::process::id());
                let mut session = connect(&server, false).await?;
                let quoted = server.dialect().quote_str(&name);
                let made = session.execute(&format!("CREATE DATABASE {quoted}")).await;
                session.close().await;
                made.map_err(|error| {
                    CliError::from(error).state("nothing was changed").hint(
                        "the demo works in a database of its own: connect as a user who may make one",
                    )
                })?;
                (server.with_database(&name), Some((server, name)))
            }
        },
    };
    let stage = Stage { target, folder, temporary, database };
    let migrations = stage.folder.join("migrations");
    std::fs::create_dir(&migrations).map_err(|e| io("make", &migrations, &e))?;
    for (name, up, down) in &files::files(stage.target.dialect()).migrations {
        for (direction, text) in [("up", up), ("down", down)] {
            let path = migrations.join(format!("{name}.{direction}.sql"));
            std::fs::write(&path, text).map_err(|e| io("write", &path, &e))?;
        }
    }
    Ok(stage)
}

async fn tear_down(stage: &Stage, args: &DemoArgs, ui: &Ui) -> Result<(), CliError> {
    if let Some((server, name)) = &stage.database {
        let mut session = connect(server, false).await?;
        let quoted = server.dialect().quote_str(name);
        let dropped = session.execute(&format!("DROP DATABASE IF EXISTS {quoted}")).await;
        session.close().await;
        dropped.map_err(|error| {
            CliError::from(error).hint(format!("remove what is left: DROP DATABASE {quoted}"))
        })?;
    }
    if stage.temporary.is_none() {
        let folder = args.keep.as_deref().unwrap_or(&stage.folder).display();
        ui.line(match stage.database {
            None => format!(
                "\nkept: {folder}  (try: downhaul status --dir {folder}/migrations --database-url sqlite:{folder}/shop.db)"
            ),
            Some(_) => format!("\nkept: {folder}/migrations"),
        });
    }
    Ok(())
}

async fn play(stage: &Stage, ui: &Ui) -> Result<Code, CliError> {
    let files = files::files(stage.target.dialect());
    let dir = stage.folder.join("migrations");
    let series = load(&dir)?;
    let started = Instant::now();
    let mut app = connect(&stage.target, true).await?;
    let server = app.server().version.clone();
    ui.line(format!(
        "{} on {server}, {}\n",
        paint(Style::Bold, "Downhaul demo"),
        match &stage.database {
            Some((_, name)) => format!("in database {name}, removed at the end"),
            None => format!("in {}", stage.folder.display()),
        },
    ));

    step(ui, 1, "A shop is live: five migrations, and its data");
    up(stage, &series, UpSelection::Steps(files.migrations.len() - 1), ui).await?;
    app.execute(files.seed).await?;
    let before = proof::album(&mut *app, &TABLES).await?;
    let schema_before = proof::schema_hash(&mut *app).await?;
    let rows: usize = before.values().map(proof::Photograph::len).sum();
    ui.line(format!(
        "    {} in {}",
        paint(Style::Bold, count(rows as u64, "row")),
        count(before.len() as u64, "table")
    ));

    let (last, text, _) = files.migrations[files.migrations.len() - 1];
    step(ui, 2, &format!("Someone writes {last}, and runs `downhaul lint`"));
    show_migration(ui, text);
    judge::show(files, stage.target.dialect(), ui);

    step(ui, 3, "It ships all the same: `downhaul up`");
    up(stage, &series, UpSelection::All, ui).await?;
    let after_up = proof::album(&mut *app, &TABLES).await?;

    step(ui, 4, "The new release writes for a while");
    app.execute(files.new_release).await?;
    let now = proof::album(&mut *app, &TABLES).await?;
    show_writes(ui, &after_up, &now);

    step(ui, 5, "It was a mistake: `downhaul down`");
    down(stage, &series, ui).await?;
    let after_down = proof::album(&mut *app, &TABLES).await?;
    let schema_after = proof::schema_hash(&mut *app).await?;
    app.close().await;

    step(ui, 6, "Proof: read back row by row, compared with what must be there");
    let good = show_proof(ui, &before, &after_up, &now, &after_down);
    let schema_good = schema_before == schema_after;
    ui.line(format!(
        "    {:<12} {:>42}   {schema_after} {}",
        "schema",
        if schema_good { "as before 0006" } else { "differs from before 0006" },
        mark(schema_good)
    ));
    let rows: usize = after_down.values().map(proof::Photograph::len).sum();
    let took = duration(started.elapsed());
    if good && schema_good {
        ui.line(format!(
            "\n{} nothing was lost: {} and the schema are exactly what they must be \
             (sha256 {}), {took} in all",
            paint(Style::Good, "proof:"),
            count(rows as u64, "row"),
            proof::album_hash(&after_down),
        ));
        Ok(Code::Clean)
    } else {
        Err(CliError::new(Code::SnapshotNotSound, "the proof failed: the table above says where")
            .hint("this is a bug in Downhaul: please report it with this output"))
    }
}

fn step(ui: &Ui, number: u32, title: &str) {
    let gap = if number == 1 { "" } else { "\n" };
    ui.line(format!("{gap}{} {}", paint(Style::Accent, number), paint(Style::Bold, title)));
}

/// The statements of a migration without its comments.
fn show_migration(ui: &Ui, text: &str) {
    for line in text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with("--")) {
        ui.line(format!("    {} {line}", paint(Style::Dim, "│")));
    }
}

async fn open(stage: &Stage) -> Result<Runner, RunError> {
    let options = Options { who: super::who(), ..Options::default() };
    Runner::open(&stage.target, true, options).await
}

async fn up(
    stage: &Stage,
    series: &Series,
    selection: UpSelection,
    ui: &Ui,
) -> Result<(), CliError> {
    let mut runner = open(stage).await?;
    let result = async {
        let plan = runner.plan_up(series, &selection).await?;
        runner.up(&plan, &mut Progress::new(ui, "  ")).await
    }
    .await;
    runner.close().await;
    Ok(result.map(drop)?)
}

async fn down(stage: &Stage, series: &Series, ui: &Ui) -> Result<(), CliError> {
    let mut runner = open(stage).await?;
    let result = async {
        let plan = runner.plan_down(series, &DownSelection::Steps(1)).await?;
        runner.down(&plan, &mut Progress::new(ui, "  ")).await
    }
    .await;
    runner.close().await;
    Ok(result.map(drop)?)
}

fn show_writes(ui: &Ui, from: &Album, to: &Album) {
    let parts: Vec<String> = to
        .iter()
        .filter_map(|(table, now)| {
            let (added, gone, changed) = proof::writes(from.get(table)?, now);
            let mut parts = Vec::new();
            for (n, sign) in [(added, "+"), (gone, "-"), (changed, "~")] {
                if n > 0 {
                    parts.push(format!("{sign}{}", thousands(n as u64)));
                }
            }
            (!parts.is_empty()).then(|| format!("{table} {}", parts.join(" ")))
        })
        .collect();
    ui.line(format!("    {}   {}", parts.join(", "), paint(Style::Dim, "(+ added, ~ changed)")));
}

fn show_proof(ui: &Ui, before: &Album, after_up: &Album, now: &Album, after_down: &Album) -> bool {
    let header = format!(
        "    {:<12} {:>8} {:>9} {:>12} {:>10}   {:<16}",
        "table", "before", "after up", "new release", "after down", "sha256"
    );
    ui.line(paint(Style::Dim, header));
    let empty = proof::Photograph::default();
    let mut good = true;
    for table in TABLES {
        let Some(old) = before.get(table) else { continue };
        let found = after_down.get(table).unwrap_or(&empty);
        let verdict = proof::verdict(old, after_up.get(table), now.get(table), found);
        let rows = |album: &Album| {
            album.get(table).map_or_else(|| "gone".to_owned(), |p| thousands(p.len() as u64))
        };
        let sum = if verdict.holds() {
            verdict.actual.clone()
        } else {
            format!("{} expected {}", verdict.actual, verdict.expected)
        };
        ui.line(format!(
            "    {table:<12} {:>8} {:>9} {:>12} {:>10}   {sum} {}",
            rows(before),
            rows(after_up),
            rows(now),
            rows(after_down),
            mark(verdict.holds())
        ));
        good &= verdict.holds();
    }
    let _ = std::io::stdout().flush();
    good
}

fn mark(good: bool) -> String {
    if good { paint(Style::Good, "✓") } else { paint(Style::Bad, "✗") }
}
