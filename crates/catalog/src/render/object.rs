//! Changes of views, types, sequences, routines, triggers, schemas, privileges and comments.

use downhaul_syntax::change::DomainAction;
use downhaul_syntax::{
    Change, Dialect, Ident, ObjectKind, ObjectName, Query, RoutineDef, RoutineKind, TriggerDef,
    TypeDef,
};

use super::definition::storage_parameter;
use super::{Rendered, Sql, one, when};

impl Sql {
    #[allow(clippy::too_many_lines, reason = "one arm a change")]
    pub(super) fn object_change(self, change: &Change) -> Rendered {
        use Change as C;
        match change {
            C::CreateView {
                name,
                materialized,
                or_replace,
                if_not_exists,
                temporary,
                columns,
                query,
                no_data,
                options,
            } => one(format!(
                "CREATE {}{}{}{}VIEW {}{}{}{} AS {}{}{}",
                when(*or_replace, "OR REPLACE "),
                self.view_words(options),
                when(*temporary, "TEMPORARY "),
                when(*materialized, "MATERIALIZED "),
                when(*if_not_exists, "IF NOT EXISTS "),
                self.name(name),
                self.view_columns(columns),
                self.view_options(options),
                query_text(query),
                when(*no_data && *materialized, " WITH NO DATA"),
                self.check_option(options)
            )),
            C::DropView { name, materialized, if_exists, cascade } => one(format!(
                "DROP {}VIEW {}{}{}",
                when(*materialized, "MATERIALIZED "),
                when(*if_exists, "IF EXISTS "),
                self.name(name),
                when(*cascade && self.is_postgres(), " CASCADE")
            )),
            C::RenameView { from, to, materialized } => match self.dialect {
                Dialect::Postgres => one(format!(
                    "ALTER {}VIEW {} RENAME TO {}",
                    when(*materialized, "MATERIALIZED "),
                    self.name(from),
                    self.ident(&to.name)
                )),
                Dialect::Mysql | Dialect::MariaDb => {
                    one(format!("RENAME TABLE {} TO {}", self.name(from), self.name(to)))
                }
                Dialect::Sqlite => self.no("renaming a view"),
            },
            C::RefreshMaterializedView { name, concurrently, no_data } if self.is_postgres() => {
                one(format!(
                    "REFRESH MATERIALIZED VIEW {}{}{}",
                    when(*concurrently, "CONCURRENTLY "),
                    self.name(name),
                    when(*no_data, " WITH NO DATA")
                ))
            }

            C::CreateType { name, def } if self.is_postgres() => one(self.create_type(name, def)),
            C::AddEnumValue { name, value, if_not_exists, before, after } if self.is_postgres() => {
                let place = match (before, after) {
                    (Some(label), _) => format!(" BEFORE {}", self.literal(label)),
                    (None, Some(label)) => format!(" AFTER {}", self.literal(label)),
                    (None, None) => String::new(),
                };
                one(format!(
                    "ALTER TYPE {} ADD VALUE {}{}{place}",
                    self.name(name),
                    when(*if_not_exists, "IF NOT EXISTS "),
                    self.literal(value)
                ))
            }
            C::RenameEnumValue { name, from, to } if self.is_postgres() => one(format!(
                "ALTER TYPE {} RENAME VALUE {} TO {}",
                self.name(name),
                self.literal(from),
                self.literal(to)
            )),
            C::AlterCompositeType { name, text } if self.is_postgres() => {
                one(format!("ALTER TYPE {} {text}", self.name(name)))
            }
            C::AlterDomain { name, action } if self.is_postgres() => {
                one(format!("ALTER DOMAIN {} {}", self.name(name), self.domain_action(action)))
            }
            C::DropType { name, domain, if_exists, cascade } if self.is_postgres() => one(format!(
                "DROP {} {}{}{}",
                if *domain { "DOMAIN" } else { "TYPE" },
                when(*if_exists, "IF EXISTS "),
                self.name(name),
                when(*cascade, " CASCADE")
            )),

            C::CreateSequence { name, if_not_exists, temporary, text, owned_by } => {
                if !matches!(self.dialect, Dialect::Postgres | Dialect::MariaDb) {
                    return self.no("sequences");
                }
                one(format!(
                    "CREATE {}SEQUENCE {}{} {}{}",
                    when(*temporary, "TEMPORARY "),
                    when(*if_not_exists, "IF NOT EXISTS "),
                    self.name(name),
                    text,
                    self.owned_by(text, owned_by.as_ref())
                ))
            }
            C::AlterSequence { name, if_exists, text, owned_by, .. } => {
                if !matches!(self.dialect, Dialect::Postgres | Dialect::MariaDb) {
                    return self.no("sequences");
                }
                one(format!(
                    "ALTER SEQUENCE {}{} {}{}",
                    when(*if_exists, "IF EXISTS "),
                    self.name(name),
                    text,
                    self.owned_by(text, owned_by.as_ref())
                ))
            }
            C::DropSequence { name, if_exists, cascade } => {
                if !matches!(self.dialect, Dialect::Postgres | Dialect::MariaDb) {
                    return self.no("sequences");
                }
                one(format!(
                    "DROP SEQUENCE {}{}{}",
                    when(*if_exists, "IF EXISTS "),
                    self.name(name),
                    when(*cascade && self.is_postgres(), " CASCADE")
                ))
            }

            C::CreateRoutine { def, or_replace, if_not_exists, .. } => {
                self.create_routine(def, *or_replace, *if_not_exists)
            }
            C::AlterRoutine { kind, name, text } => {
                one(format!("ALTER {} {}{}", routine_word(*kind), self.name(name), spaced(text)))
            }
            C::DropRoutine { kind, name, args, if_exists, cascade } => {
                let args = match args {
                    Some(args) if self.is_postgres() => format!("({})", args.join(", ")),
                    _ => String::new(),
                };
                one(format!(
                    "DROP {} {}{}{args}{}",
                    routine_word(*kind),
                    when(*if_exists, "IF EXISTS "),
                    self.name(name),
                    when(*cascade && self.is_postgres(), " CASCADE")
                ))
            }
            C::CreateTrigger { def, or_replace, if_not_exists } => {
                self.create_trigger(def, *or_replace, *if_not_exists)
            }
            C::DropTrigger { name, table, if_exists, cascade } => {
                let table = match table {
                    Some(table) if self.is_postgres() => format!(" ON {}", self.name(table)),
                    None if self.is_postgres() => {
                        return self.no("DROP TRIGGER without its table");
                    }
                    _ => String::new(),
                };
                one(format!(
                    "DROP TRIGGER {}{}{table}{}",
                    when(*if_exists, "IF EXISTS "),
                    self.ident(name),
                    when(*cascade && self.is_postgres(), " CASCADE")
                ))
            }

            C::CreateSchema { name, if_not_exists } if !self.is_sqlite() => one(format!(
                "CREATE SCHEMA {}{}",
                when(*if_not_exists, "IF NOT EXISTS "),
                self.ident(name)
            )),
            C::DropSchema { name, if_exists, cascade } if !self.is_sqlite() => one(format!(
                "DROP SCHEMA {}{}{}",
                when(*if_exists, "IF EXISTS "),
                self.ident(name),
                when(*cascade && self.is_postgres(), " CASCADE")
            )),
            C::CreateDatabase { name, if_not_exists } if !self.is_sqlite() => one(format!(
                "CREATE DATABASE {}{}",
                when(*if_not_exists && self.is_mysql(), "IF NOT EXISTS "),
                self.ident(name)
            )),
            C::DropDatabase { name, if_exists } if !self.is_sqlite() => {
                one(format!("DROP DATABASE {}{}", when(*if_exists, "IF EXISTS "), self.ident(name)))
            }
            C::CreateExtension { name, if_not_exists } if self.is_postgres() => one(format!(
                "CREATE EXTENSION {}{}",
                when(*if_not_exists, "IF NOT EXISTS "),
                self.ident(name)
            )),
            C::DropExtension { name, if_exists, cascade } if self.is_postgres() => one(format!(
                "DROP EXTENSION {}{}{}",
                when(*if_exists, "IF EXISTS "),
                self.ident(name),
                when(*cascade, " CASCADE")
            )),
            C::CreatePolicy { name, table, text } if self.is_postgres() => {
                one(format!("CREATE POLICY {} ON {} {text}", self.ident(name), self.name(table)))
            }
            C::AlterPolicy { name, table, text } if self.is_postgres() => {
                one(format!("ALTER POLICY {} ON {} {text}", self.ident(name), self.name(table)))
            }
            C::DropPolicy { name, table, if_exists } if self.is_postgres() => one(format!(
                "DROP POLICY {}{} ON {}",
                when(*if_exists, "IF EXISTS "),
                self.ident(name),
                self.name(table)
            )),
            C::Grant { privileges, kind, objects, to } if !self.is_sqlite() => one(format!(
                "GRANT {} ON {}{} TO {}",
                privileges.join(", ").to_uppercase(),
                self.grant_kind(*kind),
                self.names(objects),
                self.roles(to)
            )),
            C::Revoke { privileges, kind, objects, from, cascade } if !self.is_sqlite() => {
                one(format!(
                    "REVOKE {} ON {}{} FROM {}{}",
                    privileges.join(", ").to_uppercase(),
                    self.grant_kind(*kind),
                    self.names(objects),
                    self.roles(from),
                    when(*cascade && self.is_postgres(), " CASCADE")
                ))
            }
            C::SetOwner { kind, name, owner } if self.is_postgres() => one(format!(
                "ALTER {} {} OWNER TO {}",
                kind_word(*kind),
                self.name(name),
                self.role(owner)
            )),
            C::SetSchema { kind, name, schema } if self.is_postgres() => one(format!(
                "ALTER {} {} SET SCHEMA {}",
                kind_word(*kind),
                self.name(name),
                self.ident(schema)
            )),
            C::SetTablespace { kind, name, tablespace } if self.is_postgres() => one(format!(
                "ALTER {} {} SET TABLESPACE {}",
                kind_word(*kind),
                self.name(name),
                self.ident(&Ident::stored(self.dialect, tablespace))
            )),
            C::Comment { kind, table, name, text } => {
                self.comment(*kind, table.as_ref(), name, text.as_deref())
            }
            C::Rename { kind, table, from, to } => self.rename(*kind, table.as_ref(), from, to),
            C::CreateOther { kind, verb, name, table, text } => {
                self.other("CREATE", verb, *kind, name.as_ref(), table.as_ref(), text)
            }
            C::AlterOther { kind, name, table, text } => {
                self.other("ALTER", "", *kind, name.as_ref(), table.as_ref(), text)
            }
            C::DropOther { kind, name, table, if_exists, cascade } => {
                let table = table.as_ref().map(|t| format!(" ON {}", self.name(t)));
                if *kind == ObjectKind::Other {
                    return self.no("dropping an object of a kind that is not known");
                }
                one(format!(
                    "DROP {} {}{}{}{}",
                    kind_word(*kind),
                    when(*if_exists, "IF EXISTS "),
                    self.name(name),
                    table.unwrap_or_default(),
                    when(*cascade && self.is_postgres(), " CASCADE")
                ))
            }
            _ => None,
        }
    }

