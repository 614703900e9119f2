//! Questions to a backend that answers, is slow, or is dead, and sockets that change meanwhile.

use super::{NotAnswered, Permissions};
use crate::app::testing::{PATIENCE, TestApp, TestClient, until};
use crate::clock::Clock;
use crate::config::{PermissionsConfig, SignedUrl};
use crate::core::permission::question::Wish;
use crate::tasks::Tasks;
use crate::types::{Reason, Room, Secret, Seq};
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const YES: &str = r#"{"allow":true}"#;

/// A backend that answers with `answer` when it is let.
struct FakeBackend {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    /// One for each answer that it may give.
    may_answer: Arc<Semaphore>,
    _tasks: Tasks,
}

impl FakeBackend {
    async fn start(status: &'static str, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (asked, may_answer) =
            (Arc::<Mutex<Vec<Value>>>::default(), Arc::new(Semaphore::new(0)));
        let (all, gate, tasks) = (Arc::clone(&asked), Arc::clone(&may_answer), Tasks::new());
        let each = tasks.clone();
        tasks.spawn("backend", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, gate) = (Arc::clone(&all), Arc::clone(&gate));
                each.spawn("backend.call", async move {
                    let _closed = serve(stream, &asked, &gate, (status, answer)).await;
                });
            }
        });
        Self { url, asked, may_answer, _tasks: tasks }
    }

    fn asked(&self) -> usize {
        self.asked.lock().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: &Mutex<Vec<Value>>,
    gate: &Semaphore,
    (status, answer): (&str, &str),
) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        let mut some = [0; 4096];
        let len = stream.read(&mut some).await?;
        if len == 0 {
            return Ok(());
        }
        read.extend_from_slice(&some[..len]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
        let Ok(body) = serde_json::from_str(body) else { continue };
        read.clear();
        asked.lock().push(body);
        gate.acquire().await.unwrap().forget();
        let len = answer.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n\r\n{answer}");
        stream.write_all(text.as_bytes()).await?;
    }
}

fn config(url: &str) -> PermissionsConfig {
    PermissionsConfig {
        backend: SignedUrl { url: url.to_owned(), secrets: vec![Secret::new(vec![7; 32])] },
        timeout: Duration::from_secs(10),
        wait: Duration::from_secs(10),
        concurrency: 2,
        concurrency_per_user: 2,
        queue: 10,
        queue_bytes: 1000,
        good_for: Duration::from_mins(1),
        allow_private: true,
        ca: Vec::new(),
    }
}

fn asking(config: &PermissionsConfig) -> Permissions {
    Permissions::new(config, Clock::start(Seq(0))).unwrap()
}

/// Whether the client may join a room.
async fn may_join(permissions: &Permissions, client: &TestClient) -> Result<bool, NotAnswered> {
    let room = Room::parse("doc:7").unwrap();
    let permission = permissions.ask(&client.socket, Wish::Join(&room)).await?;
    Ok(permission.allowed.is_all())
}

