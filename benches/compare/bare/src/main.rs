//! Bare axum and socketioxide: users by `auth.user`, emits over HTTP, one echo with ack. Prints `public URL` once it
//! listens; ends with SIGTERM.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use serde::Deserialize;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, Extension, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Auth {
    user: String,
    #[serde(default)]
    n: usize,
    #[serde(default)]
    rooms: usize,
    data: Option<String>,
}

#[derive(Deserialize)]
struct Emit {
    to: To,
    event: String,
    data: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct To {
    all: bool,
    users: Vec<String>,
}

/// Who a socket belongs to, which rooms it joins, and what is attached to it.
#[derive(Clone)]
struct User {
    name: String,
    rooms: std::ops::Range<usize>,
    #[expect(dead_code, reason = "it is there")]
    data: Option<String>,
}

async fn authenticate(socket: SocketRef, Data(auth): Data<Auth>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let Auth { user: name, n, rooms, data } = auth;
    socket.extensions.insert(User { name, rooms: n..n + rooms, data });
    Ok(())
}

async fn connect(socket: SocketRef, Extension(user): Extension<User>) {
    socket.join(format!("user:{}", user.name));
    socket.join(user.rooms.map(|it| format!("room-{it}")).collect::<Vec<_>>());
    socket.on("userline:ping", async |Data::<Value>(data), ack: AckSender| {
        ack.send(&data).ok();
    });
}

async fn emit(State(io): State<SocketIo>, body: Bytes) -> impl IntoResponse {
    let Ok(Emit { to, event, data }) = serde_json::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "{}");
    };
    // A full queue of one socket is an error here although the others got the event; as in most programs, it is not
    // the caller's concern.
    if to.all {
        io.emit(event, &data).await.ok();
    } else {
        let rooms: Vec<String> = to.users.iter().map(|user| format!("user:{user}")).collect();
        io.to(rooms).emit(event, &data).await.ok();
    }
    (StatusCode::OK, "{}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connect.with(authenticate));
    let app = Router::new().route("/v1/emit", post(emit)).with_state(io).layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("public http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, app).await?;
    Ok(())
}
