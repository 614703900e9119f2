//! Every metric, in one table, and the text that Prometheus reads.
//!
//! Metrics are counted where things happen, with the macros of the `metrics` crate; a test sees to it that each name
//! stands here. Labels are closed lists: never a user, a socket, a room or an address.

mod recorder;

pub use recorder::{InstallError, Metrics, Reading};

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, with its unit where it has one.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What it counts, and what to make of it.
    pub help: &'static str,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives. Those without labels are there from the start, as 0.
    Counter,
    /// A counter with the named labels: each value is there after it was counted once.
    LabelledCounter,
    /// How many there are.
    Gauge,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn labelled(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::LabelledCounter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

/// All of them, by name.
pub const TABLE: &[Metric] = &[
    counter(
        "userline_acks_ignored_total",
        "Acks of clients that nobody waited for, or not any more.",
    ),
    counter(
        "userline_acks_missing_total",
        "Sockets that were asked for an ack and gave none in time.",
    ),
    labelled(
        "userline_acks_not_kept_total",
        "Acks that count, but what they said was left out, by cause: request_full (8 MB) or server_full \
         (`messages.ack_bytes`).",
    ),
    counter("userline_acks_total", "Acks that emits asked for and got."),
    labelled("userline_admin_requests_total", "Admin requests answered, by route and status."),
    counter(
        "userline_audit_removals_total",
        "Sockets found registered without a connection. Must stay 0; anything else is a bug.",
    ),
    labelled(
        "userline_auth_hook_calls_total",
        "Questions to the backend who a client is, by outcome: accepted, refused (401, 403), failed (any other answer) or \
         unreachable (none in time).",
    ),
    gauge(
        "userline_auth_hook_open",
        "1 while the backend that says who clients are is believed to be down, and few clients are let in. Else 0.",
    ),
    gauge("userline_blocks", "Users who are blocked."),
    gauge("userline_client_event_calls", "Calls of `events.url` under way."),
    labelled(
        "userline_client_events_forwarded_total",
        "Calls of `events.url` that have ended, by outcome: answered, refused (by the backend), failed (no answer, or 5xx) \
         or invalid (an answer that cannot be used).",
    ),
    labelled("userline_client_events_refused_total", "Client events acked with an error, by code."),
    gauge(
        "userline_client_events_waiting",
        "Events of clients that wait until `events.url` can be called for them.",
    ),
    labelled(
        "userline_client_messages_total",
        "Events of clients for others, by outcome: sent, or withheld because no rule in `messages.to_users` allows it.",
    ),
    counter(
        "userline_cluster_answers_dropped_total",
        "Answers to and of other nodes for which there was no room. Such nodes are named as missing, such acks as not in time.",
    ),
    gauge(
        "userline_cluster_attached",
        "1 while this node is in its cluster, 0 while it is cut off from Redis, and where there is no cluster.",
    ),
    gauge(
        "userline_cluster_copy_age_seconds",
        "How long ago what this node knows of blocks, revoked tokens and memberships was known to be what all nodes agreed on; 0 where there is \
         no cluster.",
    ),
    gauge("userline_cluster_inbox_bytes", "Bytes of the inboxes of all nodes of a cluster."),
    labelled(
        "userline_cluster_lost_total",
        "Times that this node found that Redis had lost some of what all nodes know of users, by what: restrictions (blocks, revoked tokens) \
         or memberships.",
    ),
    counter(
        "userline_cluster_missed_total",
        "Times that this node was so far behind that events of other nodes did not reach it.",
    ),
    counter(
        "userline_cluster_unconfirmed_total",
        "Times that what was stored was not confirmed in time, as cluster.durability wants it.",
    ),
    labelled(
        "userline_cluster_unread_total",
        "What other nodes said and this one cannot read, by cause: version (theirs is another one) or garbage.",
    ),
    gauge("userline_connections", "Open connections, also those without a socket."),
    labelled("userline_connects_refused_total", "Clients refused at connect, by error code."),
    labelled("userline_disconnects_total", "Sockets that are gone, by reason."),
    counter("userline_emits_total", "Emits, whoever they were for."),
    labelled(
        "userline_events_dropped_total",
        "Events not sent, by cause: volatile (to a busy client), closed (the connection was, or was closed now) or \
         too_many_acks.",
    ),
    counter("userline_events_matched_total", "Events, counted once for each socket they were for."),
    counter("userline_events_sent_total", "Events that a connection took."),
    counter(
        "userline_evictions_total",
        "Connections that had to go for another of their user, because of `sessions.max_sockets_per_user`.",
    ),
    counter(
        "userline_foreign_parsers_total",
        "Connections refused because their client uses another parser than JSON, such as msgpack.",
    ),
    counter(
        "userline_forward_strangers_total",
        "Connections to `cluster.listen` that were refused: of nobody who has `cluster.secret`.",
    ),
    labelled(
        "userline_forwarded_total",
        "Requests for connections of other nodes, by outcome: request and websocket (handed over), unreachable and unanswered \
         (that node is gone: the client begins anew), full (as many WebSockets as `limits.connections`), refused (without \
         `cluster.forward`: the load balancer must send each client to one node).",
    ),
    counter(
        "userline_guest_sign_ins_total",
        "Guests that became users in place, by `userline:refresh`.",
    ),
    gauge("userline_guests", "Open connections of guests (`auth.anonymous`)."),
    labelled(
        "userline_handshakes_refused_total",
        "Handshakes answered with 503, by cause: full (`limits.connections`), address (`limits.per_address`), \
         handshake_bytes (`limits.handshake_bytes`), backend (it is down, and says who clients are) or stopping.",
    ),
    labelled(
        "userline_hook_attempts_total",
        "Requests made to receivers of hooks, by endpoint and outcome.",
    ),
    gauge("userline_hook_backlog", "Undelivered hooks, by endpoint."),
    gauge(
        "userline_hook_endpoint_disabled",
        "1 while nothing is sent to an endpoint because it answered 410, else 0, by endpoint.",
    ),
    labelled(
        "userline_hooks_coalesced_total",
        "Hooks that a newer one of the same user replaced before they were sent, by endpoint.",
    ),
    labelled(
        "userline_hooks_dead_total",
        "Hooks given up, by endpoint: look at them in /v1/hooks/deliveries, and replay them.",
    ),
    counter(
        "userline_http_connections_refused_total",
        "HTTP connections closed at once: public ones over `limits.connections`, admin ones over 1024.",
    ),
    counter(
        "userline_idempotent_replays_total",
        "Requests with an `Idempotency-Key` that were answered as before and not done again.",
    ),
    labelled(
        "userline_inbox_items_total",
        "Events put into an inbox, once for each user, by outcome: stored or duplicate.",
    ),
    gauge(
        "userline_ingest_active",
        "1 while this server takes messages from a source, else 0, by source.",
    ),
    gauge(
        "userline_ingest_backlog",
        "Messages that wait where a source takes them from, counted up to 100,000, by source.",
    ),
    gauge(
        "userline_ingest_failed",
        "Messages of a source that were refused and wait for somebody to look at them, by source.",
    ),
    gauge(
        "userline_ingest_lag_seconds",
        "How long the first waiting message of a source has waited, by source.",
    ),
    labelled(
        "userline_ingest_messages_total",
        "Messages from sources, by source and outcome: emitted, repeated (stored before), unmatched (nobody was there for \
         whom they were), refused, expired or lost.",
    ),
    gauge(
        "userline_ingest_notify_queue_percent",
        "How full PostgreSQL's queue of notifications is, by source: at 100 NOTIFY fails for everybody.",
    ),
    labelled(
        "userline_key_fetches_total",
        "Requests for the keys of the issuer of tokens, by outcome: ok or failed.",
    ),
    gauge(
        "userline_keys",
        "Keys of the issuer of tokens that are good at the moment, with `jwks_url` or `discovery`.",
    ),
    gauge(
        "userline_keys_stale",
        "1 while the keys of the issuer cannot be fetched: tokens are verified with the last good ones. Else 0.",
    ),
    counter(
        "userline_loan_milliseconds_total",
        "How long clients waited for the answers to their CONNECTs, in all: divided by `userline_loans_total`, how long one \
         does, with what it waited for its turn, the store and the backend.",
    ),
    gauge(
        "userline_loans",
        "CONNECTs that the engine has at the moment: a client is being authenticated. 128 are decided at once; one that \
         waits for the store or the backend does not count among these.",
    ),
    labelled(
        "userline_loans_total",
        "CONNECTs that the engine was lent for, by outcome: accepted, refused, abandoned (the client was gone, or had left \
         again) or failed. The last one must stay 0; anything else is a bug.",
    ),
    gauge(
        "userline_loans_waiting",
        "CONNECTs that wait until the engine has time for them. For long only while thousands connect at once.",
    ),
    counter(
        "userline_log_lines_dropped_total",
        "Lines of the log that were dropped because whoever reads stderr is too slow, or gone.",
    ),
    gauge(
        "userline_memberships",
        "Records of users and rooms: memberships, and rooms that are denied.",
    ),
    counter(
        "userline_messages_undelivered_total",
        "Messages that did not reach a user, told by a hook because the sender asked for it.",
    ),
    gauge(
        "userline_not_befores",
        "Users of whom only tokens count that were issued since a time (`not_before`).",
    ),
    counter(
        "userline_old_clients_total",
        "Handshakes of socket.io-client 1 and 2 (`EIO=3`), which are told to use 3 or 4.",
    ),
    counter(
        "userline_origins_refused_total",
        "Requests of pages that are not in `listen.origins`.",
    ),
    labelled(
        "userline_permission_questions_total",
        "Questions to `permissions.url`, by ask (join, emit, presence) and outcome: allowed, denied, failed (no answer, or \
         5xx), invalid (an answer that cannot be used), overloaded, or gone (the client was).",
    ),
    gauge(
        "userline_permission_questions_waiting",
        "Questions that wait until `permissions.url` can be asked.",
    ),
    labelled(
        "userline_recoveries_total",
        "Clients that came back with an earlier session, by outcome: recovered or lost, and cause of a loss: \
         unknown (a crash), over (away too long, or said goodbye), truncated (`recovery.events_max`, `bytes_max`), \
         too_much (half of `limits.buffer_bytes`), bad_offset or unavailable (Redis could not be asked).",
    ),
    counter(
        "userline_recovery_pushed_out_total",
        "Events forgotten before `recovery.window` had passed, over `events_max` or `bytes_max`: raise these.",
    ),
    counter(
        "userline_refreshes_total",
        "Newer credentials that clients brought in place, before theirs ended.",
    ),
    gauge(
        "userline_resume_records",
        "What is remembered of resume tokens: families that were exchanged, and users who were logged out.",
    ),
    labelled(
        "userline_resumes_total",
        "Resume tokens that were brought, by outcome: resumed, expired, revoked, reused (two clients have the same: perhaps \
         one was stolen), invalid or unavailable.",
    ),
    gauge("userline_rooms", "Rooms with a socket in them, with those that every socket has."),
    counter(
        "userline_slow_consumers_total",
        "Connections closed because their client took too little of what was sent.",
    ),
    gauge("userline_sockets", "Sockets: clients, once per namespace."),
    counter(
        "userline_sockets_throttled_total",
        "Times that a socket was not read for a while because it sent faster than `limits` allows.",
    ),
    labelled(
        "userline_store_refused_total",
        "Commands that the store cannot write on a healthy disk, and has left out. Must stay 0; anything else is a bug.",
    ),
    labelled(
        "userline_tokens_verified_total",
        "Tokens whose signature and claims were looked at, by outcome: good or refused. Once for all namespaces of a \
         connection that bring the same one.",
    ),
    gauge(
        "userline_transports",
        "Open connections by transport: polling or websocket. Without any websocket a proxy may not forward Upgrade.",
    ),
    gauge(
        "userline_unauthenticated",
        "Open connections whose clients have joined no namespace, at most `limits.unauthenticated`.",
    ),
    counter(
        "userline_unauthenticated_ended_total",
        "Connections ended before their clients had joined a namespace, to make room for others \
         (`limits.unauthenticated`).",
    ),
    labelled(
        "userline_unfinished_refused_total",
        "What clients had begun to send and was refused because of `limits.unfinished_bytes`, by what: post, message or \
         connect.",
    ),
    gauge("userline_users", "Users online, lingering ones included."),
    gauge("userline_users_lingering", "Users without a socket whose grace is still running."),
    gauge(
        "userline_waiting_bytes",
        "Bytes of events that wait for clients that have not taken them, each counted once: at most `limits.waiting_bytes`.",
    ),
    counter(
        "userline_waiting_relieved_total",
        "Connections closed because more than `limits.waiting_bytes` waited for all clients, and of that most for theirs.",
    ),
    counter(
        "userline_watch_news_total",
        "Times that a client was told that a user whom it watches is online, or not any more.",
    ),
    gauge(
        "userline_watches",
        "Users watched by clients, once for each client: `presence.watches` is the bound.",
    ),
];

#[cfg(test)]
mod tests;