    fn view_options(self, options: &[(String, String)]) -> String {
        if !self.is_postgres() || options.is_empty() {
            return String::new();
        }
        let all: Vec<String> = options.iter().map(|(n, v)| storage_parameter(n, v)).collect();
        format!(" WITH ({})", all.join(", "))
    }

    /// What MySQL says before `VIEW`.
    fn view_words(self, options: &[(String, String)]) -> String {
        let words = [
            ("algorithm", "ALGORITHM = "),
            ("definer", "DEFINER = "),
            ("sql_security", "SQL SECURITY "),
        ];
        let said = words.iter().filter(|_| self.is_mysql()).filter_map(|(name, word)| {
            let (_, value) = options.iter().find(|(of, _)| of == name)?;
            let value = if *name == "definer" { value.clone() } else { value.to_uppercase() };
            Some(format!("{word}{value} "))
        });
        said.collect()
    }

    /// Where it is no option.
    fn check_option(self, options: &[(String, String)]) -> String {
        let found = options.iter().find(|(name, _)| name == "check_option" && self.is_mysql());
        found.map_or_else(String::new, |(_, v)| format!(" WITH {} CHECK OPTION", v.to_uppercase()))
    }

    fn view_columns(self, columns: &[Ident]) -> String {
        if columns.is_empty() { String::new() } else { format!(" ({})", self.idents(columns)) }
    }

