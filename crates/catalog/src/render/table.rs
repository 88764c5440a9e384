//! Changes of tables, columns, constraints and indexes.

use downhaul_syntax::change::{ColumnPosition, OnlineDdl, ReindexTarget};
use downhaul_syntax::{Change, Ident, IndexDef, ObjectName};

use super::definition::{identity_sql, is_mysql_kind, is_storage_parameter, storage_parameter};
use super::{Rendered, Sql, one, when};

impl Sql {
    fn alter_table(self, table: &ObjectName, action: impl AsRef<str>) -> Rendered {
        one(format!("ALTER TABLE {} {}", self.name(table), action.as_ref()))
    }

    /// An action that only PostgreSQL has.
    fn postgres_only(self, table: &ObjectName, action: impl AsRef<str>) -> Rendered {
        if self.is_postgres() {
            self.alter_table(table, action)
        } else {
            self.no(&format!("ALTER TABLE … {}", action.as_ref()))
        }
    }

    #[allow(clippy::too_many_lines, reason = "one arm a change")]
    pub(super) fn table_change(self, change: &Change) -> Rendered {
        use Change as C;
        match change {
            C::CreateTable { def, if_not_exists } => one(self.create_table(def, *if_not_exists)),
            C::DropTable { name, if_exists, cascade } => one(format!(
                "DROP TABLE {}{}{}",
                when(*if_exists, "IF EXISTS "),
                self.name(name),
                when(*cascade && self.is_postgres(), " CASCADE")
            )),
            C::RenameTable { from, to } => {
                // Only MySQL takes a schema behind TO.
                let to = if self.is_mysql() { self.name(to) } else { self.ident(&to.name) };
                self.alter_table(from, format!("RENAME TO {to}"))
            }
            C::SetTableOptions { table, options } => self.set_table_options(table, options),
            C::SetLogged { table, logged } => {
                self.postgres_only(table, if *logged { "SET LOGGED" } else { "SET UNLOGGED" })
            }
            C::SetAccessMethod { table, method } => {
                let method = Ident::stored(self.dialect, method);
                self.postgres_only(table, format!("SET ACCESS METHOD {}", self.ident(&method)))
            }
            C::ReplicaIdentity { table, text } => {
                self.postgres_only(table, format!("REPLICA IDENTITY {text}"))
            }
            C::Inherit { table, parent, remove } => self.postgres_only(
                table,
                format!("{}INHERIT {}", when(*remove, "NO "), self.name(parent)),
            ),
            C::AttachPartition { table, partition, bounds } => self.postgres_only(
                table,
                format!(
                    "ATTACH PARTITION {} {}",
                    self.name(partition),
                    bounds.as_deref().unwrap_or("DEFAULT")
                ),
            ),
            C::DetachPartition { table, partition, concurrently, finalize } => self.postgres_only(
                table,
                format!(
                    "DETACH PARTITION {}{}{}",
                    self.name(partition),
                    when(*concurrently, " CONCURRENTLY"),
                    when(*finalize, " FINALIZE")
                ),
            ),
            C::MysqlPartition { table, verb, text } => self.mysql_partition(table, verb, text),
            C::ConvertCharset { table, charset, collation } if self.is_mysql() => {
                let collate = collation.as_ref().map(|c| format!(" COLLATE {c}"));
                let collate = collate.unwrap_or_default();
                self.alter_table(table, format!("CONVERT TO CHARACTER SET {charset}{collate}"))
            }
            C::MysqlTableVerb { table, verb } if self.is_mysql() && verb != "order by" => {
                self.alter_table(table, verb.to_uppercase())
            }
            C::Online { table, online } if self.is_mysql() => {
                self.alter_table(table, online_sql(online))
            }

            C::AddColumn { table, column, if_not_exists, position } => {
                if *if_not_exists && self.is_sqlite() {
                    return self.no("ADD COLUMN IF NOT EXISTS");
                }
                let position =
                    if self.is_mysql() { self.position(position.as_ref()) } else { String::new() };
                self.alter_table(
                    table,
                    format!(
                        "ADD COLUMN {}{}{position}",
                        when(*if_not_exists, "IF NOT EXISTS "),
                        self.column(column)
                    ),
                )
            }
            C::DropColumn { table, column, if_exists, cascade } => {
                if *if_exists && self.is_sqlite() {
                    return self.no("DROP COLUMN IF EXISTS");
                }
                self.alter_table(
                    table,
                    format!(
                        "DROP COLUMN {}{}{}",
                        when(*if_exists, "IF EXISTS "),
                        self.ident(column),
                        when(*cascade && self.is_postgres(), " CASCADE")
                    ),
                )
            }
            C::RenameColumn { table, from, to } => self.alter_table(
                table,
                format!("RENAME COLUMN {} TO {}", self.ident(from), self.ident(to)),
            ),
            C::AlterColumnType { table, column, ty, collation, using } => {
                let collate = collation.as_ref().map(|c| format!(" COLLATE {}", self.collation(c)));
                let using = using.as_ref().map(|u| format!(" USING {}", self.expr(u)));
                self.alter_column(
                    table,
                    column,
                    format!(
                        "TYPE {}{}{}",
                        self.ty(ty),
                        collate.unwrap_or_default(),
                        using.unwrap_or_default()
                    ),
                )
            }
            C::ModifyColumn { table, from, column, position } => {
                if !self.is_mysql() {
                    return self.no("MODIFY COLUMN");
                }
                let position = self.position(position.as_ref());
                let action = if *from == column.name {
                    format!("MODIFY COLUMN {}{position}", self.column(column))
                } else {
                    format!("CHANGE COLUMN {} {}{position}", self.ident(from), self.column(column))
                };
                self.alter_table(table, action)
            }
            C::SetNotNull { table, column } => self.alter_column(table, column, "SET NOT NULL"),
            C::DropNotNull { table, column } => self.alter_column(table, column, "DROP NOT NULL"),
            C::SetDefault { table, column, default } if !self.is_sqlite() => self.alter_table(
                table,
                format!("ALTER COLUMN {} SET DEFAULT {}", self.ident(column), self.expr(default)),
            ),
            C::DropDefault { table, column } if !self.is_sqlite() => {
                self.alter_table(table, format!("ALTER COLUMN {} DROP DEFAULT", self.ident(column)))
            }
            C::AddIdentity { table, column, identity } => {
                self.alter_column(table, column, format!("ADD {}", identity_sql(*identity)))
            }
            C::AlterIdentity { table, column, text, .. } => self.alter_column(table, column, text),
            C::DropIdentity { table, column, if_exists } => self.alter_column(
                table,
                column,
                format!("DROP IDENTITY{}", when(*if_exists, " IF EXISTS")),
            ),
            C::SetExpression { table, column, expr } => {
                self.alter_column(table, column, format!("SET EXPRESSION AS ({})", expr.text))
            }
            C::DropExpression { table, column, if_exists } => self.alter_column(
                table,
                column,
                format!("DROP EXPRESSION{}", when(*if_exists, " IF EXISTS")),
            ),
            C::SetColumnOption { table, column, option, value } => {
                let action = match (option.as_str(), value.as_str()) {
                    ("options", value) if value.contains('=') => format!("SET ({value})"),
                    ("options", value) => format!("RESET ({value})"),
                    (option, value) => format!("SET {} {value}", option.to_uppercase()),
                };
                self.alter_column(table, column, action)
            }

            C::AddConstraint { table, constraint, if_not_exists } => {
                if self.is_sqlite() {
                    return self.no("ADD CONSTRAINT");
                }
                let mut text = self.constraint(constraint);
                if *if_not_exists && self.is_mysql() {
                    text = text.replacen("CONSTRAINT ", "CONSTRAINT IF NOT EXISTS ", 1);
                }
                self.alter_table(table, format!("ADD {text}"))
            }
            C::DropConstraint { table, name, if_exists, cascade } => {
                if self.is_sqlite() {
                    return self.no("DROP CONSTRAINT");
                }
                self.alter_table(
                    table,
                    format!(
                        "DROP CONSTRAINT {}{}{}",
                        when(*if_exists, "IF EXISTS "),
                        self.ident(name),
                        when(*cascade && self.is_postgres(), " CASCADE")
                    ),
                )
            }
            C::DropPrimaryKey { table } => {
                if !self.is_mysql() {
                    return self.no("DROP PRIMARY KEY");
                }
                self.alter_table(table, "DROP PRIMARY KEY")
            }
            C::ValidateConstraint { table, name } => {
                self.postgres_only(table, format!("VALIDATE CONSTRAINT {}", self.ident(name)))
            }
            C::RenameConstraint { table, from, to } => self.postgres_only(
                table,
                format!("RENAME CONSTRAINT {} TO {}", self.ident(from), self.ident(to)),
            ),
            C::AlterConstraint { table, name, text } => {
                if self.is_sqlite() {
                    return self.no("ALTER CONSTRAINT");
                }
                self.alter_table(table, format!("ALTER CONSTRAINT {} {text}", self.ident(name)))
            }

            C::CreateIndex { index, concurrently, if_not_exists } => {
                self.create_index(index, *concurrently, *if_not_exists)
            }
            C::DropIndex { name, table, concurrently, if_exists, cascade } => {
                let if_exists = when(*if_exists, "IF EXISTS ");
                match table {
                    Some(table) if self.is_mysql() => one(format!(
                        "DROP INDEX {if_exists}{} ON {}",
                        self.ident(&name.name),
                        self.name(table)
                    )),
                    None if self.is_mysql() => self.no("DROP INDEX without its table"),
                    _ => one(format!(
                        "DROP INDEX {}{if_exists}{}{}",
                        when(*concurrently && self.is_postgres(), "CONCURRENTLY "),
                        self.name(name),
                        when(*cascade && self.is_postgres(), " CASCADE")
                    )),
                }
            }
            C::RenameIndex { table, from, to } => match table {
                Some(table) if self.is_mysql() => self.alter_table(
                    table,
                    format!("RENAME INDEX {} TO {}", self.ident(&from.name), self.ident(to)),
                ),
                _ if self.is_postgres() => {
                    one(format!("ALTER INDEX {} RENAME TO {}", self.name(from), self.ident(to)))
                }
                _ => self.no("renaming an index"),
            },
            C::AttachIndex { index, partition_index } if self.is_postgres() => one(format!(
                "ALTER INDEX {} ATTACH PARTITION {}",
                self.name(index),
                self.name(partition_index)
            )),
            C::AlterIndexOptions { index, table, text } => match table {
                Some(table) if self.is_mysql() => self
                    .alter_table(table, format!("ALTER INDEX {} {text}", self.ident(&index.name))),
                _ if self.is_postgres() => one(format!("ALTER INDEX {} {text}", self.name(index))),
                _ => self.no("altering an index"),
            },
            C::Reindex { target, concurrently } => self.reindex(target, *concurrently),
            C::SetTriggerEnabled { table, trigger, enabled } => {
                let verb = if *enabled { "ENABLE" } else { "DISABLE" };
                let trigger = trigger.as_ref().map_or("ALL".to_owned(), |t| self.ident(t));
                self.postgres_only(table, format!("{verb} TRIGGER {trigger}"))
            }
            C::RowSecurity { table, enabled, forced } => {
                let mut out = Vec::new();
                for (flag, on, off) in
                    [(enabled, "ENABLE", "DISABLE"), (forced, "FORCE", "NO FORCE")]
                {
                    if let Some(flag) = flag {
                        let verb = if *flag { on } else { off };
                        out.push(format!(
                            "ALTER TABLE {} {verb} ROW LEVEL SECURITY",
                            self.name(table)
                        ));
                    }
                }
                if self.is_postgres() { Some(Ok(out)) } else { self.no("row level security") }
            }
            _ => None,
        }
    }

