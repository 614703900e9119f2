//! The OpenAPI document says what the router does: every operation is called, in every way the document names.

mod calls;
mod restricted;

use super::fixture::{ALL, Answer, Client, Fixture, ONE, PAYLOAD_MAX, request};
use super::hooks::{DEAD, has};
use super::schema::Schemas;
use crate::types::{FamilyId, Grants, ResumeTicket, WallMs};
use axum::body::Body;
use axum::http::{Method, Request, header};
use calls::CALLS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

/// One operation of the document.
struct Operation {
    method: Method,
    path: String,
    said: Value,
}

impl Operation {
    fn id(&self) -> &str {
        self.said["operationId"].as_str().unwrap()
    }

    /// The scope of which the key needs one; `None`: no key.
    fn scope(&self) -> Option<&str> {
        self.said["security"][0]["bearer"][0].as_str()
    }

    fn has_body(&self) -> bool {
        self.said.get("requestBody").is_some()
    }

    fn statuses(&self) -> BTreeSet<u16> {
        self.said["responses"].as_object().unwrap().keys().map(|it| it.parse().unwrap()).collect()
    }
}

/// The document, and what was seen of it.
struct Walk {
    document: Value,
    operations: Vec<Operation>,
    seen: BTreeMap<String, BTreeSet<u16>>,
}

impl Walk {
    async fn new(api: &Fixture) -> Self {
        let document = api.get("/v1/openapi.json").await.json();
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, said) in methods.as_object().unwrap() {
                let method = method.to_uppercase().parse().unwrap();
                operations.push(Operation { method, path: path.clone(), said: said.clone() });
            }
        }
        assert!(!operations.is_empty(), "{document}");
        Self { document, operations, seen: BTreeMap::new() }
    }

    /// Checks that a body the server takes is one that the document allows.
    fn check_sent(&self, index: usize, body: &str) {
        let said = &self.operations[index].said["requestBody"]["content"]["application/json"];
        let body = serde_json::from_str(body).unwrap();
        let wrong = Schemas(&self.document).check(&said["schema"], &body);
        assert!(wrong.is_empty(), "{body}: {wrong:#?}");
    }

    /// Checks that an answer is one that the document promises.
    fn check(&mut self, index: usize, answer: &Answer) {
        let operation = &self.operations[index];
        let (id, status) = (operation.id().to_owned(), answer.status.as_u16());
        let promised = &operation.said["responses"][status.to_string()];
        assert!(promised.is_object(), "{id}: {status} is not documented: {answer:?}");
        let content = promised["content"].as_object().expect("a body is documented");
        let (media_type, content) = content.iter().next().unwrap();
        let sent = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
        assert_eq!(sent.split(';').next(), Some(media_type.as_str()), "{id} {status}");
        if media_type == "application/json" {
            let wrong = Schemas(&self.document).check(&content["schema"], &answer.json());
            assert!(wrong.is_empty(), "{id} {status}: {wrong:#?}");
        }
        self.seen.entry(id).or_default().insert(status);
    }
}

fn fill(text: &str, client: &Client) -> String {
    text.replace("{socket}", &client.socket.id.to_string())
}

/// A path of the operation that makes sense.
fn some_path(id: &str, client: &Client) -> String {
    let call = CALLS.iter().find(|(it, ..)| *it == id).unwrap_or_else(|| panic!("no call of {id}"));
    fill(call.1, client)
}

