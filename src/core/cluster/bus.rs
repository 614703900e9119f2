//! What nodes say to each other: [`words`] are what can be said, [`wire`] is how it is written.

pub mod wire;
pub mod words;
