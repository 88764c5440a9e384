//! What a rule is.

use downhaul_syntax::Dialect;

use crate::Severity;
use crate::context::{ChangeContext, MigrationContext};
use crate::finding::Draft;

/// The folder of a rule: what it guards against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hazard {
    /// `BC`: breaks the release that is still running.
    BreaksRelease,
    /// `LK`: blocks traffic.
    Locks,
    /// `DL`: loses data.
    DataLoss,
    /// `RV`: cannot be undone as written.
    Reversibility,
    /// `TX`: transactions and the order of statements.
    Transactions,
    /// `PH`: expand, backfill, contract.
    Phases,
    /// `SE`: security.
    Security,
    /// `DS`: design.
    Design,
    /// `UN`: not understood.
    NotUnderstood,
}

impl Hazard {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::BreaksRelease,
        Self::Locks,
        Self::DataLoss,
        Self::Reversibility,
        Self::Transactions,
        Self::Phases,
        Self::Security,
        Self::Design,
        Self::NotUnderstood,
    ];

    /// The hazard that a code such as `BC01` belongs to.
    #[must_use]
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|h| code.starts_with(h.prefix()))
    }

    /// `BC`, `LK` …
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::BreaksRelease => "BC",
            Self::Locks => "LK",
            Self::DataLoss => "DL",
            Self::Reversibility => "RV",
            Self::Transactions => "TX",
            Self::Phases => "PH",
            Self::Security => "SE",
            Self::Design => "DS",
            Self::NotUnderstood => "UN",
        }
    }

    /// Folder of its rules.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::BreaksRelease => "breaks_release",
            Self::Locks => "locks",
            Self::DataLoss => "data_loss",
            Self::Reversibility => "reversibility",
            Self::Transactions => "transactions",
            Self::Phases => "phases",
            Self::Security => "security",
            Self::Design => "design",
            Self::NotUnderstood => "not_understood",
        }
    }

    /// Heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::BreaksRelease => "Breaks the release still running",
            Self::Locks => "Blocks traffic",
            Self::DataLoss => "Loses data",
            Self::Reversibility => "Cannot be undone as written",
            Self::Transactions => "Transactions and statement order",
            Self::Phases => "Phase discipline",
            Self::Security => "Security",
            Self::Design => "Design",
            Self::NotUnderstood => "Not understood",
        }
    }
}

/// When a rule is asked.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// For each change of an up, against the catalog before it.
    Change(fn(&ChangeContext<'_>) -> Option<Draft>),
    /// Once for each migration, after its up was replayed.
    Migration(fn(&MigrationContext<'_>) -> Vec<Draft>),
    /// By the driver itself.
    Driver,
}

/// One rule.
pub struct Rule {
    /// `BC01`.
    pub code: &'static str,
    /// `drop-column`.
    pub name: &'static str,
    /// Unless the caller or the case says otherwise.
    pub severity: Severity,
    /// Dialects it knows about.
    pub dialects: &'static [Dialect],
    /// Runs unless switched off.
    pub default_on: bool,
    /// First version of Downhaul that has it.
    pub since: &'static str,
    /// Markdown: What it does, Why is this bad, Unsafe example, Safe example.
    pub docs: &'static str,
    pub(crate) check: Check,
}

impl Rule {
    /// What it guards against.
    #[must_use]
    pub fn hazard(&self) -> Hazard {
        Hazard::of_code(self.code).unwrap_or(Hazard::NotUnderstood)
    }

    /// `docs/rules/drop-column.md`.
    #[must_use]
    pub fn docs_path(&self) -> String {
        format!("docs/rules/{}.md", self.name)
    }

    /// First sentence of its documentation.
    #[must_use]
    pub fn summary(&self) -> String {
        crate::docs::summary(self.docs)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({} {})", self.code, self.name)
    }
}

pub(crate) const ALL: &[Dialect] = &Dialect::ALL;
pub(crate) const POSTGRES: &[Dialect] = &[Dialect::Postgres];
pub(crate) const MYSQL_FAMILY: &[Dialect] = &[Dialect::Mysql, Dialect::MariaDb];
pub(crate) const SQLITE: &[Dialect] = &[Dialect::Sqlite];
pub(crate) const SERVERS: &[Dialect] = &[Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb];

/// Declares the rule of a file: its doc comment becomes `explain`, the page in `docs/rules/` and
/// its tests.
macro_rules! declare_rule {
    (
        $(#[doc = $doc:literal])*
        $code:literal $name:literal
        severity: $severity:ident,
        dialects: $dialects:expr,
        default: $default:ident,
        since: $since:literal,
        check: $check:expr,
    ) => {
        use crate::rule::Check::*;
        $(#[doc = $doc])*
        pub(crate) static RULE: crate::Rule = crate::Rule {
            code: $code,
            name: $name,
            severity: crate::Severity::$severity,
            dialects: {
                #[allow(unused_imports)]
                use crate::rule::{ALL, MYSQL_FAMILY, POSTGRES, SERVERS, SQLITE};
                $dialects
            },
            default_on: declare_rule!(@$default),
            since: $since,
            docs: concat!($($doc, "\n",)*),
            check: $check,
        };
    };
    (@on) => { true };
    (@off) => { false };
}

pub(crate) use declare_rule;
