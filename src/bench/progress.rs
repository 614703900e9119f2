//! One line on stderr that says how far it is; only for people.

use crate::clock::Clock;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

/// How often the line is written anew.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line on stderr.
#[derive(Debug)]
pub(crate) struct Progress {
    clock: Clock,
    next: Duration,
    is_shown: bool,
}

impl Progress {
    /// A line that is shown if stderr is a terminal.
    pub(crate) fn new(clock: Clock) -> Self {
        let is_shown = io::stderr().is_terminal();
        Self { clock, next: Duration::ZERO, is_shown }
    }

    /// Shows the text, unless the line was written a moment ago.
    pub(crate) fn say(&mut self, text: impl FnOnce() -> String) {
        if !self.is_shown {
            return;
        }
        let now = self.clock.elapsed();
        if self.next <= now {
            self.next = now + INTERVAL;
            // A closed stderr is no reason to stop the run.
            write!(io::stderr(), "\r\x1b[K{}", text()).ok();
        }
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.is_shown {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}
