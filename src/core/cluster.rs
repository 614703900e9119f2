//! Many nodes that agree through one place: what a node says there, what it hears, and what it makes of silence.
//!
//! The place is Redis, and every step in it is a script that is run as a whole. What stands here are the rules of the other
//! end: [`agreement`] what all have to mean, [`node`] says what is sent next and what an answer means, [`facts`] which users
//! are here, [`log`] what comes of the bus, [`follower`] what of that one socket gets, [`observer`] which other node is gone,
//! [`bus`] what nodes say to each other, [`receipts`] who has answered, [`book`] the records of which all nodes have copies, [`answers`]
//! what requests with a name were answered, [`inboxes`] what waits for users, [`seats`] how many connections they have.

pub mod agreement;
pub mod answers;
pub mod book;
pub mod bus;
pub mod command;
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
pub mod receipts;
pub mod seats;
pub mod sessions;

/// What the keys in Redis and what nodes tell each other look like. Nodes of two formats are not in one cluster: raise it
/// with every change of the scripts or of [`bus::wire`] after which one of them would misread the other.
pub const FORMAT: &str = "1";
