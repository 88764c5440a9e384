//! What the demo runs: `migrations-examples/demo`, compiled in.

use downhaul_syntax::Dialect;

/// A migration of the demo: file name without direction, up, down.
pub(super) type Pair = (&'static str, &'static str, &'static str);

/// All that the demo runs on one dialect.
pub(super) struct Files {
    /// The shop, and last the destructive migration.
    pub(super) migrations: [Pair; 6],
    /// Fills the shop.
    pub(super) seed: &'static str,
    /// What the new release writes after the last migration.
    pub(super) new_release: &'static str,
}

macro_rules! pair {
    ($folder:literal, $name:literal) => {
        (
            $name,
            include_str!(concat!(
                "../../../../../migrations-examples/demo/",
                $folder,
                "/",
                $name,
                ".up.sql"
            )),
            include_str!(concat!(
                "../../../../../migrations-examples/demo/",
                $folder,
                "/",
                $name,
                ".down.sql"
            )),
        )
    };
}

macro_rules! files {
    ($folder:literal) => {
        Files {
            migrations: [
                pair!($folder, "0001_create_customers_and_products"),
                pair!($folder, "0002_create_orders"),
                pair!($folder, "0003_create_payments_and_sessions"),
                pair!($folder, "0004_add_contact_preferences"),
                pair!($folder, "0005_create_order_notes"),
                pair!($folder, "0006_slim_customers"),
            ],
            seed: include_str!(concat!(
                "../../../../../migrations-examples/demo/",
                $folder,
                "/seed.sql"
            )),
            new_release: include_str!(concat!(
                "../../../../../migrations-examples/demo/",
                $folder,
                "/new_release_writes.sql"
            )),
        }
    };
}

static SQLITE: Files = files!("sqlite");
static POSTGRES: Files = files!("postgres");
static MYSQL: Files = files!("mysql");

/// The files for a dialect.
pub(super) fn files(dialect: Dialect) -> &'static Files {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
        Dialect::Mysql | Dialect::MariaDb => &MYSQL,
    }
}