#[tokio::test]
async fn what_the_backend_answers_is_so() {
    let (app, yes) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    yes.may_answer.add_permits(1);
    let ann = app.connect("ann").await;
    assert_eq!(may_join(&asking(&config(&yes.url)), &ann).await, Ok(true));
    let body = yes.asked.lock()[0].clone();
    assert_eq!(body["data"]["from"]["user"], "ann");
    assert_eq!(body["data"]["from"]["socket"], ann.socket.id.to_string());

    for (status, answer, expected) in [
        ("200 OK", r#"{"allow":false}"#, Ok(false)),
        ("200 OK", r#"{"allow":["doc:7"]}"#, Err(NotAnswered::BadAnswer)),
        ("200 OK", "<html>", Err(NotAnswered::BadAnswer)),
        ("204 None", "", Err(NotAnswered::BadAnswer)),
        ("403 No", YES, Err(NotAnswered::BadAnswer)),
        ("404 No", YES, Err(NotAnswered::BadAnswer)),
        ("302 Found", YES, Err(NotAnswered::Unavailable)),
        ("500 No", YES, Err(NotAnswered::Unavailable)),
        ("429 No", YES, Err(NotAnswered::Unavailable)),
    ] {
        let backend = FakeBackend::start(status, answer).await;
        backend.may_answer.add_permits(1);
        let told = may_join(&asking(&config(&backend.url)), &ann).await;
        assert_eq!(told, expected, "{status} {answer}");
    }
}

#[tokio::test]
async fn a_slow_backend_is_waited_for_so_long_and_a_dead_one_is_left_alone() {
    let (app, silent) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    let ann = app.connect("ann").await;
    let config = PermissionsConfig { timeout: Duration::from_millis(50), ..config(&silent.url) };
    let permissions = asking(&config);
    for _ in 0..5 {
        assert_eq!(may_join(&permissions, &ann).await, Err(NotAnswered::Timeout));
    }
    let asked = silent.asked();
    assert_eq!(may_join(&permissions, &ann).await, Err(NotAnswered::Unavailable));
    assert_eq!(silent.asked(), asked, "it is left alone");
}

/// One user, from however many clients, leaves room for the others.
#[tokio::test]
async fn there_are_so_many_questions_at_once_and_so_many_that_wait() {
    let (app, backend) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    let permissions = asking(&config(&backend.url));
    let mut clients = Vec::new();
    for user in ["ann", "bob", "cid", "dan", "eve", "fay"] {
        clients.push(Arc::new(app.connect(user).await));
    }
    let ask = |client: &Arc<TestClient>| {
        let (permissions, client) = (permissions.clone(), Arc::clone(client));
        app.parts.tasks.run_to_end("test", async move { may_join(&permissions, &client).await })
    };
    let mut running: Vec<_> = (0..2).map(|_| ask(&clients[0])).collect();
    until("two to be asked", || backend.asked() == 2).await;
    let waiting = || permissions.0.schedule.lock().waiting();
    running.extend((0..2).map(|_| ask(&clients[0])));
    until("two to wait", || waiting() == 2).await;
    assert_eq!(ask(&clients[0]).result().await.unwrap(), Err(NotAnswered::Overloaded));
    for client in &clients[1..5] {
        running.extend((0..2).map(|_| ask(client)));
    }
    until("ten to wait", || waiting() == 10).await;

    assert_eq!(ask(&clients[5]).result().await.unwrap(), Err(NotAnswered::Overloaded));
    assert_eq!(backend.asked(), 2);

    backend.may_answer.add_permits(20);
    for one in running {
        let answered = tokio::time::timeout(PATIENCE, one.result()).await.unwrap();
        assert_eq!(answered.unwrap(), Ok(true));
    }
    assert_eq!((waiting(), permissions.0.schedule.lock().calls()), (0, 0));
}

#[tokio::test]
async fn whoever_waits_too_long_gives_up_its_place() {
    let (app, backend) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    let ann = Arc::new(app.connect("ann").await);
    let config = PermissionsConfig {
        concurrency: 1,
        wait: Duration::from_millis(50),
        ..config(&backend.url)
    };
    let permissions = asking(&config);
    let first = {
        let (permissions, ann) = (permissions.clone(), Arc::clone(&ann));
        app.parts.tasks.run_to_end("test", async move { may_join(&permissions, &ann).await })
    };
    until("one to be asked", || backend.asked() == 1).await;
    assert_eq!(may_join(&permissions, &ann).await, Err(NotAnswered::Overloaded));
    assert_eq!(permissions.0.schedule.lock().waiting(), 0);
    backend.may_answer.add_permits(2);
    assert_eq!(first.result().await.unwrap(), Ok(true));
    assert_eq!(may_join(&permissions, &ann).await, Ok(true));
}

#[tokio::test]
async fn a_socket_that_is_gone_when_the_answer_comes_may_do_nothing() {
    let (app, backend) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    let ann = Arc::new(app.connect("ann").await);
    let permissions = asking(&config(&backend.url));
    let asked = {
        let (permissions, ann) = (permissions.clone(), Arc::clone(&ann));
        app.parts.tasks.run_to_end("test", async move { may_join(&permissions, &ann).await })
    };
    until("it to be asked", || backend.asked() == 1).await;

    app.realtime.attendance.leave(&ann.socket, Reason::TransportClose);
    backend.may_answer.add_permits(1);

    assert_eq!(asked.result().await.unwrap(), Err(NotAnswered::OtherClient));
}

#[test]
fn what_waits_has_so_many_bytes() {
    let permissions = asking(&config("http://127.0.0.1:1/"));
    let held = permissions.hold(600).unwrap();
    assert!(permissions.hold(401).is_err());
    let rest = permissions.hold(400).unwrap();
    assert!(permissions.hold(1).is_err());
    drop(held);
    assert!(permissions.hold(600).is_ok());
    drop(rest);
    assert!(permissions.hold(usize::MAX).is_err());
}

/// Whoever asked and does not wait any more keeps no place, be it that of the probe.
#[tokio::test]
async fn a_question_that_is_given_up_frees_its_place() {
    let (app, backend) = (TestApp::new(), FakeBackend::start("200 OK", YES).await);
    let ann = app.connect("ann").await;
    let permissions = asking(&config(&backend.url));
    let asking = tokio::time::timeout(Duration::from_millis(100), may_join(&permissions, &ann));
    assert!(asking.await.is_err());
    assert_eq!(permissions.0.schedule.lock().calls(), 0);
}