#[tokio::test]
async fn every_operation_answers_as_the_document_says() {
    let api = Fixture::new();
    let client = api.connect("ann", "/", &["org:7"]).await;
    // One dead letter, and nobody who sends it when it is replayed.
    api.wait_for(DEAD, has(1)).await;
    assert!(api.tasks.stop(Duration::from_secs(10)).await);
    // Bodies that do not come are given up at once.
    tokio::time::pause();
    let mut walk = Walk::new(&api).await;
    for index in 0..walk.operations.len() {
        let operation = &walk.operations[index];
        let path = some_path(operation.id(), &client);
        let (method, scope) = (operation.method.clone(), operation.scope().map(str::to_owned));
        let mut requests = Vec::new();
        if let Some(scope) = scope {
            let other = ONE.iter().find(|(it, _)| it.as_str() != scope).unwrap().1;
            requests.push((401, request(method.clone(), &path, "wrong", "{}")));
            requests.push((403, request(method.clone(), &path, other, "{}")));
        }
        if operation.has_body() {
            requests.extend(bad_bodies(&method, &path));
        }
        for (status, request) in requests {
            let answer = api.send(request).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
            walk.check(index, &answer);
        }
    }
    named(&api, &mut walk).await;
    // From here on the store answers from its own thread, which a paused clock would not wait for.
    tokio::time::resume();
    for (id, path, body, status) in CALLS {
        let index = walk.operations.iter().position(|it| it.id() == *id);
        let index = index.unwrap_or_else(|| panic!("{id} is not in the document"));
        let method = walk.operations[index].method.clone();
        let (path, body) = (fill(path, &client), fill(body, &client));
        if *status == 200 && !body.is_empty() {
            walk.check_sent(index, &body);
        }
        let answer = api.send(request(method, &path, ALL, &body)).await;
        assert_eq!(answer.status.as_u16(), *status, "{id} {path} {body}: {answer:?}");
        walk.check(index, &answer);
    }
    unavailable(&api, &mut walk).await;
    for operation in &walk.operations {
        // A 500 is a bug: there is none to call. For a 202 there have to be other nodes, which do not answer.
        let is_alone = |it: &u16| *it != 503 || !ONLY_IN_CLUSTER.contains(&operation.id());
        let is_callable = |it: &u16| ![500, 202].contains(it) && is_alone(it);
        let documented: BTreeSet<u16> =
            operation.statuses().into_iter().filter(is_callable).collect();
        assert_eq!(walk.seen[operation.id()], documented, "{}", operation.id());
    }
}

fn bad_bodies(method: &Method, path: &str) -> Vec<(u16, Request<Body>)> {
    let with = |body: Body| {
        let mut request = request(method.clone(), path, ALL, "");
        *request.body_mut() = body;
        request
    };
    let mut picture = with(Body::from("{}"));
    picture.headers_mut().insert(header::CONTENT_TYPE, "image/png".parse().unwrap());
    let never = futures_util::stream::pending::<Result<&str, Infallible>>();
    vec![
        (400, with(Body::from("{"))),
        (408, with(Body::from_stream(never))),
        (413, with(Body::from(" ".repeat(PAYLOAD_MAX + 1)))),
        (415, picture),
    ]
}

/// Operations that take an `Idempotency-Key`.
const NAMED: [&str; 2] = ["emit", "emit_batch"];

/// Operations that are unavailable only if there is a cluster, which cannot be reached.
const ONLY_IN_CLUSTER: [&str; 11] = [
    "attach_to_socket",
    "presence",
    "list_rooms",
    "get_room",
    "get_socket",
    "join_rooms",
    "leave_rooms",
    "list_nodes",
    "list_sources",
    "list_messages",
    "get_user_history",
];

/// What requests with an `Idempotency-Key` are answered with besides.
async fn named(api: &Fixture, walk: &mut Walk) {
    let with_key = |path: &str, key: &str, body: &str| {
        let mut request = request(Method::POST, path, ALL, body);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        request
    };
    let slow = r#"{"to":{"all":true},"event":"x","ack":{"timeout":"60s"}}"#;
    for key in ["a", "b", "c"] {
        let given_up = api.send(with_key("/v1/emit", key, slow));
        let given_up = tokio::time::timeout(Duration::from_millis(1), given_up).await;
        assert!(given_up.is_err(), "{given_up:?}");
    }
    for id in NAMED {
        let index = walk.operations.iter().position(|it| it.id() == id).unwrap();
        let path = walk.operations[index].path.clone();
        for (key, status) in [("a", 409), ("d", 503)] {
            let good = CALLS.iter().find(|(it, .., status)| *it == id && *status == 200).unwrap();
            let answer = api.send(with_key(&path, key, good.2)).await;
            assert_eq!(answer.status.as_u16(), status, "{id}: {answer:?}");
            walk.check(index, &answer);
        }
    }
}

