//! Many nodes that agree through one place: what a node says there, what it hears, and what it makes of silence.
//!
//! The place is Redis, and every step in it is a script that is run as a whole. What stands here are the rules of the other
//! end: [`agreement`] what all have to mean, [`node`] says what is sent next and what an answer means, [`facts`] which users
//! are here, and [`sockets`] which of their sockets, [`log`] what comes of the bus, [`follower`] what of that one socket gets, [`observer`] which other node is gone,
//! [`bus`] what nodes say to each other, [`receipts`] who has answered, [`book`] the records of which all nodes have copies, [`answers`]
//! what requests with a name were answered, [`inboxes`] what waits for users, [`seats`] how many connections they have, [`attached`] what
//! the backend has attached to their sessions, [`places`] in which rooms they are, [`outlook`] what a node knows of those whom its
//! clients watch, [`resuming`]
//! which of their resume tokens were exchanged, [`erasing`] how all of that goes that names one.

pub mod agreement;
pub mod answers;
pub mod attached;
pub mod book;
pub mod bus;
pub mod command;
pub mod erasing;
pub mod facts;
pub mod feed;
pub mod follower;
pub mod import;
pub mod inboxes;
pub mod incarnation;
pub mod known_hooks;
pub mod ledger;
pub mod letters;
pub mod log;
pub mod node;
pub mod observer;
pub mod outlook;
pub mod places;
pub mod receipts;
pub mod resuming;
pub mod seats;
pub mod sessions;
pub mod sockets;

/// What the keys in Redis and what nodes tell each other look like. Nodes of two formats are not in one cluster, so users have to
/// stop all of them for a version that has another one.
///
/// It has to rise when a node of the version before would take what this one writes for something else, or would spoil it: a key
/// or a field gets another form or another meaning, a script relies on something that those of the version before do not write,
/// or `VERSION` of [`bus::wire`] rises. It stays for what that node does not see or leaves alone, because each node runs its own
/// scripts: a new key or field, and a new word at the end of an enum of the bus, which is counted and answered as not understood.
pub const FORMAT: &str = "1";
