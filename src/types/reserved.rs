//! The server's own events: their names, who sends them, and what they carry, in one table.
//!
//! Code takes the names from here, and `docs/client-events.md` must list the same rows (a test compares them). What the fields mean
//! stands in the documentation of each subject, for example `docs/inbox.md`.

/// An event that the server sends by itself, with one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerEvent {
    /// After each connect: who the client is.
    Session,
    /// Its credentials end soon.
    Expiring,
    /// A newer resume token.
    Resume,
    /// Before the client is disconnected for good.
    Kicked,
    /// The numbers of the user's inbox have changed, or a replay has ended.
    Inbox,
    /// One stored event, after a connect that asked for them.
    InboxItem,
    /// The stored events that a connect asked for cannot be read.
    InboxError,
    /// A user whom the client watches is online, or not any more.
    Presence,
}

impl ServerEvent {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Session,
        Self::Expiring,
        Self::Resume,
        Self::Kicked,
        Self::Inbox,
        Self::InboxItem,
        Self::InboxError,
        Self::Presence,
    ];

    /// The name as JSON, quotes included, as a packet holds it.
    pub fn json_name(self) -> &'static str {
        match self {
            Self::Session => r#""userline:session""#,
            Self::Expiring => r#""userline:expiring""#,
            Self::Resume => r#""userline:resume""#,
            Self::Kicked => r#""userline:kicked""#,
            Self::Inbox => r#""userline:inbox""#,
            Self::InboxItem => r#""userline:inbox:item""#,
            Self::InboxError => r#""userline:inbox:error""#,
            Self::Presence => r#""userline:presence""#,
        }
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.json_name().trim_matches('"')
    }

    /// The keys of its argument, an object; `?` marks one that may be absent.
    pub fn argument(self) -> &'static str {
        match self {
            Self::Session => "{user, session, socket, expires_at, guest?, resume?}",
            Self::Expiring => "{expires_at}",
            Self::Resume => "{resume}",
            Self::Kicked => "{reason, code?, until?}",
            Self::Inbox => "{head, unread, read_upto, min_seq, has_more?}",
            Self::InboxItem => {
                "{seq, id, namespace, event, args, created_at, expires_at, read, collapse_key?}"
            }
            Self::InboxError => "{error: {code, message}}",
            Self::Presence => "{user, online}",
        }
    }
}

/// An event that a client sends to the server itself; the ack is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientRequest {
    /// A round trip.
    Ping,
    /// Newer credentials, in place of those that the socket came with.
    Refresh,
    /// It leaves, and needs credentials to come back.
    Logout,
    /// A page of the user's inbox.
    Inbox,
    /// Items of the inbox were read.
    Read,
    /// It is in a room from now on.
    Join,
    /// It is not in it any more.
    Leave,
    /// An event for another user, or for a room.
    Emit,
    /// Who of some users is online.
    Presence,
    /// The same, and whatever changes of it.
    Watch,
    /// No more of that.
    Unwatch,
}

/// The codes with which `userline:refresh` may be acked.
const REFRESH_ERRORS: &[&str] = &[
    "invalid_argument",
    "binary_unsupported",
    "auth_invalid",
    "auth_too_large",
    "token_missing",
    "token_invalid",
    "token_expired",
    "token_not_yet_valid",
    "token_revoked",
    "resume_invalid",
    "resume_expired",
    "resume_revoked",
    "resume_reused",
    "user_invalid",
    "room_invalid",
    "too_many_rooms",
    "unauthorized",
    "auth_unavailable",
    "blocked",
    "user_limit",
    "user_limit_unclear",
    "user_mismatch",
    "unavailable",
];

