//! The triggers of a tracked table, as statements. Pure.
//!
//! Every function runs with the rights of its owner, so that whoever writes to the table needs no
//! right on its history. So nothing in it may depend on the caller's `search_path`: every name is
//! qualified, the one operator needed too (where it is not the server's own it stands in a trigger's
//! `WHEN`, bound when the trigger is made). That spares a `SET` on each call, and works where a subscription
//! applies changes with an empty path.

use downhaul_syntax::Dialect;

use super::{Capture, Event, Tracked, Version, history};
use crate::sql;

const D: Dialect = Dialect::Postgres;

/// Settings that decide how values of the user's types look as text.
const TEXT_SETTINGS: &str = " SET \"TimeZone\" = 'UTC' SET \"DateStyle\" = 'ISO, YMD' SET \"IntervalStyle\" = 'postgres' \
     SET bytea_output = 'hex' SET extra_float_digits = 1";

/// Begins before others of its time (triggers of one kind fire in the order of their names).
pub const FIRST: &str = "!downhaul_track";
/// Begins after others of its time.
pub const LAST: &str = "~downhaul_track";

/// Statement that makes the history table of the current version, empty, with the types of the
/// live table's columns. Without [`Version::nested`] it has no `downhaul_seq`, which would be NULL
/// in every row and cost each of them a map of NULLs; the one byte stands last, where nothing has to
/// be aligned behind it.
#[must_use]
pub fn create_history(tracked: &Tracked) -> Vec<String> {
    let version = tracked.current();
    let table = history(tracked.id, version.number);
    let columns: Vec<String> = version
        .columns
        .iter()
        .map(|c| {
            let name = D.quote(&c.name);
            // COLLATE "C": texts of the user's types are never compared, only carried.
            if c.user_type { format!("{name}::text AS {name}") } else { name }
        })
        .collect();
    let columns = columns.join(", ");
    let live = tracked.live();
    let seq = if version.nested { ", NULL::bigint AS downhaul_seq" } else { "" };
    let first = format!("NULL::bigint AS downhaul_pos{seq}, NULL::xid8 AS downhaul_xid");
    let last = "NULL::\"char\" AS downhaul_op";
    let revoke = |table: &str| format!("REVOKE ALL ON {table} FROM PUBLIC");
    if version.composite {
        let form = form(tracked.id, version.number);
        return vec![
            // Nothing is ever in it: it stands for its type.
            format!("CREATE TABLE {form} AS SELECT {columns} FROM {live} WITH NO DATA"),
            format!(
                "CREATE TABLE {table} WITH (toast_tuple_target = {INLINE}) AS SELECT {first}, NULL::{form} AS downhaul_row, {last} WITH NO DATA"
            ),
            revoke(&form),
            revoke(&table),
        ];
    }
    let comma = if columns.is_empty() { "" } else { ", " };
    vec![
        format!(
            "CREATE TABLE {table} AS SELECT {first}{comma}{columns}, {last} FROM {live} WITH NO DATA"
        ),
        revoke(&table),
    ]
}

/// Name of the type in which the history of wide tables holds a row, qualified.
#[must_use]
pub fn form(id: i64, version: i64) -> String {
    format!("downhaul.form_{id}_{version}")
}

/// Up to this size (bytes) a row is left as it is, where each of its values is looked at.
pub const INLINE: u32 = 8160;

/// Values of a row of the live table as they go into the history.
fn values(id: i64, version: &Version, row: &str, only_key: bool) -> (String, String) {
    let value = |column: &super::TrackedColumn| {
        let cast = if column.user_type { "::pg_catalog.text" } else { "" };
        format!("{row}.{}{cast}", D.quote(&column.name))
    };
    if version.composite {
        let kept = |c: &super::TrackedColumn| !only_key || version.key.contains(&c.name);
        return (", downhaul_row".to_owned(), packed(id, version, |c| kept(c).then(|| value(c))));
    }
    let (mut names, mut values) = (String::new(), String::new());
    for column in &version.columns {
        if only_key && !version.key.contains(&column.name) {
            continue;
        }
        names.push_str(&format!(", {}", D.quote(&column.name)));
        values.push_str(&format!(", {}", value(column)));
    }
    (names, values)
}

