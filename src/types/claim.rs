//! Which claim of a token is meant.

use serde_json::Value;
use std::fmt;

/// Names a claim: a literal name such as `sub`, or a JSON Pointer (RFC 6901) if it begins with `/`, such as
/// `/realm_access/roles`.
///
/// A name of the form `https://example.com/user`, as some issuers have it, is a literal name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// None for the empty text, and for a pointer with a `~` that is neither `~0` nor `~1`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix('/') {
            None if text.is_empty() => None,
            None => Some(Self(vec![text.to_owned()])),
            Some(pointer) => pointer.split('/').map(unescape).collect::<Option<_>>().map(Self),
        }
    }

    /// The claim of this name, whatever it begins with.
    pub fn name(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// What stands there in `value`; none if the way or its end is missing, or `null`.
    pub fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let inner = self.0.iter().try_fold(value, |outer, key| match outer {
            Value::Object(fields) => fields.get(key),
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        });
        inner.filter(|it| !it.is_null())
    }

    /// The keys from the outermost object inwards, at least one.
    pub fn keys(&self) -> &[String] {
        &self.0
    }
}

/// As it is written in the configuration.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [name] if !name.starts_with('/') => f.write_str(name),
            keys => keys
                .iter()
                .try_for_each(|key| write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))),
        }
    }
}

fn unescape(key: &str) -> Option<String> {
    let mut parts = key.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        text.push(escaped);
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::ClaimPath;

    #[test]
    fn a_name_is_taken_as_it_is_and_a_pointer_is_taken_apart() {
        let table: [(&str, Option<&[&str]>); 10] = [
            ("sub", Some(&["sub"])),
            ("https://a.example/user", Some(&["https://a.example/user"])),
            ("a~b", Some(&["a~b"])),
            ("/realm_access/roles", Some(&["realm_access", "roles"])),
            ("/https:~1~1a.example~1user", Some(&["https://a.example/user"])),
            ("/a~01", Some(&["a~1"])),
            ("/orgs/0/id", Some(&["orgs", "0", "id"])),
            ("/", Some(&[""])),
            ("/a~2", None),
            ("", None),
        ];
        for (text, keys) in table {
            let parsed = ClaimPath::parse(text);
            assert_eq!(
                parsed.as_ref().map(ClaimPath::keys).map(<[_]>::to_vec),
                keys.map(|keys| { keys.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>() }),
                "{text}"
            );
        }
    }
}