    /// `ALTER COLUMN`, which only PostgreSQL has in these forms.
    fn alter_column(self, table: &ObjectName, column: &Ident, action: impl AsRef<str>) -> Rendered {
        self.postgres_only(
            table,
            format!("ALTER COLUMN {} {}", self.ident(column), action.as_ref()),
        )
    }

    fn position(self, position: Option<&ColumnPosition>) -> String {
        match position {
            Some(ColumnPosition::First) => " FIRST".to_owned(),
            Some(ColumnPosition::After(column)) => format!(" AFTER {}", self.ident(column)),
            None => String::new(),
        }
    }

    fn set_table_options(self, table: &ObjectName, options: &[(String, String)]) -> Rendered {
        if self.is_mysql() {
            let options: Vec<String> =
                options.iter().map(|(n, v)| self.mysql_table_option(n, v)).collect();
            return self.alter_table(table, options.join(", "));
        }
        if !self.is_postgres() {
            return self.no("table options");
        }
        let mut out = Vec::new();
        let (mut set, mut reset) = (Vec::new(), Vec::new());
        for (name, value) in options {
            if let Some(name) = name.strip_prefix("reset ") {
                reset.push(name.to_owned());
            } else if name == "cluster on" {
                let index = Ident::stored(self.dialect, value);
                out.push(format!("CLUSTER ON {}", self.ident(&index)));
            } else if let Some(what) = name.strip_prefix("without ") {
                out.push(format!("SET WITHOUT {}", what.to_uppercase()));
            } else if is_storage_parameter(name) {
                set.push(storage_parameter(name, value));
            }
        }
        if !set.is_empty() {
            out.push(format!("SET ({})", set.join(", ")));
        }
        if !reset.is_empty() {
            out.push(format!("RESET ({})", reset.join(", ")));
        }
        self.alter_table(table, out.join(", "))
    }