/// A row of a wide table as one value, behind a comma.
fn packed(
    id: i64,
    version: &Version,
    value: impl Fn(&super::TrackedColumn) -> Option<String>,
) -> String {
    let values: Vec<String> = version
        .columns
        .iter()
        .map(|column| value(column).unwrap_or_else(|| "NULL".to_owned()))
        .collect();
    format!(", ROW({})::{}", values.join(", "), form(id, version.number))
}

/// The functions of the current version.
#[must_use]
pub fn functions(tracked: &Tracked) -> Vec<String> {
    let version = tracked.current();
    let (id, table) = (tracked.id, history(tracked.id, version.number));
    let settings = if version.columns.iter().any(|c| c.user_type) { TEXT_SETTINGS } else { "" };
    let sequence = format!("'downhaul.log_{id}_seq'::pg_catalog.regclass");
    let pos = format!("pg_catalog.nextval({sequence})");
    let xid = "pg_catalog.pg_current_xact_id()";
    let keyed = !version.key.is_empty();
    let mut functions = Vec::new();
    let mut function = |name: &str, settings: &str, declare: &str, body: &str| {
        functions.push(format!(
            "CREATE OR REPLACE FUNCTION downhaul.log_{id}_{name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER{settings} AS {}",
            Dialect::dollar_quoted(&format!(
                "\n#variable_conflict use_variable\n{declare}BEGIN {body} RETURN NULL; END "
            ))
        ));
    };
    let insert = |event: Event,
                  row: &str,
                  only_key: bool,
                  pos: &str,
                  seq: Option<&str>,
                  from: &str| {
        let (names, values) = values(id, version, row, only_key);
        let (seq_name, seq_value) = match seq {
            Some(seq) => (", downhaul_seq", format!(", {seq}")),
            None => ("", String::new()),
        };
        let letter = event.letter();
        let values = format!("{pos}, {xid}, '{letter}'{seq_value}{values}");
        // For one row VALUES is the cheaper word: a SELECT would be set up as a query of its own.
        let rows = if from.is_empty() {
            format!("VALUES ({values})")
        } else {
            format!("SELECT {values}{from}")
        };
        format!(
            "INSERT INTO {table} (downhaul_pos, downhaul_xid, downhaul_op{seq_name}{names}) {rows};"
        )
    };
    // Without a key a changed row is one that went and one that came.
    let changed = if keyed { Event::Updated } else { Event::Deleted };
    let stack = format!("pg_catalog.concat('downhaul.stack_{id}_', TG_OP)");
    if version.nested {
        function(
            "begin",
            "",
            "",
            &format!(
                "PERFORM pg_catalog.set_config({stack}, pg_catalog.concat({pos}, ',', pg_catalog.current_setting({stack}, true)), true);"
            ),
        );
        function(
            "end",
            "",
            "",
            &format!(
                "PERFORM pg_catalog.set_config({stack}, pg_catalog.substr(pg_catalog.current_setting({stack}), \
                 pg_catalog.strpos(pg_catalog.current_setting({stack}), ',') OPERATOR(pg_catalog.+) 1), true);"
            ),
        );
    }
    let top = format!("pg_catalog.split_part(pg_catalog.current_setting({stack}, true), ',', 1)");
    let seq_value =
        format!("CASE pg_catalog.length({top}) WHEN 0 THEN NULL ELSE {top}::pg_catalog.int8 END");
    let seq = version.nested.then_some(seq_value.as_str());
    let new_key = format!(
        "{} {}",
        insert(Event::KeyLeft, "OLD", true, &pos, seq, ""),
        insert(Event::KeyBorn, "NEW", true, &pos, seq, "")
    );
    match tracked.capture {
        Capture::Statement => {
            let mut declare = format!("DECLARE downhaul_p pg_catalog.int8 := {pos};");
            let seq = version.nested.then_some("downhaul_s");
            let mut pop = String::new();
            if version.nested {
                declare.push_str(&format!(
                    " downhaul_k text := pg_catalog.current_setting({stack}, true); \
                     downhaul_s pg_catalog.int8 := CASE pg_catalog.length(pg_catalog.split_part(downhaul_k, ',', 1)) \
                     WHEN 0 THEN NULL ELSE pg_catalog.split_part(downhaul_k, ',', 1)::pg_catalog.int8 END;"
                ));
                pop = format!(
                    "PERFORM pg_catalog.set_config({stack}, pg_catalog.substr(downhaul_k, pg_catalog.strpos(downhaul_k, ',') OPERATOR(pg_catalog.+) 1), true); "
                );
            }
            declare.push('\n');
            let past = |event| insert(event, "o", false, "downhaul_p", seq, " FROM downhaul_old o");
            let fresh = insert(Event::Born, "n", keyed, "downhaul_p", seq, " FROM downhaul_new n");
            function("i", settings, &declare, &format!("{pop}{fresh}"));
            let update = if keyed { String::new() } else { format!(" {fresh}") };
            function("u", settings, &declare, &format!("{pop}{}{update}", past(changed)));
            function("d", settings, &declare, &format!("{pop}{}", past(Event::Deleted)));
        }
        Capture::Row => {
            let seq = version.nested.then_some(seq_value.as_str());
            let past = |event| insert(event, "OLD", false, &pos, seq, "");
            let fresh = insert(Event::Born, "NEW", keyed, &pos, seq, "");
            function("i", settings, "", &fresh);
            let update = if keyed { String::new() } else { format!(" {fresh}") };
            // A trigger that fires before says with what the statement goes on.
            let goes_on = |row: &str| {
                if version.again { format!(" RETURN {row};") } else { String::new() }
            };
            let first = if looks_at_key(tracked) {
                format!("IF ({}) IS NOT TRUE THEN {new_key} END IF; ", same_key(version))
            } else {
                String::new()
            };
            let past_update = format!("{first}{}{update}{}", past(changed), goes_on("NEW"));
            function("u", settings, "", &past_update);
            function("d", settings, "", &format!("{}{}", past(Event::Deleted), goes_on("OLD")));
        }
    }
    if keyed && !looks_at_key(tracked) {
        function("k", settings, "", &new_key);
    }
    // A transaction with an old snapshot would copy what it sees and remove what it does not.
    let (names, values) = values(id, version, "t", false);
    let [names, values] = [names, values].map(|list| list.replace('%', "%%"));
    let copy = D.literal(&format!(
        "INSERT INTO {table} (downhaul_pos, downhaul_xid, downhaul_op{names}) \
         SELECT $1, {xid}, '{}'{values} FROM ONLY %s t",
        Event::Truncated.letter(),
    ));
    let path = " SET search_path = pg_catalog, pg_temp SET row_security = off";
    function(
        "t",
        &format!("{settings}{path}"),
        "",
        &format!(
            "IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN \
             RAISE EXCEPTION 'TRUNCATE of a tracked table needs READ COMMITTED' USING \
             HINT = 'this transaction does not see all rows that it would remove, so they could not be kept: SET TRANSACTION ISOLATION LEVEL READ COMMITTED, or DELETE instead', \
             ERRCODE = 'invalid_transaction_state'; END IF; \
             EXECUTE pg_catalog.format({copy}, TG_RELID::pg_catalog.regclass) USING {pos};"
        ),
    );
    functions
}

