//! Random statements about what a catalog holds.

use downhaul_catalog::{Catalog, Table};
use downhaul_kit::Rng;
use downhaul_syntax::Dialect;

/// Makes statements, most of which a server takes.
pub(crate) struct Generator {
    dialect: Dialect,
    next: u32,
}

impl Generator {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, next: 0 }
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.next += 1;
        // Some names need quotes, some have to be told from keywords.
        match self.next % 7 {
            0 => format!("\"{prefix} {}\"", self.next),
            3 => format!("\"{}{}\"", prefix.to_uppercase(), self.next),
            _ => format!("{prefix}{}", self.next),
        }
    }

    /// A statement; where what it needs is not there, one that creates a table.
    pub(crate) fn statement(&mut self, rng: &mut Rng, catalog: &Catalog) -> String {
        let made = match self.dialect {
            Dialect::Sqlite => self.sqlite(rng, catalog),
            _ => self.postgres(rng, catalog),
        };
        made.unwrap_or_else(|| self.create_table(rng, catalog))
    }

    fn quoted(&self, name: &downhaul_syntax::Ident) -> String {
        self.dialect.quote_if_needed(name)
    }

    fn some_table<'c>(&self, rng: &mut Rng, catalog: &'c Catalog) -> Option<(&'c Table, String)> {
        let all: Vec<&Table> = catalog.tables.values().collect();
        if all.is_empty() {
            return None;
        }
        let table = all[rng.below(all.len())];
        Some((table, self.dialect.quote_name_if_needed(&table.name)))
    }

    fn some_column(&self, rng: &mut Rng, table: &Table) -> Option<String> {
        if table.columns.is_empty() {
            return None;
        }
        Some(self.quoted(&table.columns[rng.below(table.columns.len())].name))
    }

    fn ty(&self, rng: &mut Rng, catalog: &Catalog) -> (String, String) {
        let enums: Vec<String> =
            catalog.types.keys().map(|n| self.dialect.quote_name_if_needed(n)).collect();
        if self.dialect == Dialect::Sqlite {
            let (ty, default) =
                [("INTEGER", "0"), ("TEXT", "'x'"), ("REAL", "1.5"), ("", "NULL")][rng.below(4)];
            return (ty.into(), default.into());
        }
        if !enums.is_empty() && rng.one_in(6) {
            return (enums[rng.below(enums.len())].clone(), "NULL".into());
        }
        let (ty, default) = [
            ("int", "0"),
            ("bigint", "'7'"),
            ("text", "'it''s'"),
            ("varchar(20)", "'x'::character varying"),
            ("numeric(10,2)", "1.50"),
            ("boolean", "false"),
            ("timestamptz", "now()"),
            ("date", "'2020-01-01'"),
            ("jsonb", "'{}'"),
            ("text[]", "'{}'"),
            ("uuid", "gen_random_uuid()"),
            ("double precision", "1"),
        ][rng.below(12)];
        (ty.into(), default.into())
    }

    fn column(&mut self, rng: &mut Rng, catalog: &Catalog) -> String {
        let name = self.fresh("c");
        let (ty, default) = self.ty(rng, catalog);
        let mut out = format!("{name} {ty}");
        if rng.one_in(3) {
            out.push_str(&format!(" DEFAULT {default}"));
            if rng.one_in(2) && default != "NULL" {
                out.push_str(" NOT NULL");
            }
        }
        if rng.one_in(8) {
            out.push_str(" UNIQUE");
        }
        if rng.one_in(8) {
            out.push_str(&format!(" CHECK ({name} IS NOT NULL)"));
        }
        out
    }

    fn create_table(&mut self, rng: &mut Rng, catalog: &Catalog) -> String {
        let name = self.fresh("t");
        let mut parts = Vec::new();
        match (self.dialect, rng.below(5)) {
            (Dialect::Sqlite, 0) => parts.push("id INTEGER PRIMARY KEY AUTOINCREMENT".to_owned()),
            (Dialect::Sqlite, _) => parts.push("id INTEGER PRIMARY KEY".to_owned()),
            (_, 0) => parts.push("id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY".to_owned()),
            (_, 1) => parts.push("id int CONSTRAINT the_key PRIMARY KEY".to_owned()),
            _ => parts.push("id serial PRIMARY KEY".to_owned()),
        }
        for _ in 0..1 + rng.below(4) {
            parts.push(self.column(rng, catalog));
        }
        if rng.one_in(2)
            && let Some((target, name)) = self.some_table(rng, catalog)
            && !target.primary_key().is_empty()
        {
            let column = self.fresh("ref");
            let ty = if self.dialect == Dialect::Sqlite { "INTEGER" } else { "bigint" };
            let action = ["", " ON DELETE CASCADE", " ON DELETE SET NULL"][rng.below(3)];
            parts.push(format!("{column} {ty} REFERENCES {name}{action}"));
        }
        format!("CREATE TABLE {name} ({})", parts.join(", "))
    }

    #[allow(clippy::too_many_lines, reason = "one arm a kind of statement")]
    fn postgres(&mut self, rng: &mut Rng, catalog: &Catalog) -> Option<String> {
        let (table, t) = self.some_table(rng, catalog)?;
        let c = self.some_column(rng, table)?;
        let alter = format!("ALTER TABLE {t}");
        let cascade = if rng.one_in(2) { " CASCADE" } else { "" };
        Some(match rng.below(38) {
            0 => self.create_table(rng, catalog),
            1 => format!("DROP TABLE {t}{cascade}"),
            2 => format!("{alter} RENAME TO {}", self.fresh("t")),
            3 | 4 => format!("{alter} ADD COLUMN {}", self.column(rng, catalog)),
            5 | 6 => format!("{alter} DROP COLUMN {c}{cascade}"),
            7 => format!("{alter} RENAME COLUMN {c} TO {}", self.fresh("c")),
            8 => {
                let (ty, _) = self.ty(rng, catalog);
                format!("{alter} ALTER COLUMN {c} TYPE {ty} USING NULL")
            }
            9 => format!("{alter} ALTER COLUMN {c} DROP DEFAULT"),
            10 => format!("{alter} ALTER COLUMN {c} SET DEFAULT NULL"),
            11 => format!("{alter} ALTER COLUMN {c} SET NOT NULL"),
            12 => format!("{alter} ALTER COLUMN {c} DROP NOT NULL"),
            13 => format!("{alter} ADD CHECK ({c} IS NOT NULL OR {c} IS NULL)"),
            14 => format!("{alter} ADD CONSTRAINT {} UNIQUE ({c})", self.fresh("u")),
            15 | 16 => {
                let names: Vec<_> =
                    table.constraints.iter().filter_map(|k| k.name.clone()).collect();
                if names.is_empty() {
                    return None;
                }
                let name = self.quoted(&names[rng.below(names.len())]);
                if rng.one_in(3) {
                    format!("{alter} RENAME CONSTRAINT {name} TO {}", self.fresh("k"))
                } else {
                    format!("{alter} DROP CONSTRAINT {name}{cascade}")
                }
            }
            17 | 18 => {
                let unique = if rng.one_in(3) { "UNIQUE " } else { "" };
                let order = ["", " DESC", " ASC NULLS FIRST"][rng.below(3)];
                let filter =
                    if rng.one_in(3) { format!(" WHERE {c} IS NOT NULL") } else { String::new() };
                format!("CREATE {unique}INDEX {} ON {t} ({c}{order}){filter}", self.fresh("i"))
            }
            19 => format!("CREATE INDEX ON {t} ({c}, (id IS NULL))"),
            20 => {
                if table.indexes.is_empty() {
                    return None;
                }
                let index = &table.indexes[rng.below(table.indexes.len())];
                let name = self.dialect.quote_name_if_needed(&index.name);
                if rng.one_in(3) {
                    format!("ALTER INDEX {name} RENAME TO {}", self.fresh("i"))
                } else {
                    format!("DROP INDEX {name}")
                }
            }
            21 => format!("CREATE VIEW {} AS SELECT {c} AS it FROM {t}", self.fresh("v")),
            22 => format!("CREATE VIEW {} AS SELECT x.* FROM {t} x", self.fresh("v")),
            23 => {
                let all: Vec<_> = catalog.views.keys().collect();
                if all.is_empty() {
                    return None;
                }
                let name = self.dialect.quote_name_if_needed(all[rng.below(all.len())]);
                format!("DROP VIEW {name}{cascade}")
            }
            24 => format!("COMMENT ON COLUMN {t}.{c} IS 'it''s {}'", rng.below(3)),
            25 => format!("COMMENT ON TABLE {t} IS 'about {}'", rng.below(3)),
            26 => format!("CREATE TYPE {} AS ENUM ('a', 'b', 'it''s')", self.fresh("e")),
            27 => {
                let all: Vec<_> = catalog.types.keys().collect();
                if all.is_empty() {
                    return None;
                }
                let name = self.dialect.quote_name_if_needed(all[rng.below(all.len())]);
                match rng.below(4) {
                    0 => format!("DROP TYPE {name}{cascade}"),
                    1 => format!("ALTER TYPE {name} RENAME VALUE 'a' TO 'z'"),
                    2 => format!("ALTER TYPE {name} RENAME TO {}", self.fresh("e")),
                    _ => format!("ALTER TYPE {name} ADD VALUE 'more{}'", rng.below(3)),
                }
            }
            28 => {
                let all: Vec<_> = catalog.sequences.keys().collect();
                if all.is_empty() || rng.one_in(2) {
                    return Some(format!("CREATE SEQUENCE {} START WITH 5", self.fresh("s")));
                }
                let name = self.dialect.quote_name_if_needed(all[rng.below(all.len())]);
                match rng.below(3) {
                    0 => format!("DROP SEQUENCE {name}{cascade}"),
                    1 => format!("ALTER SEQUENCE {name} RENAME TO {}", self.fresh("s")),
                    _ => format!("ALTER SEQUENCE {name} INCREMENT BY 3 MAXVALUE 1000"),
                }
            }
            29 => format!(
                "CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
                self.fresh("f")
            ),
            30 => {
                let all: Vec<_> = catalog.routines.keys().collect();
                if all.is_empty() {
                    return None;
                }
                let name = self.dialect.quote_name_if_needed(&all[rng.below(all.len())].name);
                match rng.below(4) {
                    0 => format!("DROP FUNCTION {name}(){cascade}"),
                    1 => format!("ALTER FUNCTION {name}() RENAME TO {}", self.fresh("f")),
                    _ => format!(
                        "CREATE TRIGGER {} BEFORE UPDATE OF {c} ON {t} FOR EACH ROW EXECUTE FUNCTION {name}()",
                        self.fresh("g")
                    ),
                }
            }
            31 => {
                if table.triggers.is_empty() {
                    return None;
                }
                let name = self.quoted(&table.triggers[rng.below(table.triggers.len())].name);
                if rng.one_in(3) {
                    format!("{alter} DISABLE TRIGGER {name}")
                } else {
                    format!("DROP TRIGGER {name} ON {t}")
                }
            }
            32 => format!("CREATE POLICY {} ON {t} USING ({c} IS NOT NULL)", self.fresh("p")),
            33 => format!("{alter} ENABLE ROW LEVEL SECURITY"),
            34 => format!("{alter} SET (fillfactor = {})", 50 + rng.below(40)),
            35 => format!("{alter} ALTER COLUMN {c} SET STATISTICS {}", 100 + rng.below(3)),
            36 => {
                let (target, other) = self.some_table(rng, catalog)?;
                if target.primary_key().len() != 1 {
                    return None;
                }
                let column = self.fresh("ref");
                format!(
                    "{alter} ADD COLUMN {column} int, ADD CONSTRAINT {} FOREIGN KEY ({column}) REFERENCES {other} NOT VALID",
                    self.fresh("fk")
                )
            }
            _ => format!("CREATE OR REPLACE VIEW {} AS SELECT {c} FROM {t}", self.fresh("v")),
        })
    }

    fn sqlite(&mut self, rng: &mut Rng, catalog: &Catalog) -> Option<String> {
        let (table, t) = self.some_table(rng, catalog)?;
        let c = self.some_column(rng, table)?;
        Some(match rng.below(13) {
            0 => self.create_table(rng, catalog),
            1 => format!("DROP TABLE {t}"),
            2 => format!("ALTER TABLE {t} RENAME TO {}", self.fresh("t")),
            3 | 4 => format!("ALTER TABLE {t} ADD COLUMN {}", self.column(rng, catalog)),
            5 | 6 => format!("ALTER TABLE {t} DROP COLUMN {c}"),
            7 => format!("ALTER TABLE {t} RENAME COLUMN {c} TO {}", self.fresh("c")),
            8 | 9 => {
                let unique = if rng.one_in(3) { "UNIQUE " } else { "" };
                let order = ["", " DESC", " COLLATE NOCASE"][rng.below(3)];
                format!("CREATE {unique}INDEX {} ON {t} ({c}{order})", self.fresh("i"))
            }
            10 => {
                if table.indexes.is_empty() {
                    return None;
                }
                let index = &table.indexes[rng.below(table.indexes.len())];
                format!("DROP INDEX {}", self.dialect.quote_name_if_needed(&index.name))
            }
            11 => format!("CREATE VIEW {} AS SELECT {c} AS it FROM {t}", self.fresh("v")),
            _ => {
                let all: Vec<_> = catalog.views.keys().collect();
                if all.is_empty() {
                    return None;
                }
                format!(
                    "DROP VIEW {}",
                    self.dialect.quote_name_if_needed(all[rng.below(all.len())])
                )
            }
        })
    }
}
