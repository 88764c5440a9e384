//! A TCP proxy that misbehaves on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What the proxy does to its connections, those already open included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    None,
    /// Passes every piece on after this pause.
    Delay(Duration),
    /// Passes on this many bytes more from the client (over all connections), then resets.
    CutAfterClientBytes(u64),
    /// Passes on this many bytes more from the server, then resets: the client never learns
    /// whether its last statement was done.
    CutAfterServerBytes(u64),
    /// Passes on this many messages more from the client, each of which waits for its answer, then resets
    /// at the next: whatever ran is done, and its client has been told.
    CutAfterClientMessages(u64),
    /// Passes on this many messages more from the client and their answers; the next one reaches the server
    /// too, and once that has answered all is reset: what it did is done, and its client was not told.
    LoseAnswer(u64),
    /// Passes nothing on and closes nothing, as a network that has gone away.
    Stall,
    /// Resets open connections and every new one.
    Reset,
}

/// A proxy on a free port of `127.0.0.1` in front of one server; ends when dropped.
///
/// It runs on a thread of its own: a test that blocks its runtime while a program runs would else
/// keep the proxy from telling the server that the program before it is gone.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    passed: Arc<Passed>,
    /// Dropped with the proxy, which ends its thread and all of its connections.
    _alive: oneshot::Sender<()>,
}

/// Bytes passed on since the fault was set.
#[derive(Debug, Default)]
struct Passed {
    client: AtomicU64,
    server: AtomicU64,
    messages: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

impl Proxy {
    /// Starts a proxy in front of a port of `127.0.0.1`.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(target_port: u16) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .unwrap_or_else(|e| panic!("no free port on 127.0.0.1: {e}"));
        let address =
            listener.local_addr().unwrap_or_else(|e| panic!("a listener without an address: {e}"));
        let (fault, watched) = watch::channel(Fault::None);
        let passed = Arc::new(Passed::default());
        let (alive, dropped) = oneshot::channel();
        let counted = Arc::clone(&passed);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap_or_else(|e| panic!("no runtime for the proxy: {e}"));
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)
                    .unwrap_or_else(|e| panic!("a listener that is none: {e}"));
                tokio::select! {
                    () = accept(listener, target_port, watched, counted) => {}
                    _ = dropped => {}
                }
            });
        });
        Self { address, fault, passed, _alive: alive }
    }

    /// Port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL with the server's port replaced by the proxy's.
    ///
    /// # Panics
    /// When the URL has no such port.
    #[must_use]
    pub fn url(&self, url: &str, target_port: u16) -> String {
        let (from, to) = (format!(":{target_port}/"), format!(":{}/", self.port()));
        assert!(url.contains(&from), "{url} has no port {target_port}");
        url.replacen(&from, &to, 1)
    }

    /// Changes the behaviour from now on; byte counts begin anew.
    pub fn set(&self, fault: Fault) {
        self.passed.client.store(0, Ordering::SeqCst);
        self.passed.server.store(0, Ordering::SeqCst);
        self.passed.messages.store(0, Ordering::SeqCst);
        self.fault.send_replace(fault);
    }

    /// Bytes passed on since the last [`Self::set`]: from clients, from the server.
    #[must_use]
    pub fn passed(&self) -> (u64, u64) {
        let load = |n: &AtomicU64| n.load(Ordering::SeqCst);
        (load(&self.passed.client), load(&self.passed.server))
    }

    /// Messages passed on from clients since the last [`Self::set`].
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.passed.messages.load(Ordering::SeqCst)
    }
}

async fn accept(
    listener: TcpListener,
    target_port: u16,
    fault: watch::Receiver<Fault>,
    passed: Arc<Passed>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (fault, passed) = (fault.clone(), Arc::clone(&passed));
        tokio::spawn(async move {
            if *fault.borrow() == Fault::Reset {
                reset(client);
                return;
            }
            match TcpStream::connect(("127.0.0.1", target_port)).await {
                Ok(server) => relay(client, server, fault, &passed).await,
                Err(_) => reset(client),
            }
        });
    }
}

