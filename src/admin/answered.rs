//! Counting answers, by route and status.

use axum::extract::MatchedPath;
use axum::http::StatusCode;
use metrics::Counter;
use std::sync::OnceLock;

/// What a request is for, as the documentation writes it: never the path as it was sent, which names users.
#[derive(Debug, Clone)]
pub(super) enum RouteName {
    /// A route that was found without the router.
    Direct(&'static str),
    /// What the router found.
    Matched(MatchedPath),
}

impl RouteName {
    /// As logs and metrics have it.
    pub(super) fn text(route: Option<&Self>) -> &str {
        match route {
            None => "(none)",
            Some(Self::Direct(path)) => path,
            Some(Self::Matched(path)) => path.as_str(),
        }
    }
}

/// Counts answers.
#[derive(Debug, Default)]
pub(super) struct AnswerCounters {
    /// Answers with status 200 past the router, the most frequent by far: to look up a counter by its labels costs more
    /// than an emit.
    direct: OnceLock<Counter>,
}

impl AnswerCounters {
    pub(super) fn count(&self, route: Option<&RouteName>, status: StatusCode) {
        let counter = || {
            let route = RouteName::text(route).to_owned();
            let labels = [("route", route), ("status", status.as_str().to_owned())];
            metrics::counter!("userline_admin_requests_total", &labels)
        };
        if matches!(route, Some(RouteName::Direct(_))) && status == StatusCode::OK {
            self.direct.get_or_init(counter).increment(1);
        } else {
            counter().increment(1);
        }
    }
}
