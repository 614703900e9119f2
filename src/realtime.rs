//! What can be done, in parts that hold what they need. Each checks, lets the core decide, and performs what it decided.
//!
//! | part | |
//! | --- | --- |
//! | [`admission`] | a client asks to connect |
//! | [`attendance`] | its socket comes and goes |
//! | [`messages`] | an event with all that its sender may want besides, and what became of it |
//! | [`emitter`] | the event alone, to the sockets that are here |
//! | [`inboxes`] | events that wait for their user |
//! | [`bulk`] | many sockets join and leave rooms, or are disconnected |
//! | [`joining`] | clients join rooms by themselves, and leave them |
//! | [`memberships`] | users are put into rooms, for good; [`room_book`] asks at each connect |
//! | [`people`] | the sockets that a user has and had; it has to go |
//! | [`control`] | users are blocked, their tokens revoked; [`gate`] asks at each connect, [`shared_book`] has it be so on all nodes |
//! | [`watching`] | clients see who is online |
//! | [`erasure`] | whatever names a user is deleted |
//! | [`everywhere`] | sockets are changed on every node; [`hearing`] does what others ask |
//! | [`attachments`] | the backend attaches data of its own |
//! | [`directory`] | who is here |
//! | [`effects`] | what the cluster says to this node |
//! | [`sources`] | how emits come by other ways than the admin API |
//! | [`feed`] | what was told of users |
//! | [`reports`] | how the nodes are |
//! | [`permissions`] | the backend is asked what clients may do |
//! | [`unhandled`] | clients send events that nobody handles |
//! | [`reminders`] | graces run out, credentials end |
//! | [`sockets`] | the sockets of this node, which all of these share |

pub mod admission;
pub mod attachments;
pub mod attendance;
pub mod bulk;
pub mod client_events;
pub mod client_messages;
pub mod control;
pub mod directory;
pub mod effects;
pub mod emitter;
pub mod erasure;
pub mod everywhere;
pub mod feed;
pub mod gate;
pub mod hearing;
pub mod inboxes;
pub mod joining;
pub mod memberships;
pub mod messages;
pub mod notices;
pub mod people;
pub mod permissions;
mod placing;
pub mod reminders;
pub mod reports;
pub mod room_book;
mod seats;
pub mod shared_book;
pub mod shared_log;
pub mod sockets;
pub mod sources;
pub mod transports;
pub mod unhandled;
pub mod visits;
mod watched;
pub mod watching;

use admission::Admission;
use attachments::Attachments;
use attendance::Attendance;
use bulk::Bulk;
use control::Control;
use directory::Directory;
use erasure::Erasure;
use everywhere::Everywhere;
use inboxes::LiveInboxes;
use joining::Joining;
use memberships::MembershipControl;
use messages::Messages;
use people::People;
use std::sync::Arc;
use unhandled::UnhandledEvents;
use watching::Watching;

/// The parts, put together once. Cheap to clone; whoever needs one takes it from here.
#[derive(Debug, Clone)]
pub struct Realtime {
    /// Clients ask to connect.
    pub admission: Arc<Admission>,
    /// Sockets come and go.
    pub attendance: Arc<Attendance>,
    /// Events are sent.
    pub messages: Arc<Messages>,
    /// Events wait for their user.
    pub inboxes: Arc<LiveInboxes>,
    /// Many sockets are moved, or disconnected.
    pub bulk: Arc<Bulk>,
    /// Clients join rooms.
    pub joining: Arc<Joining>,
    /// Sockets are changed on every node.
    pub everywhere: Arc<Everywhere>,
    /// Users are put into rooms.
    pub memberships: Arc<MembershipControl>,
    /// Users are looked at, and kicked.
    pub people: Arc<People>,
    /// Users are blocked.
    pub control: Arc<Control>,
    /// Clients see who is online.
    pub watching: Arc<Watching>,
    /// Users are erased.
    pub erasure: Arc<Erasure>,
    /// The backend attaches data.
    pub attachments: Arc<Attachments>,
    /// Who is here.
    pub directory: Arc<Directory>,
    /// Clients send events that nobody handles.
    pub unhandled: Arc<UnhandledEvents>,
}
