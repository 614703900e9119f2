//! What `userline dev` decides, so that it needs no configuration.

use super::{Config, ConfigErrors, Sources, shown_url};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::{Table, Value};

/// What `userline dev` is told and draws at random.
#[derive(Clone)]
pub struct Dev {
    /// The Socket.IO listener; on loopback, else refused.
    pub public: SocketAddr,
    /// The admin listener; on loopback, else refused.
    pub admin: SocketAddr,
    /// Folder of the database.
    pub data_dir: PathBuf,
    /// Folder with the stock client's bundle.
    pub client_dir: Option<PathBuf>,
    /// Receivers of hooks, named `dev-1`, `dev-2` …
    pub hook_urls: Vec<String>,
    /// The admin key, with all scopes.
    pub key: String,
    /// The signing secret of all receivers, `whsec_…`.
    pub hook_secret: String,
}

/// Without the secrets.
impl fmt::Debug for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dev")
            .field("public", &self.public)
            .field("admin", &self.admin)
            .field("data_dir", &self.data_dir)
            .field("client_dir", &self.client_dir)
            .field("hook_urls", &self.hook_urls.iter().map(|it| shown_url(it)).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Long enough for a page to reload in, short enough to wait for in front of the screen.
const GRACE: &str = "5s";

impl Config {
    /// The configuration of `userline dev`: every client is believed, on loopback only, and every page of this
    /// machine may connect.
    ///
    /// `sources` come before (a file) and after (variables, flags) what is decided here, as ever.
    pub fn dev(sources: Sources, dev: Dev) -> Result<Self, ConfigErrors> {
        Self::load(&sources.with_dev(dev.settings()))
    }
}

impl Dev {
    fn settings(self) -> Table {
        let text = |text: &str| Value::String(text.to_owned());
        let path = |path: PathBuf| Value::String(path.to_string_lossy().into_owned());
        let texts = |items: &[&str]| Value::Array(items.iter().map(|item| text(item)).collect());
        let endpoints = self.hook_urls.iter().zip(1..).map(|(url, number)| {
            Value::Table(Table::from_iter([
                ("name".to_owned(), Value::String(format!("dev-{number}"))),
                ("url".to_owned(), text(url)),
                ("secret".to_owned(), text(&self.hook_secret)),
            ]))
        });
        let key = Table::from_iter([
            ("name".to_owned(), text("dev")),
            ("key".to_owned(), text(&self.key)),
            ("scopes".to_owned(), texts(&["emit", "read", "control"])),
        ]);
        let mut sections = vec![
            ("listen", "public", text(&self.public.to_string())),
            ("listen", "admin", text(&self.admin.to_string())),
            ("listen", "origins", texts(&["localhost"])),
            ("admin", "keys", Value::Array(vec![Value::Table(key)])),
            ("auth", "mode", text("trust")),
            // Everybody comes from this machine.
            ("limits", "per_address", Value::Integer(0)),
            ("presence", "grace", text(GRACE)),
            ("hooks", "allow_private", Value::Boolean(true)),
            ("hooks", "endpoints", Value::Array(endpoints.collect())),
            ("store", "data_dir", path(self.data_dir)),
        ];
        if let Some(dir) = self.client_dir {
            sections.push(("socketio", "client_dir", path(dir)));
        }
        let mut settings = Table::new();
        for (section, key, value) in sections {
            let section = settings.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
        settings
    }
}
