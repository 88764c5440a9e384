//! What MariaDB refuses beyond what the catalog says of missing and existing objects. Each case was
//! run on 10.11.

use downhaul_syntax::{Change, Dialect, IndexDef};

use super::Scene;
use super::mysql::{self, Algorithm};
use super::refused_partitions;

/// `ALGORITHM=` or `LOCK=` asks for what the server does not do.
pub(crate) struct OnlineRefused {
    pub(crate) why: String,
    pub(crate) needs: Algorithm,
}

/// Why the server does not take what `ALGORITHM=` and `LOCK=` ask for (measured on MariaDB 10.11;
/// MySQL manual §15.12).
pub(crate) fn online(change: &Change, scene: &Scene<'_>) -> Option<OnlineRefused> {
    let online = scene.online?;
    let (operation, table) = mysql::operation(change, scene)?;
    let dialect = scene.state.dialect();
    let version = scene.state.options.version();
    let (operation, costs) = mysql::costs(change, operation, table, scene);
    let asked = match online.algorithm.as_deref() {
        Some("instant") => Some(Algorithm::Instant),
        Some("nocopy") => Some(Algorithm::Nocopy),
        Some("inplace") => Some(Algorithm::Inplace),
        _ => None,
    };
    let what = operation.replace('-', " ");
    let refused = |why: &str| {
        Some(OnlineRefused { why: format!("{why} ({what} on {version})"), needs: costs.algorithm })
    };
    if let Some(asked) = asked
        && asked < costs.algorithm
    {
        return refused(&format!("ALGORITHM={} is not supported", asked.as_str()));
    }
    let lock = online.lock.as_deref();
    if dialect == Dialect::Mysql
        && asked == Some(Algorithm::Instant)
        && lock.is_some_and(|l| l != "default")
    {
        return refused("LOCK= may not stand beside ALGORITHM=INSTANT");
    }
    if lock == Some("none") && costs.blocks_writes {
        return refused("LOCK=NONE is not supported");
    }
    None
}

/// Why the server refuses a change.
pub(super) fn refused(change: &Change, scene: &Scene<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if let Change::AddColumn { table, .. }
    | Change::DropColumn { table, .. }
    | Change::ModifyColumn { table, .. }
    | Change::CreateIndex { index: IndexDef { table, .. }, .. } = change
        && scene.state.catalog.view(table).is_some()
    {
        out.push(format!("'{table}' is not of type 'BASE TABLE'"));
    }
    if let Change::AddColumn { table, .. }
    | Change::DropColumn { table, .. }
    | Change::RenameColumn { table, .. }
    | Change::ModifyColumn { table, .. } = change
        && scene.state.dialect() == Dialect::MariaDb
        && scene.state.table(table).is_some_and(|t| t.options.contains_key("system versioning"))
        && !scene.setting_is("system_versioning_alter_history", &["keep", "1"])
    {
        out.push(format!(
            "change of historical system-versioned `{table}` is not allowed: \
             SET system_versioning_alter_history = KEEP first"
        ));
    }
    out.extend(key_without_length(change, scene));
    out.extend(refused_partitions::refused(change, scene));
    out
}

/// MySQL wants to know how much of a long text an index takes; MariaDB helps itself.
fn key_without_length(change: &Change, scene: &Scene<'_>) -> Option<String> {
    let Change::CreateIndex { index, .. } = change else { return None };
    let special = matches!(index.method.as_deref(), Some("fulltext" | "spatial"));
    if special || scene.state.dialect() != Dialect::Mysql {
        return None;
    }
    index.parts.iter().filter(|part| !part.text.contains('(')).find_map(|part| {
        let name = part.column.as_ref()?;
        let ty = scene.state.column(&index.table, name)?.ty.as_ref()?;
        (ty.name.ends_with("text") || ty.name.ends_with("blob")).then(|| {
            format!("BLOB/TEXT column '{name}' used in key specification without a key length")
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    #[test]
    fn as_the_server_says() {
        let rule = find_rule("TX10").unwrap();
        let base = "-- history\nCREATE TABLE t (a int) WITH SYSTEM VERSIONING;\n\
                    CREATE TABLE plain (a int);\n-- up\n";
        for (up, expect) in [
            ("ALTER TABLE t ADD COLUMN c int", true),
            ("SET system_versioning_alter_history = KEEP; ALTER TABLE t ADD COLUMN c int", false),
            ("ALTER TABLE plain ADD COLUMN c int", false),
            ("CREATE VIEW v AS SELECT a FROM plain; ALTER TABLE v ADD COLUMN c int", true),
        ] {
            cases(rule, &[("mariadb", &format!("{base}{up}"), expect)]);
        }
        let base = "-- history\nCREATE TABLE t (a text, b varchar(20));\n-- up\n";
        for (dialect, up, expect) in [
            ("mysql", "CREATE INDEX i ON t (b, a)", true),
            ("mysql", "ALTER TABLE t ADD KEY i (a(20))", false),
            ("mysql", "ALTER TABLE t ADD FULLTEXT KEY i (a)", false),
            ("mariadb", "CREATE INDEX i ON t (a)", false),
        ] {
            cases(rule, &[(dialect, &format!("{base}{up}"), expect)]);
        }
    }
}
