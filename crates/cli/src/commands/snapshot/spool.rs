//! A result that may be larger than memory, and must not be a part of one.
//!
//! While rows are read a transaction is open, on SQLite one that holds the file. So they are put down first, in memory
//! and from some size on in a file without a name, and written when the transaction is over: a pager that nobody
//! scrolls holds up nobody.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Seek, Write};
use std::ops::ControlFlow;

use tempfile::SpooledTempFile;

use crate::error::CliError;
use crate::exit_code::Code;

/// Bytes that stay in memory.
const IN_MEMORY: usize = 8 << 20;

pub(super) struct Spool {
    file: BufWriter<SpooledTempFile>,
    failed: Option<io::Error>,
}

impl Spool {
    pub(super) fn new() -> Self {
        Self { file: BufWriter::new(SpooledTempFile::new(IN_MEMORY)), failed: None }
    }

    /// Text as it is. Says whether more is of any use.
    pub(super) fn text(&mut self, text: &str) -> ControlFlow<()> {
        if self.failed.is_none() {
            self.failed = self.file.write_all(text.as_bytes()).err();
        }
        if self.failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A line. Says whether more is of any use.
    pub(super) fn line(&mut self, line: &str) -> ControlFlow<()> {
        self.text(line)?;
        self.text("\n")
    }

    /// Writes it all to the standard output: every byte, but where a person looks on nothing that steers a terminal.
    pub(super) fn pour(self) -> Result<(), CliError> {
        let file = self.failed.map_or_else(|| rewound(self.file), Err);
        let mut file = file.map_err(|error| {
            let folder = std::env::temp_dir();
            CliError::new(
                Code::FailedUnchanged,
                format!(
                    "the rows do not go into the temporary folder {}: {error}",
                    folder.display()
                ),
            )
            .state("nothing was written")
            .hint("TMPDIR names another folder; --limit and --where leave rows out")
        })?;
        let out = io::stdout();
        let poured = if out.is_terminal() {
            let mut out = anstream::StripStream::new(out.lock());
            io::copy(&mut file, &mut out).and_then(|_| out.flush())
        } else {
            let mut out = out.lock();
            io::copy(&mut file, &mut out).and_then(|_| out.flush())
        };
        match poured {
            // Who closed a pipe has seen enough.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::new(
                Code::FailedUnchanged,
                format!("the result was not written whole: {error}"),
            )
            .hint("take what there is for a part, and write it again where there is room")),
            _ => Ok(()),
        }
    }
}

fn rewound(file: BufWriter<SpooledTempFile>) -> io::Result<SpooledTempFile> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}
