//! `userline hooks listen`: a receiver that prints what it gets.

use super::verify::{BODY_BYTES_MAX, SecretArgs};
use crate::cli::exit::CommandFailure;
use crate::cli::output;
use crate::clock::Clock;
use crate::core::backend::signature::{self, SignedHeaders};
use crate::tasks::Tasks;
use crate::types::{Secret, Seq};
use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How old a request may be.
const TOLERANCE: Duration = Duration::from_mins(5);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 64;

/// Receive hooks on this machine and print them
///
/// With a secret, requests with a wrong signature are refused with 401. For development: nothing is stored.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListenArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
    #[command(flatten)]
    secret: SecretArgs,
    /// Print one JSON object per request: headers, verified, body, and the text of the body as it came in raw
    #[arg(long)]
    json: bool,
}

struct HookReceiver {
    secret: Option<Secret>,
    clock: Clock,
    form: OutputForm,
}

#[derive(Clone, Copy)]
enum OutputForm {
    Text,
    Json,
}

pub(super) async fn run(args: ListenArgs) -> Result<(), CommandFailure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("listening on port {}", args.port))
        .map_err(CommandFailure::Internal)?;
    let address = listener.local_addr().map_err(CommandFailure::internal)?;
    let form = if args.json { OutputForm::Json } else { OutputForm::Text };
    let greeting = format!("listening on http://{address}/ (any path); Ctrl-C ends it");
    match form {
        OutputForm::Text => output::line(&greeting)?,
        // Whoever reads the output expects nothing but hooks there.
        OutputForm::Json => output::note(&greeting),
    }
    let clock = Clock::start(Seq(0));
    let receiver = Arc::new(HookReceiver { secret: args.secret.parsed()?, clock, form });
    let tasks = Tasks::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = Arc::clone(&room).acquire_owned().await.map_err(CommandFailure::internal)?;
        let (stream, _) = listener.accept().await.map_err(CommandFailure::internal)?;
        let receiver = Arc::clone(&receiver);
        tasks.spawn("hook connection", async move {
            serve(stream, receiver).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, receiver: Arc<HookReceiver>) {
    let answer = service_fn(move |request| {
        let receiver = Arc::clone(&receiver);
        async move { Ok::<_, Infallible>(receiver.answer(request).await) }
    });
    // A connection that breaks concerns its sender, who tries again.
    drop(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), answer)
            .await,
    );
}

impl HookReceiver {
    async fn answer<B>(&self, request: Request<B>) -> Response<Empty<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let limit = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
        let reading = Limited::new(body, limit).collect();
        let status = match tokio::time::timeout(BODY_TIMEOUT, reading).await {
            Ok(Ok(body)) => self.take(&parts.headers, &body.to_bytes()),
            Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => StatusCode::REQUEST_TIMEOUT,
        };
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        response
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let header = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let signed = SignedHeaders {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let now = self.clock.wall();
        let verdict = self
            .secret
            .as_ref()
            .map(|secret| signature::verify(secret, signed, body, now, TOLERANCE));
        let text = match self.form {
            OutputForm::Json => json_line(signed, body, verdict.as_ref().map(Result::is_ok)),
            OutputForm::Text => {
                let note = match &verdict {
                    None => "signature not checked".to_owned(),
                    Some(Ok(())) => "verified".to_owned(),
                    Some(Err(error)) => format!("REFUSED: {error}"),
                };
                text_lines(&output::plain(signed.id), body, &note)
            }
        };
        if output::line(&text).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        match verdict {
            Some(Err(_)) => StatusCode::UNAUTHORIZED,
            Some(Ok(())) | None => StatusCode::NO_CONTENT,
        }
    }
}

fn json_line(headers: SignedHeaders<'_>, body: &[u8], verified: Option<bool>) -> String {
    let raw = String::from_utf8_lossy(body);
    let body = serde_json::from_slice(body).unwrap_or_else(|_| Value::from(raw.clone()));
    let headers = json!({
        "webhook-id": headers.id,
        "webhook-timestamp": headers.timestamp,
        "webhook-signature": headers.signature,
    });
    // Signatures are over the bytes as they came: JSON that is parsed and written again has others.
    json!({ "headers": headers, "verified": verified, "body": body, "raw": raw }).to_string()
}

/// One line per event; several in a batch.
fn text_lines(id: &str, body: &[u8], note: &str) -> String {
    let events = match serde_json::from_slice(body) {
        Ok(Value::Array(events)) => events,
        Ok(event) => vec![event],
        Err(_) => return format!("a body that is not JSON, {} bytes  [{note}]", body.len()),
    };
    let lines = events.iter().map(|event| {
        let data = event.get("data").cloned().unwrap_or_default();
        let [at, kind] = ["timestamp", "type"].map(|name| output::field(event, name));
        // Of a batch, each event has its own.
        let id = event.get("id").map_or_else(|| id.to_owned(), |_| output::field(event, "id"));
        let [user, seq, reason] = ["user", "seq", "reason"].map(|name| output::field(&data, name));
        format!("{at}  {kind:<12}  {user}  seq {seq}  reason {reason}  id {id}  [{note}]")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