    fn roles(self, roles: &[String]) -> String {
        roles.iter().map(|r| self.role(r)).collect::<Vec<_>>().join(", ")
    }

    /// `OWNED BY`, where the text of the options does not say it already.
    fn owned_by(self, text: &str, owner: Option<&(ObjectName, Ident)>) -> String {
        match owner {
            Some((table, column)) if !text.to_uppercase().contains("OWNED BY") => {
                let space = if text.is_empty() { "" } else { " " };
                format!("{space}OWNED BY {}.{}", self.name(table), self.ident(column))
            }
            _ => String::new(),
        }
    }

    fn create_type(self, name: &ObjectName, def: &TypeDef) -> String {
        let name = self.name(name);
        match def {
            TypeDef::Enum(labels) => {
                let labels: Vec<_> = labels.iter().map(|l| self.literal(l)).collect();
                format!("CREATE TYPE {name} AS ENUM ({})", labels.join(", "))
            }
            TypeDef::Composite(attributes) => {
                let listed: Vec<_> = attributes
                    .iter()
                    .map(|(name, ty)| format!("{} {}", self.ident(name), self.ty(ty)))
                    .collect();
                format!("CREATE TYPE {name} AS ({})", listed.join(", "))
            }
            TypeDef::Other(text) => format!("CREATE TYPE {name} {text}"),
            TypeDef::Domain { base, not_null, default, checks } => {
                let mut out = format!("CREATE DOMAIN {name} AS {}", self.ty(base));
                if let Some(default) = default {
                    out.push_str(&format!(" DEFAULT {}", default.text));
                }
                out.push_str(when(*not_null, " NOT NULL"));
                for check in checks {
                    out.push_str(&format!(" {}", self.constraint(check)));
                }
                out
            }
        }
    }

