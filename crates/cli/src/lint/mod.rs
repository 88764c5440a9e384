//! What `downhaul lint` does around the analyzer: which files, in which order, in which dialect,
//! by which settings.

pub mod baseline;
pub mod beginning;
pub mod changed;
pub mod dialect;
pub mod glob;
pub mod live;
pub mod queries;
pub mod select;
pub mod settings;
pub mod values;

use std::path::Path;

/// A path as the report names it: relative to the current folder where it lies below it.
#[must_use]
pub fn shown(path: &Path) -> String {
    let relative = std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(&here).ok().map(Path::to_owned))
        .unwrap_or_else(|| path.to_owned());
    let text = relative.to_string_lossy().replace('\\', "/");
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}
