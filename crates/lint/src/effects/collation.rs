//! Character sets and collations of the text columns of MySQL and MariaDB, and how MariaDB changes them.

use downhaul_catalog::{Column, Table};
use downhaul_syntax::{ConstraintKind, Ident, ObjectName, SqlType};

use super::Scene;

/// How the text of a column is coded and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    charset: String,
    collation: String,
}

/// Which texts are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Equality {
    /// Those of the same bytes.
    Bytes,
    /// Those that differ in accents at most.
    Case,
    /// Those that differ in capitals too.
    Folded,
}

/// What another coding of a column asks of MariaDB (measured on 10.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recoding {
    /// What is stored holds as it is.
    Metadata,
    /// Indexes over the column sort in another way, and are built anew; writes go on.
    Indexes,
    /// Every row is written anew.
    Copy,
}

impl Coding {
    /// A character set, and the collation that is stated with it or its default one.
    pub(crate) fn new(charset: Option<&str>, collation: Option<&str>) -> Option<Self> {
        let plain = |name: &str| {
            let lower = name.trim_matches(['\'', '"', '`']).to_lowercase();
            match lower.strip_prefix("utf8") {
                Some(rest) if rest.is_empty() || rest.starts_with('_') => format!("utf8mb3{rest}"),
                _ => lower,
            }
        };
        let collation = collation.map(plain);
        let charset = match (charset, &collation) {
            (Some(charset), _) => plain(charset),
            (None, Some(collation)) => collation.split('_').next()?.to_owned(),
            (None, None) => return None,
        };
        let collation = match collation {
            Some(collation) => collation,
            None => match charset.as_str() {
                "utf8mb4" | "utf8mb3" | "ascii" => format!("{charset}_general_ci"),
                "latin1" => "latin1_swedish_ci".to_owned(),
                "binary" => charset.clone(),
                _ => return None,
            },
        };
        Some(Self { charset, collation })
    }

    /// Of a column; what it does not say, its table says. `None` where neither does: the database
    /// knows.
    pub(crate) fn of(ty: &SqlType, collation: Option<&str>, table: &Table) -> Option<Self> {
        let option = |name: &str| table.options.get(name).map(String::as_str);
        let of_table = || Self::new(option("charset"), option("collate"));
        let known = match (ty.charset.as_deref(), collation) {
            (None, None) => of_table(),
            stated => Self::new(stated.0, stated.1),
        };
        // `varchar(32) BINARY`: the binary collation of its character set.
        let binary = ty.raw.split_whitespace().any(|w| w.eq_ignore_ascii_case("binary"));
        if binary && collation.is_none() {
            let charset = known?.charset;
            return Some(Self { collation: format!("{charset}_bin"), charset });
        }
        known
    }

    pub(crate) fn of_column(column: &Column, table: &Table) -> Option<Self> {
        Self::of(column.ty.as_ref()?, column.collation.as_deref(), table)
    }

    /// The other one has another character set.
    pub(crate) fn is_recoded(&self, to: &Self) -> bool {
        self.charset != to.charset
    }

    pub(crate) fn equality(&self) -> Equality {
        if self.collation.ends_with("_bin") || self.collation == "binary" {
            Equality::Bytes
        } else if self.collation.split('_').any(|part| part == "cs") {
            Equality::Case
        } else {
            Equality::Folded
        }
    }

    /// The collation without its character set: `general_ci`.
    fn order(&self) -> &str {
        self.collation.split_once('_').map_or(self.collation.as_str(), |(_, order)| order)
    }

    /// The most bytes of a character, of the sets between which MariaDB need not convert.
    fn width(&self) -> Option<u64> {
        match self.charset.as_str() {
            "utf8mb3" => Some(3),
            "utf8mb4" => Some(4),
            _ => None,
        }
    }
}

/// The type holds text.
pub(crate) fn is_text(ty: &SqlType) -> bool {
    let name = ty.name.as_str();
    matches!(name, "char" | "varchar" | "enum" | "set") || name.ends_with("text")
}

