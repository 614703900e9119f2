//! Lines of the log on their way to a reader that may stall: who logs never waits.
//!
//! Of its own, because `tracing-appender` bounds lines instead of bytes, does not say that it dropped some, and prints
//! to stdout when it ends with its queue full, which would then block for ever.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that may wait: some thousand lines.
const BYTES_MAX: usize = 1_000_000;

/// Takes lines, and writes them from a thread of its own. Cheap to clone; clones share the queue.
#[derive(Debug, Clone)]
pub(super) struct LineQueue {
    shared: Arc<SharedQueue>,
}

#[derive(Debug, Default)]
struct SharedQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: VecDeque<Box<[u8]>>,
    /// Of all `lines`.
    bytes: usize,
    /// Whether a line that was taken out is not written yet.
    is_writing: bool,
    /// Lines for which there was no place, since the start.
    dropped: u64,
    /// How many of these the log has told of.
    told: u64,
}

impl LineQueue {
    /// A queue to `out`, whose writes may block. Its thread ends with the process.
    pub(super) fn start(out: impl io::Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<SharedQueue>::default();
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.write_all_to(out))?;
        Ok(Self { shared })
    }

    /// Waits until all lines are written, for `limit` at most.
    pub(super) fn flush(&self, limit: Duration) {
        let mut state = self.shared.state.lock();
        let is_busy = |state: &mut QueueState| state.is_writing || !state.lines.is_empty();
        self.shared.changed.wait_while_for(&mut state, is_busy, limit);
    }
}

impl SharedQueue {
    /// Takes a line, or counts it if there is no place for it.
    fn put(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if BYTES_MAX < state.bytes + line.len() {
            state.dropped += 1;
            drop(state);
            return metrics::counter!("userline_log_lines_dropped_total").increment(1);
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        self.changed.notify_all();
    }

    /// The next line to write, as soon as there is one.
    fn next(&self) -> Box<[u8]> {
        let mut state = self.state.lock();
        state.is_writing = false;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            let (dropped, untold) = (state.dropped, state.dropped - state.told);
            if 0 < untold {
                drop(state);
                tracing::warn!(
                    lines = untold,
                    "lines of this log were dropped: whoever reads it was too slow"
                );
                state = self.state.lock();
                // Else this line was dropped as well, and is told again with the others.
                if state.dropped == dropped {
                    state.told = dropped;
                }
                continue;
            }
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
    }

    fn write_all_to(&self, mut out: impl io::Write) {
        loop {
            let line = self.next();
            // Whoever read it has gone: there is nobody to be told.
            if out.write_all(&line).is_err() {
                metrics::counter!("userline_log_lines_dropped_total").increment(1);
            }
        }
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(&self.shared)
    }
}

/// Takes one line, which the log writes at once.
pub(super) struct Line<'a>(&'a SharedQueue);

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, LineQueue};
    use std::io::{self, BufRead as _, BufReader, Write as _};
    use std::time::Duration;
    use tracing_subscriber::fmt::MakeWriter as _;

    const LINES: usize = 10_000;
    const LINE_BYTES: usize = 1000;

    #[test]
    fn who_logs_never_waits_and_what_there_is_place_for_is_written_in_order() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = LineQueue::start(writer).unwrap();

        // Nobody reads: this would wait for ever if it waited at all.
        for number in 0..LINES {
            let line = format!("{number:>0$}\n", LINE_BYTES - 1);
            queue.make_writer().write_all(line.as_bytes()).unwrap();
        }
        queue.flush(Duration::from_millis(1));
        let dropped = usize::try_from(queue.shared.state.lock().dropped).unwrap();
        let numbers: Vec<usize> = BufReader::new(reader)
            .lines()
            .take(LINES - dropped)
            .map(|line| line.unwrap().trim().parse().unwrap())
            .collect();
        queue.flush(Duration::from_secs(30));

        assert!(BYTES_MAX / LINE_BYTES <= numbers.len() && 0 < dropped, "{dropped}");
        assert!(numbers.is_sorted_by(|a, b| a < b), "in order, each once");
        let state = queue.shared.state.lock();
        assert_eq!((state.lines.len(), state.bytes), (0, 0));
        assert_eq!(state.told, state.dropped);
    }

    #[test]
    fn a_reader_that_is_gone_ends_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        let queue = LineQueue::start(writer).unwrap();
        drop(reader);

        for _ in 0..3 {
            queue.make_writer().write_all(b"line\n").unwrap();
            queue.flush(Duration::from_secs(30));
        }

        assert_eq!(queue.shared.state.lock().lines.len(), 0);
    }
}