    fn domain_action(self, action: &DomainAction) -> String {
        match action {
            DomainAction::SetNotNull => "SET NOT NULL".to_owned(),
            DomainAction::DropNotNull => "DROP NOT NULL".to_owned(),
            DomainAction::SetDefault(expr) => format!("SET DEFAULT {}", expr.text),
            DomainAction::DropDefault => "DROP DEFAULT".to_owned(),
            DomainAction::AddConstraint(constraint) => {
                format!("ADD {}", self.constraint(constraint))
            }
            DomainAction::DropConstraint { name, if_exists } => {
                format!("DROP CONSTRAINT {}{}", when(*if_exists, "IF EXISTS "), self.ident(name))
            }
            DomainAction::ValidateConstraint(name) => {
                format!("VALIDATE CONSTRAINT {}", self.ident(name))
            }
            DomainAction::Other(text) => text.clone(),
        }
    }

    fn create_routine(self, def: &RoutineDef, or_replace: bool, if_not_exists: bool) -> Rendered {
        if def.definition.is_empty() {
            return self.no("a routine whose definition is not known");
        }
        let name = self.name(&def.name);
        one(format!(
            "CREATE {}{} {}{name}{}",
            when(or_replace, "OR REPLACE "),
            routine_word(def.kind),
            when(if_not_exists, "IF NOT EXISTS "),
            spaced(&def.definition)
        ))
    }

    fn create_trigger(self, def: &TriggerDef, or_replace: bool, if_not_exists: bool) -> Rendered {
        if def.event.is_empty() {
            return self.no("a trigger whose event is not known");
        }
        one(format!(
            "CREATE {}TRIGGER {}{} {} ON {} {}",
            when(or_replace, "OR REPLACE "),
            when(if_not_exists, "IF NOT EXISTS "),
            self.ident(&def.name),
            def.event.trim(),
            self.name(&def.table),
            def.text.trim()
        ))
    }

