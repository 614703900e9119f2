//! Secrets, in the configuration itself or in files of their own. Their values are in no message and no listing.

use super::{Checked, SettingsReader};

impl SettingsReader {
    /// The text under `key`, or that of the file under `key_file`; not empty. `None` if neither is written.
    ///
    /// One line end at the end of the file is not part of it.
    pub(in crate::config) fn secret(&mut self, key: &str) -> Checked<Option<String>> {
        self.secret.insert(key.to_owned());
        self.text_or_file(key)
    }

    /// The same for a text that may be seen, such as a public key.
    pub(in crate::config) fn text_or_file(&mut self, key: &str) -> Checked<Option<String>> {
        let file_key = format!("{key}_file");
        let text = self.text(key);
        let path = self.text(&file_key);
        match (text?, path?) {
            (Some(_), Some(_)) => {
                Err(self.reject(&file_key, format!("give `{key}` or `{file_key}`, not both")))
            }
            (Some(text), None) => Ok(Some(text)),
            (None, Some(path)) => self.file_text(&file_key, &path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// A list of secret texts.
    pub(in crate::config) fn secret_list(
        &mut self,
        key: &str,
        len_max: usize,
    ) -> Checked<Option<Vec<String>>> {
        self.secret.insert(key.to_owned());
        if !self.is_set(key) {
            self.known.insert(key.to_owned());
            return Ok(None);
        }
        self.list(key, len_max, "must be texts", |text| Some(text.to_owned())).map(Some)
    }
}