impl ClientRequest {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Ping,
        Self::Refresh,
        Self::Logout,
        Self::Inbox,
        Self::Read,
        Self::Join,
        Self::Leave,
        Self::Emit,
        Self::Presence,
        Self::Watch,
        Self::Unwatch,
    ];

    /// The request of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "userline:ping",
            Self::Refresh => "userline:refresh",
            Self::Logout => "userline:logout",
            Self::Inbox => "userline:inbox",
            Self::Read => "userline:read",
            Self::Join => "userline:join",
            Self::Leave => "userline:leave",
            Self::Emit => "userline:emit",
            Self::Presence => "userline:presence",
            Self::Watch => "userline:watch",
            Self::Unwatch => "userline:unwatch",
        }
    }

    /// Its arguments; `?` marks a key that may be absent.
    pub fn arguments(self) -> &'static str {
        match self {
            Self::Ping => "any",
            Self::Refresh => "{token}",
            Self::Logout => "{}",
            Self::Inbox => "{after?, before?, limit?, unread?}",
            Self::Read => "{upto} or {ids}",
            Self::Join | Self::Leave => "{room}",
            Self::Emit => "{to: {user} or {room}, event, data?, volatile?, except?, ack?}",
            Self::Presence | Self::Watch => "{users}",
            Self::Unwatch => "{users?}",
        }
    }

    /// What it is acked with, if nothing is wrong; else with `{error: {code, message}}`.
    pub fn answer(self) -> &'static str {
        match self {
            Self::Ping => "the same",
            Self::Refresh => "{expires_at, resume?}",
            Self::Inbox => "{items, next, head, unread, read_upto, min_seq}",
            Self::Read => "{head, unread, read_upto, min_seq}",
            Self::Emit => "{} or {ack}",
            Self::Presence | Self::Watch => "{online}",
            Self::Logout | Self::Join | Self::Leave | Self::Unwatch => "{}",
        }
    }

    /// The codes of the errors it may be acked with, besides `internal`, `too_many_requests` and, of guests, `guest_not_allowed`.
    pub fn errors(self) -> &'static [&'static str] {
        match self {
            Self::Ping => &[],
            Self::Refresh => REFRESH_ERRORS,
            Self::Logout | Self::Inbox | Self::Read => {
                &["invalid_argument", "binary_unsupported", "unavailable"]
            }
            Self::Emit => &[
                "invalid_argument",
                "not_allowed",
                "overloaded",
                "backend_unavailable",
                "backend_timeout",
                "backend_answer_invalid",
            ],
            Self::Join => &[
                "invalid_argument",
                "binary_unsupported",
                "not_allowed",
                "too_many_rooms",
                "overloaded",
                "backend_unavailable",
                "backend_timeout",
                "backend_answer_invalid",
            ],
            Self::Unwatch | Self::Leave => {
                &["invalid_argument", "binary_unsupported", "not_allowed", "overloaded"]
            }
            Self::Presence => &[
                "invalid_argument",
                "binary_unsupported",
                "not_allowed",
                "overloaded",
                "backend_unavailable",
                "backend_timeout",
                "backend_answer_invalid",
                "unavailable",
            ],
            Self::Watch => &[
                "invalid_argument",
                "binary_unsupported",
                "not_allowed",
                "too_many_watches",
                "overloaded",
                "backend_unavailable",
                "backend_timeout",
                "backend_answer_invalid",
                "unavailable",
            ],
        }
    }

    /// Its bounds, for people.
    pub fn limits(self) -> &'static str {
        match self {
            Self::Ping | Self::Logout | Self::Leave => "",
            Self::Join => "`limits.rooms_per_socket`",
            Self::Refresh => "`limits.auth_bytes`; 8 open at once",
            Self::Inbox => "`limit` 1 to 1000",
            Self::Read => "1000 `ids`",
            Self::Emit => "`ack` 1 to 10000 ms; 8 open at once",
            Self::Presence | Self::Unwatch => "1000 `users`",
            Self::Watch => "1000 `users`; `presence.watches_per_socket`",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientRequest, ServerEvent};
    use crate::types::EventName;
    use std::fs;

    #[test]
    fn nobody_else_may_emit_them() {
        let names = ServerEvent::ALL.map(ServerEvent::name).into_iter();
        for name in names.chain(ClientRequest::ALL.map(ClientRequest::name)) {
            assert!(EventName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_request_is_known_by_its_name() {
        for request in ClientRequest::ALL {
            assert_eq!(ClientRequest::parse(request.name()), Some(request));
        }
        assert_eq!(ClientRequest::parse("userline:session"), None);
    }

    #[test]
    fn the_documentation_lists_each_of_them_and_no_other() {
        let code = |text: &str| format!("`{text}`");
        let sent = ServerEvent::ALL
            .map(|it| format!("| `{}` | server | `{}` | | | |", it.name(), it.argument()));
        let asked = ClientRequest::ALL.map(|it| {
            let shape =
                |text: &str| if text.starts_with('{') { code(text) } else { text.to_owned() };
            let errors: Vec<String> = it.errors().iter().map(|it| code(it)).collect();
            let (arguments, answer) = (shape(it.arguments()), shape(it.answer()));
            let (name, errors, limits) = (it.name(), errors.join(", "), it.limits());
            format!("| `{name}` | client | {arguments} | {answer} | {errors} | {limits} |")
        });
        let expected: Vec<String> = sent.iter().chain(&asked).map(|it| squeezed(it)).collect();

        let page = fs::read_to_string("docs/client-events.md").unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| `userline:"));
        let listed: Vec<String> = rows.map(squeezed).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn the_types_for_clients_have_each_of_them_with_its_keys_and_no_other() {
        let types = fs::read_to_string("src/socket/userline.d.ts").unwrap();
        let sent = ServerEvent::ALL.map(|it| {
            let argument = top_level(it.argument());
            format!("{} {argument}", it.name())
        });
        let asked = ClientRequest::ALL.map(|it| {
            let (arguments, answer) = (top_level(it.arguments()), top_level(it.answer()));
            format!("{} {arguments} {answer}", it.name())
        });

        let declared = |line: &str| {
            let (name, signature) = line.trim().strip_prefix('"')?.split_once("\": (")?;
            let shapes = signature.strip_suffix(") => void;")?.split(", ").map(|parameter| {
                let (_, of) = parameter.split_once(": ").unwrap();
                let of = of.strip_prefix("Ack<").and_then(|it| it.strip_suffix('>')).unwrap_or(of);
                shape(&types, of)
            });
            Some(format!("{name} {}", shapes.collect::<Vec<_>>().join(" ")))
        };
        let declared: Vec<String> = types.lines().filter_map(declared).collect();
        assert_eq!(declared, sent.into_iter().chain(asked).collect::<Vec<_>>());
    }

    /// What a type of the declarations looks like, as the tables here say it: `{a, b?}`.
    fn shape(types: &str, name: &str) -> String {
        let after = |head: String| Some(types.split_once(&head)?.1);
        if let Some(fields) = after(format!("interface {name} {{\n")) {
            let lines = fields.split("}\n").next().unwrap().lines();
            let keys = lines.filter_map(|line| Some(line.trim().split_once(": ")?.0));
            return format!("{{{}}}", keys.collect::<Vec<_>>().join(", "));
        }
        let union = after(format!("type {name} = ")).map(|it| it.split(';').next().unwrap());
        match union {
            Some(union) => {
                let each = union.split(" | ").filter(|it| it.starts_with('{'));
                let keys =
                    each.map(|it| it.split(": ").next().unwrap().trim_end_matches([' ', '}']));
                let each = keys.map(|it| format!("{{{}}}", it.trim_start_matches(['{', ' '])));
                each.collect::<Vec<_>>().join(" or ")
            }
            None if name == "any[]" => "any the same".to_owned(),
            None => name.to_owned(),
        }
    }

    /// A shape with the keys of the outermost objects only, without what they hold.
    fn top_level(shape: &str) -> String {
        let (mut kept, mut depth, mut is_value) = (String::new(), 0, false);
        for c in shape.chars() {
            depth += i32::from(c == '{');
            is_value &= !(depth == 1 && matches!(c, ',' | '}'));
            is_value |= depth == 1 && c == ':';
            if depth < 2 && !is_value {
                kept.push(c);
            }
            depth -= i32::from(c == '}');
        }
        kept
    }

    /// Without the spaces of empty cells.
    fn squeezed(row: &str) -> String {
        row.replace("|  |", "| |").replace("|  |", "| |")
    }
}
