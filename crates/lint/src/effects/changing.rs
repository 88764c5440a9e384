//! Functions that give another value each time or in each session: no index and no generated column
//! may use them. Each case was run on PostgreSQL 15, MariaDB 10.11 and SQLite 3.50.

use downhaul_syntax::{Change, ColumnDef, Dialect, Expr, Generated, IndexDef};

use super::Scene;

/// Why the server refuses an index or a generated column; `None` where nothing is known against it.
pub(super) fn refused(change: &Change, scene: &Scene<'_>) -> Option<String> {
    let dialect = scene.state.dialect();
    match change {
        Change::CreateIndex { index, .. } => of_index(index, dialect),
        Change::AddColumn { column, .. } | Change::ModifyColumn { column, .. } => {
            of_column(column, dialect)
        }
        Change::CreateTable { def, .. } => {
            let columns = def.columns.iter().find_map(|c| of_column(c, dialect));
            columns.or_else(|| def.indexes.iter().find_map(|i| of_index(i, dialect)))
        }
        _ => None,
    }
}

fn of_index(index: &IndexDef, dialect: Dialect) -> Option<String> {
    let mut parts = index.parts.iter().filter_map(|p| p.expr.as_ref()).chain(&index.predicate);
    let name = parts.find_map(|e| changing(e, dialect))?;
    Some(match dialect {
        Dialect::Postgres => "functions in an index must be marked IMMUTABLE: ".to_owned() + name,
        _ => format!("a function that changes its value cannot stand in an index: {name}()"),
    })
}

fn of_column(column: &ColumnDef, dialect: Dialect) -> Option<String> {
    let Generated { expr, stored } = column.generated.as_ref()?;
    // MariaDB takes them where nothing is stored.
    if dialect.is_mysql_family() && !stored {
        return None;
    }
    let name = changing(expr, dialect)?;
    Some(format!("the expression of \"{}\" changes its value: {name}", column.name))
}

/// The first function of this kind.
fn changing(expr: &Expr, dialect: Dialect) -> Option<&str> {
    let names: &[&str] = match dialect {
        Dialect::Postgres => &[
            "now",
            "current_timestamp",
            "current_date",
            "current_time",
            "localtimestamp",
            "localtime",
            "clock_timestamp",
            "statement_timestamp",
            "transaction_timestamp",
            "timeofday",
            "random",
            "gen_random_uuid",
            "uuid_generate_v4",
            "nextval",
            "current_user",
            "session_user",
            "current_setting",
            "to_char",
            "concat",
            "concat_ws",
            "format",
        ],
        Dialect::Sqlite => &[
            "random",
            "randomblob",
            "changes",
            "total_changes",
            "last_insert_rowid",
            "current_timestamp",
            "current_date",
            "current_time",
        ],
        Dialect::Mysql | Dialect::MariaDb => {
            &["rand", "uuid", "now", "current_timestamp", "sysdate", "curdate", "current_user"]
        }
    };
    expr.functions.iter().find(|f| names.contains(&f.as_str())).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    #[test]
    fn as_the_servers_say() {
        for (dialect, up, expect) in [
            ("postgres", "CREATE INDEX i ON t (lower(b))", false),
            ("postgres", "CREATE INDEX i ON t (a) WHERE made > now()", true),
            ("postgres", "CREATE INDEX i ON t ((random() * a))", true),
            (
                "postgres",
                "ALTER TABLE t ADD COLUMN c text GENERATED ALWAYS AS (concat(b, 'x')) STORED",
                true,
            ),
            ("postgres", "ALTER TABLE t ADD COLUMN c timestamptz DEFAULT now()", false),
            ("sqlite", "CREATE INDEX i ON t (random())", true),
            ("sqlite", "CREATE INDEX i ON t (abs(a))", false),
            ("mariadb", "ALTER TABLE t ADD COLUMN c double AS (rand()) STORED", true),
            ("mariadb", "ALTER TABLE t ADD COLUMN c double AS (abs(a)) STORED", false),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE t (a int, b varchar(9), made timestamp);\n-- up\n{up};"
            );
            cases(find_rule("TX10").unwrap(), &[(dialect, &text, expect)]);
        }
    }
}