/// Whether the row trigger for updates looks itself if the key has changed. A trigger of its own for that has a
/// condition, which the server reads anew for each statement: of all that tracking costs an update of one row,
/// that was an eighth. Only where `=` is the server's own, so that its name says which one is meant, and not where
/// it fires before: triggers of the user's may still change the key then.
fn looks_at_key(tracked: &Tracked) -> bool {
    let version = tracked.current();
    tracked.capture == Capture::Row
        && !version.again
        && !version.key.is_empty()
        && version.key.iter().all(|key| version.column(key).is_some_and(|c| !c.user_type))
}

/// An expression of the function for updates: the row has the key that it had.
fn same_key(version: &Version) -> String {
    let same: Vec<String> = version
        .key
        .iter()
        .map(|key| D.quote(key))
        .map(|key| format!("OLD.{key} OPERATOR(pg_catalog.=) NEW.{key}"))
        .collect();
    same.join(" AND ")
}

/// How many triggers a tracked table must have: those that were made when it got its present form, by whatever
/// release.
#[must_use]
pub fn expected_triggers(tracked: &Tracked, leaves: usize) -> usize {
    let on_leaves = format!("{FIRST}_t");
    tracked.triggers.iter().map(|name| if *name == on_leaves { leaves } else { 1 }).sum()
}

