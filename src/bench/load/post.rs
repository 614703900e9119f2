//! The request of a publisher, written anew for each event.

use super::server::ServerAddress;
use super::template::{Template, TemplateValues};
use std::io::Write as _;

/// A POST that differs from event to event.
#[derive(Debug)]
pub(crate) struct PostTemplate {
    path: Template,
    /// The header lines, except Content-Length.
    head: String,
    body: Template,
}

impl PostTemplate {
    /// A POST to `server`, whose path may have places, too.
    pub(crate) fn new(server: &ServerAddress, headers: &[String], body: Template) -> Self {
        let mut head = format!(" HTTP/1.1\r\nhost: {}\r\n", server.authority);
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        Self { path: Template::from(server.path.as_str()), head, body }
    }

    /// Replaces `out` by the request with these values. `scratch` is for the body.
    pub(crate) fn render(
        &self,
        values: TemplateValues<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        scratch.clear();
        self.body.render(values, scratch);
        out.clear();
        out.extend_from_slice(b"POST ");
        self.path.render(values, out);
        out.extend_from_slice(self.head.as_bytes());
        // Writing to memory does not fail.
        write!(out, "content-length: {}\r\n\r\n", scratch.len()).ok();
        out.extend_from_slice(scratch);
    }
}