    /// The kind of object before its name in `GRANT`; tables and views need none.
    fn grant_kind(self, kind: ObjectKind) -> String {
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView => String::new(),
            _ => format!("{} ", kind_word(kind)),
        }
    }

    fn comment(
        self,
        kind: ObjectKind,
        table: Option<&ObjectName>,
        name: &ObjectName,
        text: Option<&str>,
    ) -> Rendered {
        if self.is_mysql() && kind == ObjectKind::Table {
            let text = self.literal(text.unwrap_or(""));
            return one(format!("ALTER TABLE {} COMMENT={text}", self.name(name)));
        }
        if !self.is_postgres() {
            return self.no("comments");
        }
        let text = text.map_or("NULL".to_owned(), |t| self.literal(t));
        let target = match (kind, table) {
            (ObjectKind::Column, Some(table)) => {
                format!("{}.{}", self.name(table), self.ident(&name.name))
            }
            (_, Some(table)) => format!("{} ON {}", self.ident(&name.name), self.name(table)),
            (_, None) => self.name(name),
        };
        one(format!("COMMENT ON {} {target} IS {text}", kind_word(kind)))
    }

    fn rename(
        self,
        kind: ObjectKind,
        table: Option<&ObjectName>,
        from: &ObjectName,
        to: &Ident,
    ) -> Rendered {
        let to_sql = self.ident(to);
        match (kind, table) {
            (ObjectKind::Table, _) => {
                one(format!("ALTER TABLE {} RENAME TO {to_sql}", self.name(from)))
            }
            _ if !self.is_postgres() => self.no("renaming this kind of object"),
            (ObjectKind::Column, Some(table)) => one(format!(
                "ALTER TABLE {} RENAME COLUMN {} TO {to_sql}",
                self.name(table),
                self.ident(&from.name)
            )),
            (_, Some(table)) => one(format!(
                "ALTER {} {} ON {} RENAME TO {to_sql}",
                kind_word(kind),
                self.ident(&from.name),
                self.name(table)
            )),
            (ObjectKind::Other, None) => self.no("renaming an object of a kind that is not known"),
            (_, None) => {
                one(format!("ALTER {} {} RENAME TO {to_sql}", kind_word(kind), self.name(from)))
            }
        }
    }

    /// An object that is kept as text: the text alone where it is the whole statement.
    fn other(
        self,
        action: &str,
        verb: &str,
        kind: ObjectKind,
        name: Option<&ObjectName>,
        table: Option<&ObjectName>,
        text: &str,
    ) -> Rendered {
        let upper = text.trim_start().to_uppercase();
        if upper.starts_with(action) || !verb.is_empty() && upper.starts_with(&verb.to_uppercase())
        {
            return one(text.to_owned());
        }
        let word = if verb.is_empty() { kind_word(kind).to_owned() } else { verb.to_uppercase() };
        let word = word.strip_prefix("CREATE ").unwrap_or(&word).to_owned();
        if word == "OBJECT" || word.is_empty() {
            return self.no("an object of a kind that is not known");
        }
        let name = name.map(|n| format!(" {}", self.name(n))).unwrap_or_default();
        let table = table.map(|t| format!(" ON {}", self.name(t))).unwrap_or_default();
        one(format!("{action} {word}{name}{table} {text}"))
    }
}

/// What stands behind a routine's name: arguments directly, all else behind a blank.
fn spaced(text: &str) -> String {
    let text = text.trim();
    if text.starts_with('(') { text.to_owned() } else { format!(" {text}") }
}

fn query_text(query: &Query) -> &str {
    query.text.trim().trim_end_matches(';')
}

fn routine_word(kind: RoutineKind) -> &'static str {
    match kind {
        RoutineKind::Function => "FUNCTION",
        RoutineKind::Procedure => "PROCEDURE",
        RoutineKind::Aggregate => "AGGREGATE",
    }
}

/// The words that name a kind of object.
pub(super) fn kind_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "TABLE",
        ObjectKind::Column => "COLUMN",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Index => "INDEX",
        ObjectKind::Constraint => "CONSTRAINT",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Aggregate => "AGGREGATE",
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Database => "DATABASE",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Policy => "POLICY",
        ObjectKind::Rule => "RULE",
        ObjectKind::Role => "ROLE",
        ObjectKind::Publication => "PUBLICATION",
        ObjectKind::Subscription => "SUBSCRIPTION",
        ObjectKind::Server => "SERVER",
        ObjectKind::ForeignTable => "FOREIGN TABLE",
        ObjectKind::Collation => "COLLATION",
        ObjectKind::Statistics => "STATISTICS",
        ObjectKind::Event => "EVENT",
        ObjectKind::Other => "OBJECT",
    }
}
