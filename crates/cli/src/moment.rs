//! Times and spans of time as users type them.

use std::time::Duration;

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
        other => return Err(format!("`{other}` is no unit of time: ms, s, min, h or d")),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "that is too long".into())
}

/// A moment as the journal writes it (UTC, milliseconds): `2026-01-02`, `2026-01-02 03:04`,
/// `2026-01-02T03:04:05.678Z`, `2026-01-02T05:04+02:00`. Without a zone it is UTC, as `history` and
/// `status` show it.
///
/// # Errors
/// What is wrong, for people.
pub fn utc(text: &str) -> Result<String, String> {
    let wrong = || "write it as 2026-01-02T03:04:05Z, or with +02:00 for another zone".to_owned();
    let text = text.trim();
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim()),
        None => (text, "00:00"),
    };
    let number = |part: &str| part.parse::<i64>().ok().filter(|n| *n >= 0);
    let date: Vec<&str> = date.split('-').collect();
    let [year, month, day] = date[..] else { return Err(wrong()) };
    let (Some(year), Some(month), Some(day)) = (number(year), number(month), number(day)) else {
        return Err(wrong());
    };
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest[..at].trim(), &rest[at..]),
        None => (rest, "Z"),
    };
    let offset = match offset {
        "Z" | "z" => 0,
        signed => {
            let (hours, minutes) = signed[1..].split_once(':').unwrap_or((&signed[1..], "0"));
            let (Some(hours), Some(minutes)) = (number(hours), number(minutes)) else {
                return Err(wrong());
            };
            let minutes = hours * 60 + minutes;
            if signed.starts_with('-') { -minutes } else { minutes }
        }
    };
    let mut clock = clock.splitn(3, ':');
    let hour = clock.next().and_then(number);
    let minute = clock.next().and_then(number);
    let (seconds, fraction) = match clock.next() {
        None => ("0", ""),
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
    };
    let (Some(hour), Some(minute), Some(second)) = (hour, minute, number(seconds)) else {
        return Err(wrong());
    };
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let Some(millis) = number(&millis) else { return Err(wrong()) };
    let days_in = |month: i64| match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let real = (1..=12).contains(&month)
        && (1..=days_in(month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && (1970..=9999).contains(&year);
    if !real {
        return Err(format!("there is no such moment; {}", wrong()));
    }
    let seconds =
        days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    let seconds = u64::try_from(seconds).map_err(|_| wrong())?;
    Ok(format!("{}.{millis:03}Z", iso(seconds)))
}

/// Days since 1970-01-01, by the days-from-civil algorithm.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year - era * 400;
    let month_index = (month + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Seconds since 1970 as `YYYY-MM-DDTHH:MM:SS` (UTC), by the civil-from-days algorithm.
#[must_use]
pub fn iso(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
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
