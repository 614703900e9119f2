//! The words between a node and the place where all nodes remember which resume tokens were exchanged. The rules there are those
//! of [`resume_families`](crate::core::auth::resume_families).

use crate::core::auth::resume_families::{FamilyLimits, ResumeFlaw, TokenHolders};
use crate::core::auth::resume_token::{ErasedName, ResumeClaims};
use crate::core::auth::token_lives::TokenLives;
use crate::types::{FamilyId, ResumeTicket, UserId, WallMs};
use std::sync::Arc;
use std::time::Duration;

/// What is asked of resume tokens, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeQuestion {
    /// Whose they are.
    pub holders: TokenHolders,
    /// How much is remembered of all of these.
    pub limits: FamilyLimits,
    /// When, by the clock of the node.
    pub now: WallMs,
    /// What.
    pub what: ResumeAsk,
}

/// What is asked, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResumeAsk {
    /// From now on tokens live for so long.
    Begin(Duration),
    /// A token that was verified and has not ended is to be exchanged. To ask again at once is answered as the first time.
    Exchange {
        /// What it says.
        claims: Arc<ResumeClaims>,
        /// What would be left of the name of its user, had that been erased.
        erased: ErasedName,
        /// When this token and every other one has ended that is made until now.
        ends_by: WallMs,
    },
    /// A client that is here is given a token that ends later.
    Reissue {
        /// Its user.
        user: UserId,
        /// Its ticket.
        ticket: ResumeTicket,
        /// When the new one ends.
        expires_at: WallMs,
    },
    /// No token of this family counts any more, of those that were given to the user.
    Revoke {
        /// Whose.
        user: UserId,
        /// Which.
        family: FamilyId,
        /// When all of them have ended.
        expires_at: WallMs,
    },
    /// No token of the user counts any more that was made until now.
    LogOut(UserId),
    /// The same, and the user is forgotten: this is what is left of its name.
    Erase(UserId, ErasedName),
}

/// The answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeReply {
    /// To [`ResumeAsk::Begin`].
    Lives(TokenLives),
    /// To [`ResumeAsk::Exchange`] and [`ResumeAsk::Reissue`]: the generation of the next token.
    Next(u32),
    /// To [`ResumeAsk::Exchange`].
    Refused {
        /// Why the token does not count.
        flaw: ResumeFlaw,
        /// It is because there would be too much to remember.
        is_crowded: bool,
    },
    /// To the others.
    Done,
}