/// A trigger: name, its definition behind `CREATE TRIGGER name`, and on which table (`None`: the
/// tracked one; the leaves of a partitioned one are named by the caller).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// What follows the name, with `{}` for the table.
    pub body: String,
    /// It belongs on every leaf of a partition tree.
    pub on_leaves: bool,
}

/// The triggers of the current version.
#[must_use]
pub fn triggers(tracked: &Tracked) -> Vec<Trigger> {
    let version = tracked.current();
    let id = tracked.id;
    let mut triggers = Vec::new();
    let mut trigger = |name: String, body: String, on_leaves| {
        triggers.push(Trigger { name, body, on_leaves });
    };
    let verbs = [("i", "INSERT"), ("u", "UPDATE"), ("d", "DELETE")];
    match tracked.capture {
        Capture::Statement => {
            for (letter, verb) in verbs {
                if version.nested {
                    trigger(
                        format!("{FIRST}_{letter}"),
                        format!(
                            "BEFORE {verb} ON {{}} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.log_{id}_begin()"
                        ),
                        false,
                    );
                }
                let rows = match (letter, version.key.is_empty()) {
                    ("i", _) => "NEW TABLE AS downhaul_new",
                    ("u", true) => "OLD TABLE AS downhaul_old NEW TABLE AS downhaul_new",
                    _ => "OLD TABLE AS downhaul_old",
                };
                trigger(
                    format!("{LAST}_{letter}"),
                    format!(
                        "AFTER {verb} ON {{}} REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.log_{id}_{letter}()"
                    ),
                    false,
                );
            }
        }
        Capture::Row => {
            for (letter, verb) in verbs {
                if version.nested {
                    trigger(
                        format!("{FIRST}_b{letter}"),
                        format!(
                            "BEFORE {verb} ON {{}} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.log_{id}_begin()"
                        ),
                        false,
                    );
                    trigger(
                        format!("{LAST}_e{letter}"),
                        format!(
                            "AFTER {verb} ON {{}} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.log_{id}_end()"
                        ),
                        false,
                    );
                }
                // Behind those that may still keep the row from being changed.
                let (name, time) = if version.again && letter != "i" {
                    (LAST, "BEFORE")
                } else {
                    (FIRST, "AFTER")
                };
                trigger(
                    format!("{name}_{letter}"),
                    format!(
                        "{time} {verb} ON {{}} FOR EACH ROW EXECUTE FUNCTION downhaul.log_{id}_{letter}()"
                    ),
                    false,
                );
            }
        }
    }
    if !version.key.is_empty() && !looks_at_key(tracked) {
        let list = |row: &str| {
            let names: Vec<String> =
                version.key.iter().map(|k| format!("{row}.{}", D.quote(k))).collect();
            names.join(", ")
        };
        // Also without the key among the assigned columns: a BEFORE trigger may have changed it.
        trigger(
            format!("{FIRST}_k"),
            format!(
                "AFTER UPDATE ON {{}} FOR EACH ROW WHEN (({}) IS DISTINCT FROM ({})) EXECUTE FUNCTION downhaul.log_{id}_k()",
                list("OLD"),
                list("NEW")
            ),
            false,
        );
    }
    trigger(
        format!("{FIRST}_t"),
        format!(
            "BEFORE TRUNCATE ON {{}} FOR EACH STATEMENT EXECUTE FUNCTION downhaul.log_{id}_t()"
        ),
        true,
    );
    triggers
}

