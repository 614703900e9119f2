//! Which sockets a command is about: those of users, rooms, by id, or all of a namespace, and who of these is left out.

use clap::Args;
use serde::Serialize;

/// Which sockets a command is about.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("to").required(true).multiple(true))]
pub(super) struct AudienceArgs {
    /// All sockets of a user; may be repeated
    #[arg(long = "user", value_name = "USER", group = "to", allow_hyphen_values = true)]
    users: Vec<String>,
    /// All sockets in a room; may be repeated
    #[arg(long = "room", value_name = "ROOM", group = "to", allow_hyphen_values = true)]
    rooms: Vec<String>,
    /// One socket by its id; may be repeated
    #[arg(long = "socket", value_name = "ID", group = "to", allow_hyphen_values = true)]
    sockets: Vec<String>,
    /// Every socket of the namespace
    #[arg(long, group = "to")]
    all: bool,
    /// Another namespace than /
    #[arg(long)]
    namespace: Option<String>,
    /// Not to this user; may be repeated
    #[arg(long = "except-user", value_name = "USER", allow_hyphen_values = true)]
    except_users: Vec<String>,
    /// Not to this room; may be repeated
    #[arg(long = "except-room", value_name = "ROOM", allow_hyphen_values = true)]
    except_rooms: Vec<String>,
    /// Not to this socket; may be repeated
    #[arg(long = "except-socket", value_name = "ID", allow_hyphen_values = true)]
    except_sockets: Vec<String>,
    /// Not to clients with this `auth.device`; may be repeated
    #[arg(long = "except-device", value_name = "DEVICE", allow_hyphen_values = true)]
    except_devices: Vec<String>,
}

/// The same as the API takes it.
#[derive(Debug, Serialize)]
pub(super) struct AudienceBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    to: TargetBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    except: Option<ExceptBody<'a>>,
}

#[derive(Debug, Serialize)]
struct TargetBody<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    users: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sockets: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    all: bool,
}

#[derive(Debug, Serialize)]
struct ExceptBody<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    users: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sockets: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    devices: &'a [String],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
pub(super) fn is_false(flag: &bool) -> bool {
    !flag
}

impl AudienceArgs {
    /// As the API takes it.
    pub(super) fn body(&self) -> AudienceBody<'_> {
        let except = ExceptBody {
            users: &self.except_users,
            rooms: &self.except_rooms,
            sockets: &self.except_sockets,
            devices: &self.except_devices,
        };
        let lists = [except.users, except.rooms, except.sockets, except.devices];
        let is_any = lists.iter().any(|list| !list.is_empty());
        AudienceBody {
            namespace: self.namespace.as_deref(),
            to: TargetBody {
                users: &self.users,
                rooms: &self.rooms,
                sockets: &self.sockets,
                all: self.all,
            },
            except: is_any.then_some(except),
        }
    }
}