/// Everything that is refused when the server is not ready, or stopping.
async fn unavailable(api: &Fixture, walk: &mut Walk) {
    let client = api.connect("zoe", "/", &[]).await;
    let family = FamilyId::from_bytes([7; 16]);
    let resume = Some(Box::new(ResumeTicket { family, generation: 1, since: WallMs(0) }));
    api.sockets.regrant(&client.socket, Grants { resume, ..Grants::default() }, 0);
    *api.trouble.lock() = Some("trouble".to_owned());
    api.store.close().await;
    for index in 0..walk.operations.len() {
        let operation = &walk.operations[index];
        let is_other = NAMED.contains(&operation.id()) || ONLY_IN_CLUSTER.contains(&operation.id());
        if is_other || !operation.statuses().contains(&503) {
            continue;
        }
        let mut good =
            CALLS.iter().filter(|(id, .., status)| (*id, *status) == (operation.id(), 200));
        let (_, path, body, _) = good.next_back().unwrap();
        let path = fill(path, &client);
        let answer = api.send(request(operation.method.clone(), &path, ALL, body)).await;
        assert_eq!(answer.status.as_u16(), 503, "{path}: {answer:?}");
        walk.check(index, &answer);
    }
}

#[tokio::test]
async fn the_examples_of_the_document_fit_its_schemas() {
    let api = Fixture::new();
    let walk = Walk::new(&api).await;
    let schemas = walk.document["components"]["schemas"].as_object().unwrap();
    let mut seen = 0;
    for (name, schema) in schemas {
        let own = schema.get("example").map(|example| (name.clone(), schema, example));
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let each = properties.filter_map(|(property, it)| {
            it.get("example").map(|example| (format!("{name}.{property}"), it, example))
        });
        for (place, schema, example) in own.into_iter().chain(each) {
            let wrong = Schemas(&walk.document).check(schema, example);
            assert!(wrong.is_empty(), "{place}: {wrong:?}");
            seen += 1;
        }
    }
    assert!(20 < seen, "only {seen} examples");
}

#[tokio::test]
async fn the_document_lists_what_the_head_of_the_module_lists_with_scopes() {
    let api = Fixture::new();
    let walk = Walk::new(&api).await;
    let documented: BTreeSet<(String, String, String)> = walk
        .operations
        .iter()
        .map(|it| (it.method.to_string(), it.path.clone(), it.scope().unwrap_or("-").to_owned()))
        .collect();
    let listed: BTreeSet<(String, String, String)> = include_str!("../../admin.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| {
            ["GET", "POST", "DELETE", "PUT", "PATCH"].iter().any(|it| line.starts_with(it))
        })
        .filter(|line| !line.contains("  dev  "))
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
        })
        .collect();
    assert_eq!(documented, listed);
}

#[tokio::test]
async fn everything_in_the_document_is_described() {
    let api = Fixture::new();
    let walk = Walk::new(&api).await;
    assert_eq!(walk.document["openapi"], "3.1.0");
    assert_eq!(walk.document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(walk.document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let schemas = walk.document["components"]["schemas"].as_object().unwrap();
    assert!(!schemas.is_empty());
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        for (property, it) in schema["properties"].as_object().into_iter().flatten() {
            // What may be `null` is one of two, of which the first is described.
            let is_described = |it: &Value| it["description"].is_string() || it["$ref"].is_string();
            assert!(is_described(it) || is_described(&it["oneOf"][0]), "{name}.{property}");
        }
    }
    for operation in &walk.operations {
        assert!(operation.said["summary"].is_string(), "{}", operation.id());
    }
}

#[tokio::test]
async fn every_schema_that_is_referred_to_is_there() {
    let api = Fixture::new();
    let text = api.get("/v1/openapi.json").await.text;
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for named in text.split("\"#/components/schemas/").skip(1) {
        let name = named.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
        seen += 1;
    }
    assert!(100 < seen, "only {seen}");
}
