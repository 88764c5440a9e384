//! Times and spans of time as users type them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// `90`, `90s`, `5min`, `2h`, `1d`: seconds where no unit is named.
///
/// # Errors
/// What is wrong, for people.
pub fn span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write it as 90s, 5min or 2h".to_owned())?;
    let seconds = match unit.trim() {
        "ms" => return Ok(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        other => return Err(format!("`{other}` is no unit of time: ms, s, min, h, d or w")),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "that is too long".into())
}

/// An age, as a [`span`] with its unit: what is older may be dropped, so that a bare number is not
/// taken for seconds.
///
/// # Errors
/// What is wrong, for people.
pub fn age(text: &str) -> Result<Duration, String> {
    match text.trim().ends_with(|c: char| c.is_alphabetic()) {
        true => span(text),
        false => Err("write it with its unit: 30d, 12h or 45m".to_owned()),
    }
}

/// A moment as the journal writes it (UTC, milliseconds): `2026-01-02`, `2026-01-02 03:04`,
/// `2026-01-02T03:04:05.678Z`, `2026-01-02T05:04+02:00`. Without a zone it is UTC, as `history` and
/// `status` show it.
///
/// # Errors
/// What is wrong, for people.
pub fn utc(text: &str) -> Result<String, String> {
    let text = text.trim();
    let moment = text
        .parse::<Timestamp>()
        .or_else(|_| {
            text.parse::<civil::DateTime>()?.to_zoned(TimeZone::UTC).map(|z| z.timestamp())
        })
        .map_err(|_| {
            "write it as 2026-01-02T03:04:05Z, or with +02:00 for another zone".to_owned()
        })?;
    Ok(iso(moment))
}

/// Whether a moment as [`utc`] takes it lies in the future.
pub fn is_to_come(text: &str) -> bool {
    utc(text).is_ok_and(|moment| moment > iso(Timestamp::now()))
}

/// A moment as the journal writes it: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn iso(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("5min", 300), ("5 m", 300), ("2h", 7200), ("1d", 86_400)]
        {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(span("200ms"), Ok(Duration::from_millis(200)));
        for text in ["", "s", "5 weeks", "-1s", "99999999999999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ages_name_their_unit() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(2_592_000)));
        assert_eq!(age("2w"), Ok(Duration::from_secs(1_209_600)));
        for text in ["", "d", "5", "5 weeks"] {
            assert!(age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments() {
        for (text, expect) in [
            ("2026-01-02", "2026-01-02T00:00:00.000Z"),
            ("2026-01-02 03:04", "2026-01-02T03:04:00.000Z"),
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T01:04+02:00", "2026-01-01T23:04:00.000Z"),
            ("2024-02-29T23:30:00-01:30", "2024-03-01T01:00:00.000Z"),
            ("1999-12-31 23:59:59", "1999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(text).as_deref(), Ok(expect), "{text}");
        }
        for text in
            ["", "yesterday", "2026-13-01", "2026-02-29", "2026-01-01T25:00", "2026-01-01T1"]
        {
            assert!(utc(text).is_err(), "{text}");
        }
    }
}
