//! Where a table is divided, so that several sessions can go over it at once.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::Dialect;

use super::ledger::Place;
use super::pace::FIRST;
use super::stretches::Stretch;
use super::walk::{KeyColumn, Walk, Way, block};

/// Stretches for each session: whoever is done early takes another one, so that the last is not
/// waited for alone.
const EACH: u64 = 4;

/// Rows that a sample should have for each stretch: enough for stretches of about the same length,
/// though the server takes whole blocks of neighbours.
const SAMPLE: u64 = 500;

/// Stretches at most, whatever a server guesses of the number of rows.
const MOST: usize = 1000;

impl Walk {
    /// Divides what is left of the table behind a place for so many sessions; what an earlier run has
    /// done is a stretch that has ended. Empty where it cannot be divided, or is too small for it.
    pub(crate) async fn split(
        &self,
        session: &mut dyn Session,
        place: &Place,
        sessions: u64,
    ) -> Result<Vec<Stretch>, EngineError> {
        let left = self.total.saturating_sub(place.passed);
        let wanted = (sessions * EACH).min(left / FIRST);
        if wanted < 2 || place.ended {
            return Ok(Vec::new());
        }
        let cuts = match &self.way {
            Way::Whole => return Ok(Vec::new()),
            Way::Blocks => {
                let first = block(place.cursor.as_ref()).unwrap_or(0);
                let blocks = self.blocks(session).await?;
                block_cuts(first, blocks, wanted)
            }
            Way::Key(key) => {
                let sampled = match self.dialect {
                    Dialect::Postgres => self.sampled(session, key, place, wanted).await?,
                    _ => Vec::new(),
                };
                if sampled.is_empty() {
                    self.counted(session, key, place, left / wanted).await?
                } else {
                    sampled
                }
            }
        };
        Ok(between(place, cuts))
    }

    /// Keys at even distances in a sample of the table's blocks (PostgreSQL). None where the table
    /// has too few rows for that, or is not one of which the server takes samples.
    async fn sampled(
        &self,
        session: &mut dyn Session,
        key: &[KeyColumn],
        place: &Place,
        wanted: u64,
    ) -> Result<Vec<Vec<String>>, EngineError> {
        let plain = session
            .number(&format!(
                "SELECT count(*) FROM pg_class WHERE oid = CAST({} AS regclass) AND relkind IN ('r', 'p')",
                self.dialect.literal(&self.table)
            ))
            .await?;
        if plain == 0 {
            return Ok(Vec::new());
        }
        let share = ((wanted * SAMPLE * 100) as f64 / self.total.max(1) as f64).clamp(0.001, 100.0);
        let filter = match &place.cursor {
            Some(values) => format!(" WHERE {}", self.behind(key, values)),
            None => String::new(),
        };
        let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
        let reads: Vec<String> = key
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{} AS v{at}", column.read()))
            .collect();
        let values: Vec<String> = (0..key.len()).map(|at| format!("v{at}")).collect();
        let rows = session
            .rows(&format!(
                "SELECT {values} FROM (SELECT {reads}, row_number() OVER (ORDER BY {names}) AS n, count(*) OVER () AS c FROM {table} TABLESAMPLE SYSTEM ({share:.3}){filter}) AS sample \
                 WHERE n < c AND n * {wanted} / c <> (n - 1) * {wanted} / c ORDER BY n",
                values = values.join(", "),
                reads = reads.join(", "),
                names = names.join(", "),
                table = self.table,
            ))
            .await?;
        // A handful of blocks says nothing of the whole.
        if (rows.len() as u64) + 1 < wanted {
            return Ok(Vec::new());
        }
        Ok(rows
            .iter()
            .map(|row| (0..key.len()).map(|at| row.text(at).to_owned()).collect())
            .collect())
    }

    /// Keys with so many rows between them, counted along the key.
    async fn counted(
        &self,
        session: &mut dyn Session,
        key: &[KeyColumn],
        place: &Place,
        step: u64,
    ) -> Result<Vec<Vec<String>>, EngineError> {
        let mut cuts: Vec<Vec<String>> = Vec::new();
        let mut last = place.cursor.clone();
        while cuts.len() < MOST {
            let bounds: Vec<String> = last.iter().map(|values| self.behind(key, values)).collect();
            let Some(next) = self.key_at(session, key, &bounds, step).await? else { break };
            last = Some(next.clone());
            cuts.push(next);
        }
        Ok(cuts)
    }
}

/// Numbers of blocks between two others, at even distances.
fn block_cuts(first: u64, end: u64, wanted: u64) -> Vec<Vec<String>> {
    let mut cuts: Vec<u64> =
        (1..wanted).map(|n| first + end.saturating_sub(first) * n / wanted).collect();
    cuts.dedup();
    cuts.retain(|cut| *cut > first);
    cuts.into_iter().map(|cut| vec![cut.to_string()]).collect()
}

/// What lies before, between and behind the cuts.
fn between(place: &Place, cuts: Vec<Vec<String>>) -> Vec<Stretch> {
    if cuts.is_empty() {
        return Vec::new();
    }
    let mut stretches = Vec::new();
    if place.cursor.is_some() {
        let before = Place { ended: true, ..place.clone() };
        stretches.push((None, place.cursor.clone(), before));
    }
    let mut lower = place.cursor.clone();
    for cut in cuts.into_iter().map(Some).chain([None]) {
        stretches.push((lower.clone(), cut.clone(), Place::behind(lower)));
        lower = cut;
    }
    if place.cursor.is_none() {
        // What an earlier pass over the table has done is still counted.
        stretches[0].2.rows = place.rows;
    }
    let numbered = stretches.into_iter().zip(1..);
    numbered
        .map(|((lower, upper, place), number)| Stretch { number, lower, upper, place })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Option<Vec<String>> {
        Some(vec![n.to_string()])
    }

    #[test]
    fn stretches_meet_and_leave_nothing_out() {
        let cuts = block_cuts(0, 100, 4);
        assert_eq!(cuts, [vec!["25".to_owned()], vec!["50".into()], vec!["75".into()]]);
        let stretches = between(&Place::behind(None), cuts);
        assert_eq!(stretches.len(), 4);
        assert_eq!((&stretches[0].lower, &stretches[3].upper), (&None, &None));
        for pair in stretches.windows(2) {
            assert_eq!(pair[0].upper, pair[1].lower);
            assert_eq!(pair[1].place.cursor, pair[1].lower);
        }
    }

    #[test]
    fn what_an_earlier_run_has_done_is_not_done_again() {
        let reached = Place { rows: 7, passed: 40, ..Place::behind(key(40)) };
        let stretches = between(&reached, block_cuts(40, 60, 2));
        let ends: Vec<_> = stretches.iter().map(|s| (s.lower.clone(), s.upper.clone())).collect();
        assert_eq!(ends, [(None, key(40)), (key(40), key(50)), (key(50), None)]);
        assert!(stretches[0].place.ended && !stretches[1].place.ended);
        assert_eq!((stretches[0].place.rows, stretches[1].place.rows), (7, 0));
    }

    #[test]
    fn few_blocks_are_few_stretches() {
        assert_eq!(block_cuts(0, 2, 8).len(), 1);
        assert!(block_cuts(5, 5, 8).is_empty());
    }
}
