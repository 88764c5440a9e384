//! What people see. Data goes to standard output, everything else to standard error.

use std::io::{BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

use anstream::ColorChoice;

use crate::args::{Color, LogFormat};
use crate::error::CliError;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const CYAN: &str = "\u{1b}[36m";
const RESET: &str = "\u{1b}[0m";

/// Output and questions.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    choice: ColorChoice,
    log: LogFormat,
}

/// A colour or weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Style {
    Bold,
    Dim,
    Bad,
    Good,
    Warn,
    Accent,
}

/// Text in a style; the codes are stripped where the output takes none.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    let code = match style {
        Style::Bold => BOLD,
        Style::Dim => DIM,
        Style::Bad => RED,
        Style::Good => GREEN,
        Style::Warn => YELLOW,
        Style::Accent => CYAN,
    };
    format!("{code}{text}{RESET}")
}

impl Ui {
    /// An interface that colours as asked.
    #[must_use]
    pub fn new(color: Color, log: LogFormat) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { choice, log }
    }

    /// A line of the result. A closed pipe is no error of ours.
    pub fn line(&self, text: impl AsRef<str>) {
        let mut out =
            anstream::AutoStream::new(std::io::stdout(), self.resolve(&std::io::stdout()));
        let _ = writeln!(out, "{}", text.as_ref());
        let _ = out.flush();
    }

    /// A result of several lines that ends with a line end.
    pub fn text(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // One write: an adapter that looks at each piece is slow on long reports.
        let _ = if self.colors() {
            out.write_all(text.as_bytes())
        } else {
            out.write_all(anstream::adapter::strip_str(text).to_string().as_bytes())
        };
        let _ = out.flush();
    }

    /// A result for programs, written as it is made. A closed pipe is no error of ours.
    pub fn write(
        &self,
        make: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> std::io::Result<()>,
    ) {
        let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        let _ = make(&mut out);
        let _ = out.flush();
    }

    /// Columns of the terminal; 100 where there is none.
    #[must_use]
    pub fn width(&self) -> usize {
        terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0).max(40))
    }

    /// A remark beside the result.
    pub fn remark(&self, text: impl AsRef<str>) {
        let mut out =
            anstream::AutoStream::new(std::io::stderr(), self.resolve(&std::io::stderr()));
        let _ = writeln!(out, "{}", text.as_ref());
    }

    fn resolve(&self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.choice {
            ColorChoice::Auto => anstream::AutoStream::choice(stream),
            choice => choice,
        }
    }

    /// Whether standard output takes colours.
    #[must_use]
    pub fn colors(&self) -> bool {
        !matches!(self.resolve(&std::io::stdout()), ColorChoice::Never)
    }

    /// Whether events are told to programs.
    #[must_use]
    pub fn logs_json(&self) -> bool {
        self.log == LogFormat::Json
    }

    /// Whether bars can be drawn: nobody but a person on a terminal sees standard error.
    #[must_use]
    pub fn can_draw(&self) -> bool {
        !self.logs_json() && std::io::stderr().is_terminal()
    }

    /// An error with its state and next step.
    pub fn error(&self, error: &CliError) {
        if self.logs_json() {
            self.remark(crate::progress::error_line(error));
            return;
        }
        self.remark(format!("{} {}", paint(Style::Bad, "error:"), error.message));
        if let Some(detail) = &error.detail {
            for line in detail.lines() {
                self.remark(format!("  {line}"));
            }
        }
        if let Some(state) = &error.state {
            self.remark(format!("{} {state}", paint(Style::Bold, "state:")));
        }
        if let Some(hint) = &error.hint {
            self.remark(format!("{}  {hint}", paint(Style::Bold, "next:")));
        }
    }

    /// Whether a person can answer.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks; anything but yes is no. The connections are kept alive while a person thinks.
    pub async fn confirm(&self, question: &str) -> bool {
        let question = question.to_owned();
        tokio::task::spawn_blocking(move || Self::ask(&question)).await.unwrap_or(false)
    }

    fn ask(question: &str) -> bool {
        let mut err = std::io::stderr();
        let _ = write!(err, "{question} [y/N] ");
        let _ = err.flush();
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).is_err() {
            return false;
        }
        matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }
}

/// 1 → `1 row`, 2 → `2 rows`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(n))
}

/// 20000 → `20,000`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12 ms`, `3.4 s`, `2 min 5 s`.
#[must_use]
pub fn duration(took: Duration) -> String {
    let ms = took.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", took.as_secs_f64()),
        _ => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1234567), "1,234,567");
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(2000, "row"), "2,000 rows");
        assert_eq!(duration(Duration::from_millis(999)), "999 ms");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
    }
}
