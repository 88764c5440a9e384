//! Objects that exist without a migration having created them.

use downhaul_syntax::{Dialect, ObjectName};

use crate::Catalog;

/// Whether an object belongs to the database system itself.
pub(super) fn is_system(dialect: Dialect, name: &ObjectName) -> bool {
    let schema = name.schema.as_ref().map(|s| s.key());
    match dialect {
        Dialect::Postgres => match schema {
            Some(schema) => schema.starts_with("pg_") || matches!(schema, "information_schema"),
            None => name.name.key().starts_with("pg_"),
        },
        Dialect::Mysql | Dialect::MariaDb => {
            matches!(schema, Some("mysql" | "information_schema" | "performance_schema" | "sys"))
        }
        Dialect::Sqlite => {
            name.name.key().starts_with("sqlite_")
                || name.name.key().starts_with("pragma_")
                || matches!(
                    name.name.key(),
                    "json_each" | "json_tree" | "dbstat" | "generate_series"
                )
        }
    }
}

/// Schemas that extensions or hosting platforms bring with them.
const PROVIDED_SCHEMAS: &[&str] = &[
    "auth",
    "storage",
    "realtime",
    "extensions",
    "vault",
    "graphql",
    "graphql_public",
    "supabase_functions",
    "supabase_migrations",
    "cron",
    "partman",
    "pgmq",
    "pgsodium",
    "net",
    "topology",
    "tiger",
    "tiger_data",
    "ag_catalog",
    "columnar",
    "repack",
    "squeeze",
    "hdb_catalog",
    "timescaledb_information",
    "timescaledb_experimental",
    "_timescaledb_catalog",
    "_timescaledb_config",
    "_timescaledb_internal",
    "_timescaledb_functions",
    "_timescaledb_cache",
    "oracle",
    "dbms_output",
    "emaj",
    "pglogical",
    "_heroku",
    "heroku_ext",
];

/// Tables and views that well-known extensions put into a schema of the user.
const PROVIDED_TABLES: &[&str] = &[
    "spatial_ref_sys",
    "geometry_columns",
    "geography_columns",
    "raster_columns",
    "raster_overviews",
    "hypopg_list_indexes",
    "hypopg_hidden_indexes",
    "part_config",
    "part_config_sub",
    "us_lex",
    "us_gaz",
    "us_rules",
];

/// Tables that migration runners keep for themselves.
const RUNNER_TABLES: &[&str] = &[
    "schema_migrations",
    "schema_migration",
    "_sqlx_migrations",
    "__diesel_schema_migrations",
    "refinery_schema_history",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "goose_db_version",
    "gorp_migrations",
    "knex_migrations",
    "alembic_version",
    "django_migrations",
    "ar_internal_metadata",
    "_prisma_migrations",
    "pgmigrations",
    "seaql_migrations",
    "atlas_schema_revisions",
    "downhaul_journal",
];

/// Whether an object may well be there though no migration made it: of the system, of an
/// extension, of a hosting platform, of a migration runner.
pub(super) fn is_provided(catalog: &Catalog, name: &ObjectName) -> bool {
    if is_system(catalog.dialect, name) || RUNNER_TABLES.contains(&name.name.key()) {
        return true;
    }
    if catalog.dialect == Dialect::MariaDb {
        return is_sequence_table(name.name.key());
    }
    if catalog.dialect != Dialect::Postgres {
        return false;
    }
    PROVIDED_TABLES.contains(&name.name.key())
        || name.schema.as_ref().is_some_and(|schema| {
            PROVIDED_SCHEMAS.contains(&schema.key()) && !catalog.schemas.contains(schema)
        })
}

/// `seq_1_to_100`, `seq_1_to_100_step_5`: tables that MariaDB makes up as they are asked for.
fn is_sequence_table(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("seq_") else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    rest.split_once("_to_").is_some_and(|(from, rest)| {
        let (to, step) = rest.split_once("_step_").unwrap_or((rest, "1"));
        digits(from) && digits(to) && digits(step)
    })
}
