//! URLs as they may be seen: in errors, logs, listings and answers of the API.

use reqwest::Url;

/// A URL without what may be secret in it: user, password, query and fragment. Empty if it is not an http or https URL.
pub fn shown_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return String::new() };
    if !matches!(url.scheme(), "http" | "https") {
        return String::new();
    }
    url.set_query(None);
    url.set_fragment(None);
    // Fails for URLs without a host, which have no user either.
    let _no_host = url.set_username("").and_then(|()| url.set_password(None));
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::shown_url;

    #[test]
    fn a_shown_url_says_where_and_nothing_that_could_be_secret() {
        let table = [
            ("https://a.example/hook", "https://a.example/hook"),
            ("https://ann:pw@a.example:8443/hook?token=t#f", "https://a.example:8443/hook"),
            ("https://token@a.example", "https://a.example/"),
            ("http://[fe80::1]/?k", "http://[fe80::1]/"),
            ("https://ann:pw@", ""),
            ("https//ann:pw@a.example", ""),
            ("token:hush", ""),
            ("ftp://ann:pw@a.example", ""),
            ("", ""),
        ];
        for (url, expected) in table {
            assert_eq!(shown_url(url), expected, "{url}");
        }
    }
}
