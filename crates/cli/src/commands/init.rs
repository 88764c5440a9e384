//! `downhaul init`.

use std::path::Path;

use crate::args::{Global, InitArgs};
use crate::config::FILE;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Makes the folder and the configuration; leaves what is there.
pub fn run(_global: &Global, args: &InitArgs, ui: &Ui) -> Result<Code, CliError> {
    let failed = |path: &Path, error: std::io::Error| {
        CliError::usage(format!("cannot make `{}`: {error}", path.display()))
    };
    if args.dir.is_dir() {
        ui.line(format!("{}/ is there already", args.dir.display()));
    } else {
        std::fs::create_dir_all(&args.dir).map_err(|error| failed(&args.dir, error))?;
        ui.line(format!("made {}/", args.dir.display()));
    }
    let config = Path::new(FILE);
    if config.exists() {
        ui.line(format!("{FILE} is there already"));
    } else {
        let dir = args.dir.to_string_lossy().replace('\\', "/");
        let text = format!(
            "# Configuration of Downhaul. Found from here and from every folder below.\ndir = {}\n",
            toml::Value::String(dir)
        );
        std::fs::write(config, text).map_err(|error| failed(config, error))?;
        ui.line(format!("made {FILE}"));
    }
    ui.line("next: downhaul new create customers");
    Ok(Code::Clean)
}
