//! A private Galera cluster on the loopback.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{self, ServerFolder, ServerProcess};
use crate::session::Session;

/// Nodes of one cluster, stopped when dropped.
#[derive(Debug)]
pub struct Galera {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    port: u16,
    process: Option<ServerProcess>,
    folder: ServerFolder,
}

fn library() -> PathBuf {
    let places = ["/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so"];
    places.iter().map(PathBuf::from).find(|place| place.is_file()).unwrap_or_else(|| {
        panic!(
            "Galera is not installed: no libgalera_smm.so in /usr/lib/galera\n  next: \
             `apt-get install galera-4 rsync` (scripts/test does it)"
        )
    })
}

impl Galera {
    /// Starts a cluster of so many nodes.
    ///
    /// # Panics
    /// When MariaDB or Galera is not installed or a node does not join; the message holds its log.
    pub async fn start(nodes: usize) -> Self {
        let (server, install) = crate::mariadb::programs();
        let library = library();
        assert!(
            process::find_programs(&process::path_dirs(), &["rsync"]).is_some(),
            "rsync is not installed, with which a node copies another\n  next: `apt-get install rsync`"
        );
        let mut started: Vec<Node> = Vec::new();
        let mut seed = None;
        for number in 0..nodes {
            let folder = ServerFolder::new("galera", "mysql");
            folder.write(
                "init.sql",
                "CREATE USER IF NOT EXISTS root@'127.0.0.1'; GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n",
            );
            let mut command = folder.command(&install);
            command
                .arg("--no-defaults")
                .arg(format!("--datadir={}", folder.path().join("data").display()))
                .arg(format!("--tmpdir={}", folder.path().display()))
                .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
                .args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
            folder.run(&mut command);
            let ports = [(); 4].map(|()| process::free_port());
            let [port, group, ..] = ports;
            let process = launch(&folder, &server, &library, number, ports, seed);
            seed = seed.or(Some(group));
            started.push(Node { port, process: Some(process), folder });
        }
        let cluster = Self { nodes: started };
        for number in 0..nodes {
            cluster.wait_until_synced(number).await;
        }
        cluster
    }

    async fn wait_until_synced(&self, number: usize) {
        let deadline = Instant::now() + Duration::from_secs(90);
        let expect = self.nodes.len().to_string();
        loop {
            if let Ok(mut session) = Session::try_connect(&self.url(number, "mysql")).await {
                let state = session.rows("SHOW STATUS LIKE 'wsrep_local_state_comment'").await;
                let size = session.rows("SHOW STATUS LIKE 'wsrep_cluster_size'").await;
                let is = |rows: &[crate::TextRow], text: &str| {
                    rows.first().is_some_and(|row| row[1].as_deref() == Some(text))
                };
                if is(&state, "Synced") && is(&size, &expect) {
                    return;
                }
            }
            assert!(
                Instant::now() < deadline,
                "node {number} did not join in 90 s:\n{}",
                self.nodes[number].folder.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// URL of a database on one node, as `root`.
    #[must_use]
    pub fn url(&self, node: usize, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.nodes[node].port)
    }

    /// TCP port of a node.
    #[must_use]
    pub fn port(&self, node: usize) -> u16 {
        self.nodes[node].port
    }

    /// SIGKILL to a node, as a crash.
    pub fn kill9(&mut self, node: usize) {
        if let Some(process) = self.nodes[node].process.take() {
            process.stop("KILL", Duration::from_secs(5));
        }
    }
}

fn launch(
    folder: &ServerFolder,
    server: &Path,
    library: &Path,
    number: usize,
    [port, group, ist, sst]: [u16; 4],
    seed: Option<u16>,
) -> ServerProcess {
    let path = folder.path().display().to_string();
    let mut command = folder.command(server);
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={path}/data"))
        .arg(format!("--tmpdir={path}"))
        .arg(format!("--socket={path}/mariadb.sock"))
        .arg(format!("--pid-file={path}/mariadb.pid"))
        .arg(format!("--init-file={path}/init.sql"))
        .arg(format!("--tmpdir={path}"))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--default-time-zone=+00:00"])
        .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"])
        .args(["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"])
        .args(["--character-set-server=utf8mb4", "--performance-schema=OFF"])
        .args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON"])
        .arg(format!("--wsrep-provider={}", library.display()))
        .arg(format!("--wsrep-cluster-name=downhaul-{}", seed.unwrap_or(group)))
        .arg(format!("--wsrep-node-name=node{number}"))
        .arg(format!("--wsrep-node-address=127.0.0.1:{group}"))
        .arg("--wsrep-node-incoming-address=127.0.0.1")
        .args(["--wsrep-sst-method=rsync", "--wsrep-slave-threads=2"])
        .arg(format!("--wsrep-sst-receive-address=127.0.0.1:{sst}"))
        .arg(format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{ist};gcache.size=16M"
        ));
    match seed {
        None => {
            command.arg("--wsrep-new-cluster").arg("--wsrep-cluster-address=gcomm://");
        }
        Some(seed) => {
            command.arg(format!("--wsrep-cluster-address=gcomm://127.0.0.1:{seed}"));
        }
    }
    let process = folder.spawn(&mut command);
    // The next node copies this one, which must be there.
    if seed.is_none() {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !folder.log().contains("ready for connections") {
            assert!(
                Instant::now() < deadline,
                "the first node did not start:\n{}",
                folder.log_tail()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    process
}

impl Drop for Galera {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = node.process.take() {
                process.stop("KILL", Duration::ZERO);
            }
            if std::thread::panicking() {
                node.folder.keep_log();
            }
        }
    }
}