    fn mysql_partition(self, table: &ObjectName, verb: &str, text: &str) -> Rendered {
        if !self.is_mysql() {
            return self.no("MySQL partitions");
        }
        let action = match verb {
            "by" => format!("PARTITION BY {text}"),
            "remove" => "REMOVE PARTITIONING".to_owned(),
            verb => format!("{} PARTITION {text}", verb.to_uppercase()),
        };
        self.alter_table(table, action)
    }

    fn create_index(self, index: &IndexDef, concurrently: bool, if_not_exists: bool) -> Rendered {
        if index.name.is_none() && !self.is_postgres() {
            return self.no("an index without a name");
        }
        let kind = match &index.method {
            Some(method) if self.is_mysql() && is_mysql_kind(method) => {
                format!("{} ", method.to_uppercase())
            }
            _ => when(index.unique, "UNIQUE ").to_owned(),
        };
        let name = index.name.as_ref().map(|name| {
            // SQLite alone takes a schema here.
            let name = if self.is_sqlite() { self.name(name) } else { self.ident(&name.name) };
            format!("{name} ")
        });
        one(format!(
            "CREATE {kind}INDEX {}{}{}ON {}{} {}",
            when(concurrently && self.is_postgres(), "CONCURRENTLY "),
            when(if_not_exists, "IF NOT EXISTS "),
            name.unwrap_or_default(),
            when(index.only && self.is_postgres(), "ONLY "),
            self.name(&index.table),
            self.index_body(index)
        ))
    }

