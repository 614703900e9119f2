//! Who may not be here: users who are blocked, tokens that were revoked, and more connections than one user may have.

pub mod held_seats;
pub mod record;
pub mod restrictions;
pub mod seats;
