//! Many nodes: the one place in Redis or Valkey where they agree, and this node's end of it.
//!
//! The rules are in two places only: in the scripts, each of which Redis runs as a whole, and in
//! [`core::cluster`](crate::core::cluster). What stands here carries one to the other.

mod acl;
mod answers;
mod book;
mod bus;
mod codec;
mod erasing;
mod feed;
mod import;
mod inboxes;
mod ledger;
mod link;
mod member;
mod resuming;
mod scripts;
#[cfg(test)]
mod tests;
mod turn;

pub use acl::acl_command;
pub use answers::{AnswerBegin, AnswerBounds, AnswerTurn, ClusterAnswers};
pub use book::{BookError, ClusterBook};
pub use bus::{Answers, AskedNodes, Bus, BusError, MissingNodes, NodeNews, Note, OnNodes};
pub use codec::{ClusterPlace, CodecError, RedisCall, reply};
pub use erasing::{ClusterErasing, FoundEvents};
pub use import::{Import, ImportError};
pub use inboxes::{ClusterInboxes, InboxesError};
pub use ledger::{ClusterLedger, LedgerError, LetterFilter, LetterReplay};
pub use link::{Advice, LinkError, RedisLink, RedisTarget, ServerFacts};
pub use member::{
    Apart, Appended, AttachingError, ClusterMember, HistoryPage, MemberNeeds, MemberStatus,
    Unattached,
};
pub use resuming::ClusterResume;
pub use scripts::Script;
pub use turn::{ClusterTurn, TurnTaken};