/// Closes with RST instead of FIN.
fn reset(stream: TcpStream) {
    // Where the option is refused the peer sees an ordinary close, which is a cut too.
    let _ = stream.set_zero_linger();
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    mut fault: watch::Receiver<Fault>,
    passed: &Passed,
) {
    let mut from_client = vec![0; 16 * 1024];
    let mut from_server = vec![0; 16 * 1024];
    let mut last = false;
    loop {
        let now = *fault.borrow_and_update();
        if now == Fault::Reset {
            break;
        }
        if now == Fault::Stall {
            if fault.changed().await.is_err() {
                break;
            }
            continue;
        }
        let (from, read) = tokio::select! {
            changed = fault.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            read = client.read(&mut from_client) => (From::Client, read),
            read = server.read(&mut from_server) => (From::Server, read),
        };
        let Ok(length) = read else { break };
        if length == 0 {
            // Both protocols end a session as a whole: no half-open state to keep.
            return;
        }
        // The fault may have changed while we waited for bytes; the latest word counts.
        let now = *fault.borrow();
        if from == From::Client {
            let before = passed.messages.fetch_add(1, Ordering::SeqCst);
            match now {
                Fault::CutAfterClientMessages(n) if before >= n => break,
                Fault::LoseAnswer(n) if before > n => break,
                Fault::LoseAnswer(n) => last = before == n,
                _ => {}
            }
        } else if last {
            break;
        }
        let (count, limit) = match (from, now) {
            (From::Client, Fault::CutAfterClientBytes(n)) => (&passed.client, Some(n)),
            (From::Client, _) => (&passed.client, None),
            (From::Server, Fault::CutAfterServerBytes(n)) => (&passed.server, Some(n)),
            (From::Server, _) => (&passed.server, None),
        };
        match now {
            Fault::Delay(pause) => tokio::time::sleep(pause).await,
            Fault::Reset => break,
            Fault::Stall => {
                let _ = fault.wait_for(|f| *f != Fault::Stall).await;
            }
            _ => {}
        }
        let before = count.fetch_add(length as u64, Ordering::SeqCst);
        let allowed = match limit {
            None => length,
            Some(n) => usize::try_from(n.saturating_sub(before)).map_or(length, |n| n.min(length)),
        };
        let written = match from {
            From::Client => server.write_all(&from_client[..allowed]).await,
            From::Server => client.write_all(&from_server[..allowed]).await,
        };
        if written.is_err()
            || allowed < length
            || limit.is_some_and(|n| before + length as u64 >= n)
        {
            break;
        }
    }
    reset(client);
    reset(server);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Postgres, Session};

    #[tokio::test]
    async fn faults_reach_open_and_new_connections() {
        let server = Postgres::shared();
        let proxy = Proxy::start(server.port());
        let url = proxy.url(&server.url(), server.port());
        let mut session = Session::connect(&url).await;
        assert_eq!(session.value("SELECT 1").await.as_deref(), Some("1"));

        proxy.set(Fault::Delay(Duration::from_millis(100)));
        let start = std::time::Instant::now();
        session.run("SELECT 1").await;
        assert!(start.elapsed() >= Duration::from_millis(200), "once there, once back");

        proxy.set(Fault::Stall);
        let waited = tokio::time::timeout(Duration::from_millis(200), session.try_run("SELECT 1"));
        assert!(waited.await.is_err(), "no answer and no error");

        proxy.set(Fault::None);
        let mut session = Session::connect(&url).await;
        session.run("SELECT 1").await;
        proxy.set(Fault::Reset);
        assert!(session.try_run("SELECT 1").await.is_err());
        assert!(Session::try_connect(&url).await.is_err());
    }

    #[tokio::test]
    async fn an_answer_can_be_lost_after_the_work_was_done() {
        let server = Postgres::shared();
        let database = server.fresh_database().await;
        let proxy = Proxy::start(server.port());
        let mut direct = database.session().await;
        direct.run("CREATE TABLE t (a int)").await;
        let mut session = Session::connect(&proxy.url(database.url(), server.port())).await;
        proxy.set(Fault::CutAfterServerBytes(0));
        assert!(session.try_run("INSERT INTO t VALUES (1)").await.is_err());
        assert_eq!(direct.value("SELECT count(*) FROM t").await.as_deref(), Some("1"));

        proxy.set(Fault::None);
        let mut session = Session::connect(&proxy.url(database.url(), server.port())).await;
        direct.run("TRUNCATE t").await;
        proxy.set(Fault::LoseAnswer(1));
        assert!(session.try_run("INSERT INTO t VALUES (1)").await.is_ok());
        assert!(session.try_run("INSERT INTO t VALUES (2)").await.is_err());
        assert_eq!(direct.value("SELECT sum(a) FROM t").await.as_deref(), Some("3"));
        direct.run("DELETE FROM t WHERE a = 2").await;

        proxy.set(Fault::None);
        let mut session = Session::connect(&proxy.url(database.url(), server.port())).await;
        proxy.set(Fault::CutAfterClientBytes(10));
        assert!(session.try_run("INSERT INTO t VALUES (1)").await.is_err());
        assert_eq!(direct.value("SELECT count(*) FROM t").await.as_deref(), Some("1"));
    }
}