/// What it takes to give a column of the table another coding; the types are that of before and after.
pub(crate) fn recoding(
    name: &Ident,
    table: &Table,
    (from_type, from): (&SqlType, &Coding),
    (to_type, to): (&SqlType, &Coding),
) -> Recoding {
    if from == to {
        return Recoding::Metadata;
    }
    if matches!(from_type.name.as_str(), "enum" | "set") {
        return Recoding::Copy;
    }
    let fulltext = |i: &downhaul_catalog::Index| i.method.as_deref() == Some("fulltext");
    let indexes = || {
        let has = |p: &&downhaul_syntax::IndexPart| p.column.as_ref() == Some(name);
        table.indexes.iter().filter_map(move |i| Some((i, i.parts.iter().find(has)?)))
    };
    if from.charset != to.charset {
        let widened = (from.charset.as_str(), to.charset.as_str()) == ("utf8mb3", "utf8mb4");
        let (Some(before), Some(after)) = (from.width(), to.width()) else { return Recoding::Copy };
        let length = |t: &SqlType| t.args.first().and_then(|a| a.trim().parse::<u64>().ok());
        let fits = match (from_type.name.as_str(), length(from_type), length(to_type)) {
            // One byte tells the length of up to 255 bytes; see `change_of_type`.
            ("varchar", Some(a), Some(b)) => {
                let (a, b) = (a * before, b * after);
                a <= 127 || (a > 255) == (b > 255)
            }
            ("char" | "longtext", ..) => true,
            _ => false,
        };
        // So many characters of the text are other bytes.
        let prefix = indexes().any(|(i, part)| !fulltext(i) && part.text.contains('('));
        if !widened || !fits || prefix {
            return Recoding::Copy;
        }
    }
    if from.order() == to.order() {
        return Recoding::Metadata;
    }
    let in_key = |primary: bool| {
        table.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. } => primary && columns.contains(name),
            ConstraintKind::Unique { columns, .. } => !primary && columns.contains(name),
            _ => false,
        })
    };
    if in_key(true) || indexes().any(|(i, _)| fulltext(i)) {
        Recoding::Copy
    } else if in_key(false) || indexes().next().is_some() {
        Recoding::Indexes
    } else {
        Recoding::Metadata
    }
}

/// What `CONVERT TO CHARACTER SET` asks of MariaDB; `None` where that depends on what the database or
/// another engine says.
pub(crate) fn conversion(
    table: &ObjectName,
    charset: &str,
    collation: Option<&str>,
    scene: &Scene<'_>,
) -> Option<Recoding> {
    let known = scene.state.table(table).filter(|t| !t.assumed && !t.columns_unknown)?;
    let innodb = known.options.get("engine").is_none_or(|e| e.eq_ignore_ascii_case("innodb"));
    let to = Coding::new(Some(charset), collation)?;
    let mut worst = Recoding::Metadata;
    for column in known.columns.iter() {
        let Some(ty) = column.ty.as_ref().filter(|ty| is_text(ty)) else { continue };
        let from = Coding::of_column(column, known)?;
        worst = worst.max(recoding(&column.name, known, (ty, &from), (ty, &to)));
    }
    innodb.then_some(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_old_and_new() {
        let coding = |charset, collation| Coding::new(charset, collation);
        assert_eq!(coding(Some("utf8"), None), coding(None, Some("utf8mb3_general_ci")));
        assert_eq!(
            coding(Some("utf8mb4"), None),
            coding(Some("UTF8MB4"), Some("utf8mb4_general_ci"))
        );
        assert_eq!(coding(Some("koi8r"), None), None);
        let equality = |collation| coding(None, Some(collation)).map(|c| c.equality());
        assert_eq!(equality("utf8_bin"), Some(Equality::Bytes));
        assert_eq!(equality("latin1_general_cs"), Some(Equality::Case));
        assert_eq!(equality("utf8mb4_unicode_ci"), Some(Equality::Folded));
    }
}
