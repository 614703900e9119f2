//! Files that settings name: texts and certificates.

use super::{Checked, SettingsReader};
use crate::config::sources::read_text;
use reqwest::{Certificate, Client};
use std::path::Path;

impl SettingsReader {
    /// The text of the file `path`, which `key` names; not empty. One line end at its end is not part of it.
    pub(super) fn file_text(&mut self, key: &str, path: &str) -> Checked<String> {
        let text = match read_text(Path::new(path)) {
            Ok(text) => text,
            Err(why) => return Err(self.reject(key, format!("cannot be read: {why}"))),
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(self.reject(key, "the file must not be empty"));
        }
        Ok(text.to_owned())
    }

    /// The certificates of authorities in the PEM file that `key` names; none if it is not set.
    pub(in crate::config) fn certificates(&mut self, key: &str) -> Checked<Vec<Certificate>> {
        Ok(self.read_certificates(key)?.map_or_else(Vec::new, |(_, all)| all))
    }

    /// The PEM of the same, for TLS that is not HTTP's; `None` if the key is not set.
    pub(in crate::config) fn authorities(&mut self, key: &str) -> Checked<Option<String>> {
        Ok(self.read_certificates(key)?.map(|(pem, _)| pem))
    }

    fn read_certificates(&mut self, key: &str) -> Checked<Option<(String, Vec<Certificate>)>> {
        let Some(path) = self.text(key)? else { return Ok(None) };
        let pem = self.file_text(key, &path)?;
        match Certificate::from_pem_bundle(pem.as_bytes()) {
            Ok(all) if !all.is_empty() && are_authorities(&all) => Ok(Some((pem, all))),
            Ok(_) | Err(_) => {
                Err(self.reject(key, "must be a PEM file with one or more certificates"))
            }
        }
    }
}

/// Whether TLS takes all of them as authorities, which PEM alone does not tell.
fn are_authorities(certificates: &[Certificate]) -> bool {
    Client::builder().tls_certs_only(certificates.iter().cloned()).build().is_ok()
}
