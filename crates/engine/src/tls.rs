//! Encrypted connections: what can be said of their settings before, and of their failures after.

use std::path::Path;

use crate::EngineError;

/// What PostgreSQL calls its modes (manual §34.19), and MySQL its own (manual §6.3.1), which are read
/// without regard to case.
const POSTGRES_MODES: [&str; 6] =
    ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const MYSQL_MODES: [&str; 5] =
    ["disabled", "preferred", "required", "verify_ca", "verify_identity"];

/// Checks the parameters of a URL that are about encryption: the driver tells of a mode that it does
/// not know, or of a file that is not there, without saying which.
pub(crate) fn check(url: &str) -> Result<(), EngineError> {
    let bad = |message: String| Err(EngineError::BadUrl { message });
    let postgres = url.starts_with("postgres");
    let Some((_, parameters)) = url.split_once('?') else { return Ok(()) };
    for (name, value) in parameters.split('&').filter_map(|parameter| parameter.split_once('=')) {
        let value = decoded(value);
        match name {
            "sslmode" | "ssl-mode" => {
                let modes: &[&str] = if postgres { &POSTGRES_MODES } else { &MYSQL_MODES };
                let known = if postgres { value.clone() } else { value.to_ascii_lowercase() };
                if !modes.contains(&known.as_str()) {
                    return bad(format!("{name} is none of {}", modes.join(", ")));
                }
            }
            "sslrootcert" | "ssl-root-cert" | "sslca" | "ssl-ca" | "sslcert" | "ssl-cert" => {
                // The operating system's own roots (libpq from version 16 on).
                if value == "system" {
                    continue;
                }
                let text = match std::fs::read_to_string(Path::new(&value)) {
                    Ok(text) => text,
                    Err(error) => return bad(format!("{name} names `{value}`: {error}")),
                };
                if !text.contains("-----BEGIN CERTIFICATE-----") {
                    return bad(format!(
                        "{name} names `{value}`, which holds no certificate (PEM)"
                    ));
                }
            }
            "sslkey" | "ssl-key" => {
                if let Err(error) = std::fs::File::open(Path::new(&value)) {
                    return bad(format!("{name} names `{value}`: {error}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `%2F` → `/`.
fn decoded(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Why no encrypted connection came about, where an error of the driver says that.
pub(crate) fn cause(error: &sqlx::Error) -> Option<String> {
    let text = error.to_string();
    if text.contains("does not support TLS") {
        return Some("the server offers no encryption".into());
    }
    // As rustls writes its errors.
    if let Some((_, why)) = text.split_once("invalid peer certificate: ") {
        return Some(if why.starts_with("UnknownIssuer") {
            "the server's certificate was not issued by a root that is trusted here".into()
        } else if why.contains("not valid for name") || why.starts_with("NotValidForName") {
            "the server's certificate is for another host name".into()
        } else if why.starts_with("Expired") || why.contains("expired") {
            "the server's certificate has expired".into()
        } else if why.starts_with("NotValidYet") || why.contains("not valid yet") {
            "the server's certificate is not valid yet".into()
        } else {
            format!("the server's certificate cannot be trusted: {why}")
        });
    }
    matches!(error, sqlx::Error::Tls(_)).then(|| format!("no encrypted connection: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_files_are_checked_by_name() {
        let said = |url: &str| check(url).map_err(|error| error.to_string());
        assert_eq!(said("postgres://u@h/d?sslmode=verify-full"), Ok(()));
        assert_eq!(said("mysql://u@h/d?ssl-mode=VERIFY_CA"), Ok(()));
        assert_eq!(said("postgres://u@h/d?sslmode=prefer&sslrootcert=system"), Ok(()));
        let bogus = said("postgres://u:s3cret@h/d?sslmode=verify_full").unwrap_err();
        assert!(bogus.contains("sslmode is none of disable, allow"), "{bogus}");
        let missing = said("mysql://u:s3cret@h/d?ssl-ca=%2Fno%2Fsuch.pem").unwrap_err();
        assert!(missing.contains("ssl-ca names `/no/such.pem`"), "{missing}");
        assert!(!bogus.contains("s3cret") && !missing.contains("s3cret"));
    }
}
