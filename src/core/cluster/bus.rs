//! What nodes say to each other: [`words`] are what can be said, made of [`facts`] and [`attaching`], of that [`reports`] and [`totals`] what they say
//! of themselves, and [`past`] of what they remember; [`wire`] is how it is written.

pub mod attaching;
pub mod facts;
pub mod past;
pub mod reports;
pub mod totals;
pub mod wire;
pub mod words;
