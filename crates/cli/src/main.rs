//! The `downhaul` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    downhaul::main()
}
