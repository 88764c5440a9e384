//! What the statements of the running release answer.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::{Session, TextRow};

/// Of the statements that work, by name.
pub(crate) type Answers = BTreeMap<String, Answer>;

/// What one of them says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answer {
    /// It reads, and finds something.
    rows: bool,
    /// A value is the quoted name that the query asks for: SQLite takes the name of a column that is
    /// not there for a string.
    echo: bool,
}

/// Sends a statement; `None` where it fails.
pub(crate) async fn ask(session: &mut Session, query: &str) -> Option<Answer> {
    let reads = query.rsplit("; ").next().is_some_and(|q| q.starts_with("SELECT "));
    if !reads {
        return session.try_run(query).await.ok().map(|()| Answer::default());
    }
    match session.try_rows(query).await {
        Ok(rows) => Some(Answer { rows: !rows.is_empty(), echo: echoes(query, &rows) }),
        Err(e) if e.as_database_error().is_some() => None,
        // A value that is no text: it is there.
        Err(_) => Some(Answer { rows: true, echo: false }),
    }
}

fn echoes(query: &str, rows: &[TextRow]) -> bool {
    query
        .split('"')
        .skip(1)
        .step_by(2)
        .any(|name| rows.iter().flatten().any(|value| value.as_deref() == Some(name)))
}

/// Names of those that fail now, answer with the name of a column, or find nothing any more though
/// nothing is lost.
pub(crate) fn broken(before: &Answers, after: &Answers, loses: bool) -> BTreeSet<String> {
    let breaks = |(name, old): &(&String, &Answer)| {
        after.get(*name).is_none_or(|new| !loses && old.rows && !new.rows || !old.echo && new.echo)
    };
    before.iter().filter(breaks).map(|(name, _)| name.clone()).collect()
}
