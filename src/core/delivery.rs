//! Hooks on their way: what is sent next, when it is tried again, and what its body says.

pub mod clock_step;
pub mod decision;
pub mod dispatch;
pub mod granted;
pub mod hook_body;
pub mod outbox;
pub mod record;