/// Statement that writes down every row in one of the table's forms, before that changes or the
/// table goes. The table must be locked. Columns are found by number: their names may have changed
/// already.
#[must_use]
pub fn copy_all(tracked: &Tracked, version: &Version, event: Event) -> String {
    copy_from(tracked, version, event, &tracked.live())
}

/// The same for the rows of one partition, quoted.
#[must_use]
pub fn copy_from(tracked: &Tracked, version: &Version, event: Event, source: &str) -> String {
    let value = |column: &super::TrackedColumn| {
        let now = tracked.current().columns.iter().find(|c| c.number == column.number);
        let live = now.filter(|_| version.relation == tracked.relation).unwrap_or(column);
        let cast = if column.user_type { "::pg_catalog.text" } else { "" };
        format!("t.{}{cast}", D.quote(&live.name))
    };
    let (names, values) = if version.composite {
        let row = packed(tracked.id, version, |column| Some(value(column)));
        (", downhaul_row".to_owned(), row)
    } else {
        let names = version.columns.iter().map(|c| format!(", {}", D.quote(&c.name)));
        let values = version.columns.iter().map(|c| format!(", {}", value(c)));
        (names.collect(), values.collect::<String>())
    };
    // The position of one transaction's copy decides nothing among its own rows.
    format!(
        "INSERT INTO {} (downhaul_pos, downhaul_xid, downhaul_op{names}) \
         SELECT p.n, pg_catalog.pg_current_xact_id(), '{}'{values} FROM {} t, \
         (SELECT pg_catalog.nextval('downhaul.log_{}_seq') AS n OFFSET 0) p",
        history(tracked.id, version.number),
        event.letter(),
        source,
        tracked.id
    )
}

/// A condition on [`copy_from`]: this transaction has not written down already that the row `t`
/// came. Rows without a key cannot be told apart.
#[must_use]
pub fn not_born_yet(tracked: &Tracked) -> String {
    let version = tracked.current();
    if version.key.is_empty() {
        return String::new();
    }
    let tests: Vec<String> = version
        .columns
        .iter()
        .filter(|c| version.key.contains(&c.name))
        .map(|c| {
            let (name, cast) =
                (D.quote(&c.name), if c.user_type { "::pg_catalog.text" } else { "" });
            let row = if version.composite { "(h.downhaul_row)" } else { "h" };
            format!("{row}.{name} = t.{name}{cast}")
        })
        .collect();
    format!(
        " WHERE NOT EXISTS (SELECT FROM {} h WHERE h.downhaul_xid = pg_catalog.pg_current_xact_id() AND h.downhaul_op IN ({}) AND {})",
        history(tracked.id, version.number),
        super::BIRTHS,
        tests.join(" AND ")
    )
}

/// Ends of the names of all functions that a tracked table may have.
pub const FUNCTIONS: [&str; 7] = ["begin", "end", "i", "u", "d", "k", "t"];

/// Names of all functions that a tracked table may have.
#[must_use]
pub fn function_names(id: i64) -> Vec<String> {
    FUNCTIONS.iter().map(|name| format!("downhaul.log_{id}_{name}()")).collect()
}

/// A value of a history table as a value of a live column's type.
#[must_use]
pub fn from_history(
    value: &str,
    column: &super::TrackedColumn,
    live: &super::TrackedColumn,
) -> String {
    if column.ty == live.ty && column.user_type == live.user_type {
        sql::from_store(D, value, &live.ty, live.user_type)
    } else if live.user_type {
        format!("{value}::text::{}", live.ty)
    } else {
        format!("({value})::{}", live.ty)
    }
}
