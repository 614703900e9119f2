//! What nodes say to each other: [`words`] are what can be said, of that [`reports`] what they say of themselves, and [`past`]
//! of what they remember; [`wire`] is how it is written.

pub mod past;
pub mod reports;
pub mod wire;
pub mod words;
