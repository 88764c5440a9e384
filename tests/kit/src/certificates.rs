//! Certificates for servers, made for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A root, a certificate of a server on this machine that it issued, one for another host, and a root
/// that issued nothing. Made by `openssl`, valid for two days.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
}

/// What a server shows and keeps: certificate and key, as PEM.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When `openssl` is not installed or refuses.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("downhaul-certificates-")
            .tempdir()
            .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"));
        let made = Self { dir };
        for name in ["root", "other"] {
            made.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout {name}.key -out {name}.pem \
                 -subj /CN={name} -addext basicConstraints=critical,CA:TRUE"
            ));
        }
        for (name, names) in
            [("here", "DNS:localhost,IP:127.0.0.1"), ("elsewhere", "DNS:db.invalid")]
        {
            made.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            let extensions = format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n");
            fs::write(made.path("extensions"), extensions)
                .unwrap_or_else(|e| panic!("cannot write a file of the folder: {e}"));
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
            ));
        }
        made
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| {
                panic!("cannot run `openssl`: {e}\n  next: `apt-get install openssl`")
            });
        assert!(
            output.status.success(),
            "openssl {arguments}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self, name: &str) -> ServerCertificate {
        let read = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()))
        };
        ServerCertificate {
            certificate: read(&self.path(&format!("{name}.pem"))),
            key: read(&self.path(&format!("{name}.key"))),
        }
    }

    /// File of the root that issued the servers' certificates.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.path("root.pem")
    }

    /// File of a root that issued none.
    #[must_use]
    pub fn other_root(&self) -> PathBuf {
        self.path("other.pem")
    }

    /// For `localhost` and `127.0.0.1`.
    #[must_use]
    pub fn here(&self) -> ServerCertificate {
        self.server("here")
    }

    /// For a host of another name.
    #[must_use]
    pub fn elsewhere(&self) -> ServerCertificate {
        self.server("elsewhere")
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
