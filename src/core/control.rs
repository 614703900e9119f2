//! Who may not be here: users who are blocked, and those whose tokens were revoked.

pub mod restrictions;