    fn reindex(self, target: &ReindexTarget, concurrently: bool) -> Rendered {
        let concurrently = when(concurrently, "CONCURRENTLY ");
        if self.is_sqlite() {
            return match target {
                ReindexTarget::Index(name) | ReindexTarget::Table(name) => {
                    one(format!("REINDEX {}", self.name(name)))
                }
                _ => one("REINDEX".to_owned()),
            };
        }
        if !self.is_postgres() {
            return self.no("REINDEX");
        }
        one(match target {
            ReindexTarget::Index(name) => {
                format!("REINDEX INDEX {concurrently}{}", self.name(name))
            }
            ReindexTarget::Table(name) => {
                format!("REINDEX TABLE {concurrently}{}", self.name(name))
            }
            ReindexTarget::Schema(name) => {
                format!("REINDEX SCHEMA {concurrently}{}", self.ident(name))
            }
            ReindexTarget::Database => return self.no("REINDEX DATABASE without its name"),
        })
    }
}

/// `ALGORITHM=…, LOCK=…`.
fn online_sql(online: &OnlineDdl) -> String {
    let mut out = Vec::new();
    if let Some(algorithm) = &online.algorithm {
        out.push(format!("ALGORITHM={}", algorithm.to_uppercase()));
    }
    match &online.lock {
        Some(lock) if lock == "nowait" || lock.starts_with("wait ") => {
            return format!("{} {}", lock.to_uppercase(), out.join(", "));
        }
        Some(lock) => out.push(format!("LOCK={}", lock.to_uppercase())),
        None => {}
    }
    out.join(", ")
}
