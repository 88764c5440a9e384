//! `downhaul new`.

use std::path::Path;

use downhaul_plan::{Version, load};
use jiff::Timestamp;

use crate::args::{Global, NewArgs};
use crate::config::Config;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Makes an up and a down file with the next version.
pub fn run(global: &Global, args: &NewArgs, ui: &Ui) -> Result<Code, CliError> {
    let dir = Config::load(global)?.dir(args.dir.as_deref());
    let name = slug(&args.name.join(" "));
    if name.is_empty() {
        return Err(CliError::usage("the name needs at least one letter or digit"));
    }
    let series = load(&dir)?;
    let version = next_version(series.migrations.iter().map(|m| &m.version).max());
    let up = format!("-- {}\n\n", args.name.join(" "));
    let down = format!("-- Takes back: {}\n\n", args.name.join(" "));
    for (suffix, text) in [("up", up), ("down", down)] {
        let path = dir.join(format!("{version}_{name}.{suffix}.sql"));
        write_new(&path, &text)?;
        ui.line(path.display().to_string());
    }
    Ok(Code::Clean)
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    use std::io::Write;
    std::fs::File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CliError::usage(format!("cannot make `{}`: {error}", path.display())))
}

/// `Add customer's phone!` → `add_customer_s_phone`.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() {
            slug.extend(c.to_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    slug.trim_end_matches('_').to_owned()
}

/// After `0007` comes `0008`; a folder of time stamps goes on with time stamps (UTC), and so does
/// an empty one begin at `0001`.
pub(crate) fn next_version(last: Option<&Version>) -> String {
    let Some(last) = last.map(Version::as_str) else { return "0001".into() };
    if last.len() == 14 && last.chars().all(|c| c.is_ascii_digit()) {
        let stamp = Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
        if stamp.as_str() > last {
            return stamp;
        }
    }
    let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
    let next = digits.parse::<u128>().map_or(1, |n| n + 1);
    format!("{next:0width$}", width = digits.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        assert_eq!(slug("Add customer's phone!"), "add_customer_s_phone");
        assert_eq!(slug("  --  "), "");
        assert_eq!(slug("Größe ändern"), "größe_ändern");
    }

    #[test]
    fn versions_go_on() {
        assert_eq!(next_version(None), "0001");
        assert_eq!(next_version(Some(&Version::new("0009"))), "0010");
        assert_eq!(next_version(Some(&Version::new("9"))), "10");
        let stamp = next_version(Some(&Version::new("20200101000000")));
        assert_eq!(stamp.len(), 14);
        assert!(stamp.as_str() > "20200101000000");
        assert_eq!(next_version(Some(&Version::new("99990101000000"))), "99990101000001");
    }
}
