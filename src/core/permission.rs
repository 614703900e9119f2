//! What a client may do where no rule over what it was granted decides that, but the backend: what it is asked, and what its
//! answer means.

pub mod answer;
pub mod question;
