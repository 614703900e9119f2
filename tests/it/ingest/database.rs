//! A PostgreSQL of a test's own, in a folder that goes with it.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use crate::rig::eventually;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running database server.
#[derive(Debug)]
pub(super) struct Postgres {
    dir: TempDir,
    pub(super) port: u16,
    child: Option<Child>,
    /// PostgreSQL refuses to run as root: then it runs as this user and group.
    owner: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts one; it takes clients when this returns.
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let owner = unprivileged();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let home = dir.path().join("pg");
        fs::create_dir(&home).unwrap();
        if let Some((uid, gid)) = owner {
            chown(&home, Some(uid), Some(gid)).unwrap();
        }
        let mut it = Self { dir, port, child: None, owner };
        let made = it
            .command("initdb")
            .args(["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--username=owner", "--encoding=UTF8", "--locale=C", "--pgdata"])
            .arg(it.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        it.run().await;
        it
    }

    /// Runs it again after [`Postgres::stop`], with the same data at the same place.
    pub(super) async fn run(&mut self) {
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        let child = self
            .command("postgres")
            .args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-p"])
            .arg(self.port.to_string())
            .arg("-k")
            .arg(self.home())
            .arg("-D")
            .arg(self.data())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let url = self.url("owner", "postgres");
        let what = "the database takes clients";
        eventually(what, PATIENCE, async || tokio_postgres::connect(&url, NoTls).await.is_ok())
            .await;
    }

    /// Ends it at once, as a crash would.
    pub(super) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.id().to_string();
        Command::new("kill").args(["-QUIT", &pid]).status().unwrap();
        child.wait().unwrap();
    }

    /// Has it take TLS, with the certificate of the tests for localhost.
    pub(super) async fn use_tls(&mut self) {
        self.stop();
        for name in ["tls.cert.pem", "tls.pem"] {
            let to = self.data().join(name);
            fs::copy(Path::new("tests/it/keys").join(name), &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = self.owner {
                chown(&to, Some(uid), Some(gid)).unwrap();
            }
        }
        let mut settings =
            fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf")).unwrap();
        settings
            .write_all(b"ssl = on\nssl_cert_file = 'tls.cert.pem'\nssl_key_file = 'tls.pem'\n")
            .unwrap();
        self.run().await;
    }

    /// PgBouncer before it, in transaction mode; the URL through it.
    pub(super) fn pgbouncer(&self, user: &str) -> (Pooler, String) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = self.home();
        let (settings, users) = (home.join("pgbouncer.ini"), home.join("users.txt"));
        fs::write(&users, format!("\"{user}\" \"\"\n")).unwrap();
        let text = format!(
            "[databases]\npostgres = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n",
            home.display(),
            self.port,
            users.display()
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new(pooler_program());
        let mut command = self.unprivileged(&mut command);
        command = command.arg(&settings).stdout(Stdio::null()).stderr(Stdio::null());
        let pooler = Pooler(command.spawn().expect("PgBouncer is missing: `./test` installs it"));
        (pooler, format!("postgres://{user}@127.0.0.1:{port}/postgres?sslmode=disable"))
    }

    /// A URL that goes by the socket, where everybody is believed.
    pub(super) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@/{database}?host={}&port={}", self.home().display(), self.port)
    }

    /// A client of the owner's; the task that drives it ends with it.
    pub(super) async fn client(&self) -> Client {
        let url = self.url("owner", "postgres");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        userline::tasks::Tasks::new().spawn("database", async {
            // It breaks when a test breaks it.
            connection.await.ok();
        });
        client
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("pg")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        self.unprivileged(&mut command);
        command
    }

    fn unprivileged<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        use std::os::unix::process::CommandExt as _;
        command.stdin(Stdio::null()).current_dir(self.home());
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A running PgBouncer.
#[derive(Debug)]
pub(super) struct Pooler(Child);

impl Drop for Pooler {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Debian has it where only root looks.
fn pooler_program() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/pgbouncer");
    if debian.exists() { debian } else { PathBuf::from("pgbouncer") }
}

/// Where the programs of PostgreSQL are: Debian does not put all of them on the path.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|it| Some(it.ok()?.path().join("bin")))
        .filter(|it| it.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(on_the_path)
}

fn on_the_path() -> PathBuf {
    let out = match Command::new("pg_config").arg("--bindir").stdout(Stdio::piped()).spawn() {
        Ok(child) => child.stdout,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("PostgreSQL is missing: `./test` installs it, or install it yourself")
        }
        Err(error) => panic!("{error}"),
    };
    let mut text = String::new();
    out.unwrap().read_to_string(&mut text).unwrap();
    Path::new(text.trim()).to_owned()
}

/// Whom to run as, if this is root.
fn unprivileged() -> Option<(u32, u32)> {
    let number = |args: &[&str]| -> Option<u32> {
        let out = Command::new("id").args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let of = |user: &str| Some((number(&["-u", user])?, number(&["-g", user])?));
    Some(of("postgres").or_else(|| of("nobody")).expect("a user without privileges"))
}
