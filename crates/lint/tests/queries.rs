//! Which queries of the running release a migration breaks, where in them, and why.

use downhaul_lint::{
    BrokenQuery, ClientColumn, FaultKind, Finding, KnownQuery, LintOptions, MigrationInput,
    SourceText, lint_series,
};
use downhaul_syntax::{Dialect, Ident};

const SCHEMA: &str = "CREATE SCHEMA shop;
    CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric NOT NULL);
    CREATE TABLE items (id bigint PRIMARY KEY, sku text);
    CREATE TABLE shop.orders (id bigint PRIMARY KEY, code text);";

fn input(version: &str, up: &str, judged: bool) -> MigrationInput {
    MigrationInput {
        version: version.into(),
        up: Some(SourceText::new(format!("{version}.sql"), up)),
        judged,
        ..MigrationInput::default()
    }
}

fn findings(queries: Vec<KnownQuery>, ups: &[&str], one_deployment: bool) -> Vec<Finding> {
    let mut options = LintOptions::new(Dialect::Postgres);
    options.queries = queries;
    options.one_deployment = one_deployment;
    let mut series = vec![input("1", SCHEMA, false)];
    series.extend(ups.iter().enumerate().map(|(at, up)| input(&format!("{}", at + 2), up, true)));
    lint_series(&series, &options).findings
}

fn broken(query: KnownQuery, ups: &[&str]) -> Vec<(String, BrokenQuery)> {
    let found = findings(vec![query], ups, false);
    found
        .into_iter()
        .flat_map(|f| f.queries.into_iter().map(move |q| (f.file.clone(), q)))
        .collect()
}

#[test]
fn the_place_is_that_of_the_reference() {
    let mut query = KnownQuery::new("q/list.sql", 7, "SELECT o.id,\n       o.note\nFROM orders o");
    query.column = 3;
    let found = broken(query.clone(), &["ALTER TABLE orders DROP COLUMN note;"]);
    let [(file, hit)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((file.as_str(), hit.kind), ("2.sql", FaultKind::UnknownColumn));
    assert_eq!((hit.line, hit.column), (8, Some(8)));
    assert!(hit.why.contains("`note`"), "{}", hit.why);
    // In a record only the place in the query is known.
    query.verbatim = false;
    let found = broken(query, &["ALTER TABLE orders DROP COLUMN note;"]);
    assert_eq!((found[0].1.line, found[0].1.column, found[0].1.in_query), (7, None, (2, 8)));
}

#[test]
fn a_column_that_becomes_ambiguous_breaks_the_bare_name_alone() {
    let up = &["ALTER TABLE items ADD COLUMN note text;"];
    let query = |sql: &str| KnownQuery::new("q.sql", 1, sql);
    let bare = broken(query("SELECT note FROM orders JOIN items USING (id)"), up);
    assert_eq!(bare[0].1.kind, FaultKind::AmbiguousColumn);
    let told = broken(query("SELECT orders.note FROM orders JOIN items USING (id)"), up);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn what_is_mended_in_the_same_migration_is_not_broken() {
    let query = || KnownQuery::new("q.sql", 1, "SELECT note FROM orders");
    let rename = "ALTER TABLE orders RENAME TO purchases;";
    let view = "CREATE VIEW orders AS SELECT * FROM purchases;";
    assert!(broken(query(), &[&format!("{rename} {view}")]).is_empty());
    // Between two migrations the release meets the gap.
    let found = broken(query(), &[rename, view]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "2.sql");
}

#[test]
fn the_contract_phase_does_not_excuse_a_query_that_is_still_sent() {
    let query = KnownQuery::new("q.sql", 1, "SELECT note FROM orders");
    let found = findings(
        vec![query],
        &["-- downhaul:phase contract\nALTER TABLE orders DROP COLUMN note;"],
        false,
    );
    let hit = found.iter().find(|f| !f.queries.is_empty()).map(|f| (f.code, f.severity.as_str()));
    assert_eq!(hit, Some(("BC23", "error")));
}

#[test]
fn a_query_that_failed_before_is_said_once_and_blamed_on_nobody() {
    let queries = vec![
        KnownQuery::new("q.sql", 1, "SELECT nothing FROM orders"),
        KnownQuery::new("q.sql", 2, "SELECT FROM WHERE +"),
        KnownQuery::new("q.sql", 3, "SELECT note FROM orders"),
    ];
    let ups = ["ALTER TABLE orders ADD a int;", "ALTER TABLE orders DROP COLUMN note;"];
    let found = findings(queries, &ups, true);
    let said: Vec<(usize, &str)> = found
        .iter()
        .filter(|f| f.code == "UN04")
        .map(|f| (f.start.line, f.message.as_str()))
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].1.contains("before any migration") && said[0].0 == 1);
    assert!(said[1].1.contains("not understood") && said[1].0 == 2);
    let blamed: Vec<usize> = found.iter().flat_map(|f| &f.queries).map(|q| q.line).collect();
    assert_eq!(blamed, [3]);
}

#[test]
fn the_search_path_decides_which_table_is_meant() {
    let up = &["ALTER TABLE shop.orders DROP COLUMN code;"];
    let mut query = KnownQuery::new("q.sql", 1, "SELECT code FROM orders");
    query.search_path =
        ["shop", "public"].map(|s| Ident::new(Dialect::Postgres, s, false)).to_vec();
    assert_eq!(broken(query, up).len(), 1);
    let public = KnownQuery::new("q.sql", 1, "SELECT note FROM orders");
    assert!(broken(public, up).is_empty());
}

#[test]
fn a_client_that_was_built_for_other_types_breaks_too() {
    let query = |parameters: &[&str], nullable| KnownQuery {
        parameters: parameters.iter().map(|p| (*p).to_owned()).collect(),
        columns: vec![ClientColumn { name: "total".into(), nullable }],
        ..KnownQuery::new("q.json", 1, "SELECT total FROM orders WHERE id = $1")
    };
    let kinds = |query, up| -> Vec<FaultKind> {
        broken(query, &[up]).into_iter().map(|(_, q)| q.kind).collect()
    };
    let text = "ALTER TABLE orders ALTER COLUMN id TYPE text;";
    assert_eq!(kinds(query(&["Int8"], None), text), [FaultKind::TypeMismatch]);
    assert_eq!(kinds(query(&["Text"], None), "ALTER TABLE orders ADD a int;"), []);
    let float = "ALTER TABLE orders ALTER COLUMN total TYPE double precision;";
    assert_eq!(kinds(query(&[], None), float), [FaultKind::ResultType]);
    let null = "ALTER TABLE orders ALTER COLUMN total DROP NOT NULL;";
    assert_eq!(kinds(query(&[], Some(false)), null), [FaultKind::ResultType]);
    assert_eq!(kinds(query(&[], Some(true)), null), []);
}

#[test]
fn nothing_that_is_not_known_is_called_broken() {
    // The history is not whole: `customers` may well exist.
    let query = KnownQuery::new(
        "q.sql",
        1,
        "SELECT c.name, o.id FROM orders o JOIN customers c USING (id)",
    );
    let found = findings(
        vec![query],
        &["ALTER TABLE orders ADD a int; ALTER TABLE customers ADD b int;"],
        false,
    );
    assert!(found.iter().all(|f| f.queries.is_empty()), "{found:?}");
}
