//! Spans of time, as the server's clock tells them: the journal's moments are texts.

use downhaul_syntax::Dialect;

/// Expression for the whole seconds since a moment of the journal. `moment` is SQL.
pub(crate) fn seconds_since(dialect: Dialect, moment: &str) -> String {
    match dialect {
        Dialect::Postgres => format!(
            "CAST(floor(extract(epoch FROM clock_timestamp() - CAST({moment} AS timestamptz))) AS bigint)"
        ),
        Dialect::Mysql | Dialect::MariaDb => format!(
            "TIMESTAMPDIFF(SECOND, STR_TO_DATE(LEFT({moment}, 19), '%Y-%m-%dT%H:%i:%s'), UTC_TIMESTAMP())"
        ),
        Dialect::Sqlite => format!(
            "CAST(strftime('%s', 'now') AS INTEGER) - CAST(strftime('%s', {moment}) AS INTEGER)"
        ),
    }
}
