//! Which projects, and where their migrations lie.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MySql,
    Sqlite,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }

    pub(crate) fn dialect(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }
}

pub(crate) struct Project {
    /// `owner+name`, the folder of its checkout.
    pub(crate) name: &'static str,
    /// Folder of the migrations.
    pub(crate) path: &'static str,
    pub(crate) engine: Engine,
    /// Files are `NAME.<this>.up.sql` for this engine, `NAME.up.sql` for all.
    pub(crate) tag: &'static str,
}

const fn project(name: &'static str, path: &'static str, engine: Engine) -> Project {
    Project { name, path, engine, tag: "" }
}

pub(crate) const PROJECTS: &[Project] = &[
    project("svix+svix-webhooks", "server/svix-server/migrations", Engine::Postgres),
    project(
        "quickwit-oss+quickwit",
        "quickwit/quickwit-metastore/migrations/postgresql",
        Engine::Postgres,
    ),
    project(
        "kubeflow+model-registry",
        "internal/platform/db/postgres/migrations",
        Engine::Postgres,
    ),
    project("kubeflow+model-registry", "internal/platform/db/mysql/migrations", Engine::MySql),
    project("authelia+authelia", "internal/storage/migrations/postgres", Engine::Postgres),
    project("authelia+authelia", "internal/storage/migrations/mysql", Engine::MySql),
    project("authelia+authelia", "internal/storage/migrations/sqlite", Engine::Sqlite),
    Project {
        name: "ory+keto",
        path: "internal/persistence/sql/migrations/sql",
        engine: Engine::Postgres,
        tag: "postgres",
    },
    Project {
        name: "ory+keto",
        path: "internal/persistence/sql/migrations/sql",
        engine: Engine::MySql,
        tag: "mysql",
    },
    Project {
        name: "ory+keto",
        path: "internal/persistence/sql/migrations/sql",
        engine: Engine::Sqlite,
        tag: "sqlite3",
    },
    project("TabbyML+tabby", "ee/tabby-db/migrations", Engine::Sqlite),
    project("dani-garcia+vaultwarden", "migrations/postgresql", Engine::Postgres),
    project("dani-garcia+vaultwarden", "migrations/mysql", Engine::MySql),
    project("dani-garcia+vaultwarden", "migrations/sqlite", Engine::Sqlite),
    project("graphprotocol+graph-node", "store/postgres/migrations", Engine::Postgres),
    project("concourse+concourse", "atc/db/migration/migrations", Engine::Postgres),
    project("harness+harness", "app/store/database/migrate/postgres", Engine::Postgres),
    project("harness+harness", "app/store/database/migrate/sqlite", Engine::Sqlite),
    project("matter-labs+zksync-era", "prover/crates/lib/prover_dal/migrations", Engine::Postgres),
    project("matter-labs+zksync-era", "core/lib/dal/migrations", Engine::Postgres),
    project("openmeterio+openmeter", "tools/migrate/migrations", Engine::Postgres),
    project("rust-lang+crates.io", "migrations", Engine::Postgres),
    project("LemmyNet+lemmy", "migrations", Engine::Postgres),
    // Fetched after the analyzer was finished: nothing was mended by these before they were counted.
    project("ente-io+ente", "server/migrations", Engine::Postgres),
    project("target+goalert", "migrate/migrations", Engine::Postgres),
];

/// A pair; the down is empty where there is none.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) up: String,
    pub(crate) down: Option<String>,
}

impl Project {
    /// Its pairs, in the order in which its own tool applies them. Files of other kinds (programs)
    /// are not there.
    pub(crate) fn read(&self, root: &Path) -> Vec<Pair> {
        let mut found: BTreeMap<(u64, String), Pair> = BTreeMap::new();
        for (name, direction, path) in self.files(&root.join(self.name).join(self.path)) {
            let digits: String =
                name.trim_start_matches('V').chars().filter(|c| *c != '-').collect();
            let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
            let key = (number.parse().unwrap_or(0), name.clone());
            let text = fs::read_to_string(&path).unwrap();
            if direction == "both" && !text.contains("-- +migrate Up") {
                continue;
            }
            let pair =
                found.entry(key).or_insert_with(|| Pair { name, up: String::new(), down: None });
            match direction {
                "up" => pair.up = text,
                "down" => pair.down = Some(text),
                _ => (pair.up, pair.down) = cut(&text),
            }
        }
        found.into_values().filter(|pair| !pair.up.trim().is_empty()).collect()
    }

    /// Name, direction and path of each file that counts for the engine.
    fn files(&self, folder: &Path) -> Vec<(String, &'static str, PathBuf)> {
        let mut found = Vec::new();
        let mut of_all = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let stem = name.strip_suffix(".sql");
            if let Some(stem) = stem.filter(|s| !s.ends_with(".up") && !s.ends_with(".down")) {
                found.push((stem.to_owned(), "both", path.clone()));
                continue;
            }
            for direction in ["up", "down"] {
                let inner = path.join(format!("{direction}.sql"));
                if inner.is_file() {
                    found.push((name.clone(), direction, inner));
                } else if let Some(stem) = name.strip_suffix(&format!(".{direction}.sql")) {
                    match stem.strip_suffix(&format!(".{}", self.tag)) {
                        Some(stem) if !self.tag.is_empty() => {
                            found.push((stem.to_owned(), direction, path.clone()));
                        }
                        _ if self.tag.is_empty() => {
                            found.push((stem.to_owned(), direction, path.clone()));
                        }
                        _ if !stem.contains('.') => {
                            of_all.push((stem.to_owned(), direction, path.clone()));
                        }
                        _ => {}
                    }
                }
            }
        }
        for (name, direction, path) in of_all {
            if !found.iter().any(|(n, d, _)| *n == name && *d == direction) {
                found.push((name, direction, path));
            }
        }
        found
    }
}

/// The two directions of a file of sql-migrate: `-- +migrate Up`, `-- +migrate Down`, perhaps with
/// `notransaction` behind it.
fn cut(text: &str) -> (String, Option<String>) {
    let (mut up, mut down) = (String::new(), None);
    let mut in_down = false;
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let alone = match words.as_slice() {
            ["--", "+migrate", "Up" | "Down", rest @ ..] => {
                in_down = words[2] == "Down";
                rest.contains(&"notransaction")
            }
            _ => false,
        };
        // Told apart from here on by the names of the files.
        if !alone && line.trim_start().starts_with("-- +migrate") {
            continue;
        }
        let half = if in_down { down.get_or_insert_with(String::new) } else { &mut up };
        half.push_str(if alone { "-- downhaul:no-transaction" } else { line });
        half.push('\n');
    }
    (up, down)
}
