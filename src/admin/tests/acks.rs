//! Acks over HTTP: who answered, who did not, and when the answer is given.

use super::fixture::{ACK_BYTES_MAX, ALL, Answer, Client, Fixture, request};
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TO_ANN: &str = r#""to":{"users":["ann"]},"event":"q","data":1"#;

/// The id of the ack that the event asks for.
fn asked(event: &str) -> String {
    let packet = event.strip_prefix("42").unwrap_or_else(|| panic!("not an event: {event}"));
    packet.split('[').next().unwrap().to_owned()
}

async fn answer(api: &Fixture, client: &Client, args: &str) {
    let id = asked(&api.hear(client).await);
    api.say(client, &format!("43{id}{args}")).await;
}

/// The answer without what differs from run to run; sockets by the clients' names.
fn told(answer: &Value, clients: &[(&str, &Client)]) -> Value {
    let name = |socket: &Value| {
        let is_it = |(_, client): &&(&str, &Client)| *socket == client.socket.id.to_string();
        clients.iter().find(is_it).map(|(name, _)| *name)
    };
    let list = |field: &str, what: &str| {
        let items = answer[field].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        items.map(|it| json!([it["user"], name(&it["socket"]), it[what]])).collect::<Vec<_>>()
    };
    json!({
        "met": answer["met"],
        "acked": answer["acked"],
        "acks": list("acks", "args"),
        "missing": list("missing", "why"),
    })
}

async fn ask(api: &Fixture, ack: &str) -> Value {
    let answer = api.post("/v1/emit", &format!("{{{TO_ANN},\"ack\":{ack}}}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test(start_paused = true)]
async fn every_device_that_answers_is_told_with_what_it_said_and_who_is_missing() {
    let api = Fixture::new();
    let phone = api.connect("ann", "/", &[]).await;
    let laptop = api.connect("ann", "/", &[]).await;
    let silent = api.connect("ann", "/", &[]).await;

    let (told_by, (), ()) = tokio::join!(
        ask(&api, r#"{"timeout":"3s"}"#),
        answer(&api, &phone, r#"[1.0,{"b":12345678901234567890.10,"a":2}]"#),
        answer(&api, &laptop, "[]"),
    );

    let clients = [("phone", &phone), ("laptop", &laptop), ("silent", &silent)];
    let expected = json!({
        "met": false,
        "acked": 2,
        "acks": [["ann", "phone", serde_json::from_str::<Value>(r#"[1.0,{"b":12345678901234567890.10,"a":2}]"#).unwrap()], ["ann", "laptop", []]],
        "missing": [["ann", "silent", "timeout"]],
    });
    assert_eq!(told(&told_by, &clients), expected);
    assert_eq!(told_by["matched"], 3);
    assert!(told_by["acks"][0]["ms"].as_u64().unwrap() < 3000, "{told_by}");
}

#[tokio::test(start_paused = true)]
async fn what_a_client_wrote_is_told_as_it_wrote_it() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let args = r#"[1.0,{"z":12345678901234567890.10,"a":1e2,"a":"\u00e9"}]"#;

    let body = format!("{{{TO_ANN},\"ack\":{{\"timeout\":3000}}}}");
    let (told, ()) = tokio::join!(api.post("/v1/emit", &body), answer(&api, &ann, args));

    assert!(told.text.contains(&format!("\"args\":{args}")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_answer_comes_as_soon_as_what_is_needed_has_come() {
    let api = Fixture::new();
    let phone = api.connect("ann", "/", &[]).await;
    let laptop = api.connect("ann", "/", &[]).await;
    for need in ["any", "one_per_user"] {
        let ack = format!(r#"{{"timeout":"60s","need":"{need}"}}"#);
        let (told_by, ()) = tokio::join!(ask(&api, &ack), answer(&api, &phone, "[1]"));
        api.hear(&laptop).await;

        let expected = json!({
            "met": true,
            "acked": 1,
            "acks": [["ann", "phone", [1]]],
            "missing": [["ann", "laptop", "cancelled"]],
        });
        assert_eq!(told(&told_by, &[("phone", &phone), ("laptop", &laptop)]), expected, "{need}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_is_not_waited_for() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;

    let (told_by, ()) = tokio::join!(ask(&api, r#"{"timeout":"60s"}"#), async {
        api.hear(&ann).await;
        ann.leave();
    });

    assert_eq!(told(&told_by, &[("it", &ann)])["missing"], json!([["ann", "it", "disconnected"]]));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_an_answer_that_comes_at_once() {
    let api = Fixture::new();

    let told_by = ask(&api, r#"{"timeout":"60s"}"#).await;

    let expected =
        json!({"met": false, "acked": 0, "acks": [], "missing": [["ann", null, "offline"]]});
    assert_eq!(told(&told_by, &[]), expected);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_not_there_is_missing_and_who_is_left_out_is_not() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let _elsewhere = api.connect("cy", "/chat", &[]).await;
    let left_out = api.connect("eve", "/", &[]).await.socket.id;
    let body = format!(
        r#"{{"to":{{"users":["bob","ann","cy","dan","eve"]}},"except":{{"users":["dan"],"sockets":["{left_out}"]}},"event":"q","ack":{{"timeout":"60s"}}}}"#
    );

    let (answered, ()) = tokio::join!(api.post("/v1/emit", &body), answer(&api, &ann, "[]"));

    let answered = answered.json();
    assert_eq!(answered["met"], true, "every socket it was for has acked");
    let offline = |user: &str| json!({"user": user, "why": "offline"});
    assert_eq!(answered["missing"], json!([offline("bob"), offline("cy")]));
}

#[tokio::test(start_paused = true)]
async fn only_the_first_ack_with_the_right_id_in_the_right_namespace_counts() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;

    let (told_by, ()) = tokio::join!(ask(&api, r#"{"timeout":"60s"}"#), async {
        let id = asked(&api.hear(&ann).await);
        api.say(&ann, "43999[0]").await;
        api.say(&ann, &format!("43/chat,{id}[0]")).await;
        api.say(&ann, &format!("43{id}[1]\u{1e}43{id}[2]")).await;
    });

    assert_eq!(told(&told_by, &[("it", &ann)])["acks"], json!([["ann", "it", [1]]]));
}

#[tokio::test(start_paused = true)]
async fn buffers_go_out_and_come_back_in_acks() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let body = r#"{"to":{"users":["ann"]},"event":"b","args":[{"deep":[{"$binary":"AQID"},1.0]}],"binary":true,"ack":{"timeout":"9s"}}"#;

    let (told_by, ()) = tokio::join!(api.post("/v1/emit", body), async {
        let heard = api.hear(&ann).await;
        let (id, rest) = heard.strip_prefix("451-").unwrap().split_once('[').unwrap();
        assert_eq!(rest, "\"b\",{\"deep\":[{\"_placeholder\":true,\"num\":0},1.0]}]\u{1e}bAQID");
        let place = r#"{"x":{"_placeholder":true,"num":0}}"#;
        api.say(&ann, &format!("461-{id}[{place},7.0]\u{1e}bBAU=")).await;
    });

    assert!(told_by.text.contains(r#""args":[{"x":{"$binary":"BAU="}},7.0]"#), "{told_by:?}");
}

#[tokio::test(start_paused = true)]
async fn more_than_128_emits_do_not_wait_for_one_connection() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let body = format!(r#"{{{TO_ANN},"ack":{{"timeout":"60s"}}}}"#);
    let mut waiting = Vec::new();
    for _ in 0..128 {
        let mut one = Box::pin(api.post("/v1/emit", &body));
        let soon = Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, one.as_mut()).await.is_err(), "it waits");
        waiting.push(one);
    }

    let told_by = ask(&api, r#"{"timeout":"60s"}"#).await;
    let why = &told(&told_by, &[("it", &ann)])["missing"];
    assert_eq!(*why, json!([["ann", "it", "too_many_acks"]]));
    assert_eq!((&told_by["matched"], &told_by["sent"]), (&json!(1), &json!(0)));

    // Callers who hang up can ask what came of it, so the wait goes on, to its end.
    drop(waiting);
    let told_by = ask(&api, r#"{"timeout":"60s"}"#).await;
    let why = &told(&told_by, &[("it", &ann)])["missing"];
    assert_eq!(*why, json!([["ann", "it", "too_many_acks"]]));
    tokio::time::advance(Duration::from_mins(1)).await;
    // The waits are tasks of their own: they end when it is their turn.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let told_by = ask(&api, r#"{"timeout":"1s"}"#).await;
    let why = &told(&told_by, &[("it", &ann)])["missing"];
    assert_eq!(*why, json!([["ann", "it", "timeout"]]));
}

#[tokio::test]
async fn asks_that_make_no_sense_are_refused_with_their_field() {
    let api = Fixture::new();
    let table = [
        (r#""ack":{}"#, "ack.timeout"),
        (r#""ack":{"timeout":"61s"}"#, "ack.timeout"),
        (r#""ack":{"timeout":0}"#, "ack.timeout"),
        (r#""ack":{"timeout":"soon"}"#, "ack.timeout"),
        (r#""ack":{"timeout":true}"#, "ack.timeout"),
        (r#""ack":{"timeout":1,"need":"most"}"#, "ack.need"),
        (r#""ack":{"timeout":1,"x":1}"#, "ack.x"),
        (r#""binary":true,"args":[{"$binary":"?"}]"#, "args"),
        (r#""binary":true,"args":[{"$binary":"AA==","x":1}]"#, "args"),
        (r#""binary":true,"args":[{"_placeholder":true,"num":0}]"#, "args"),
        (r#""binary":1"#, "binary"),
    ];
    for (wrong, field) in table {
        let body = format!(r#"{{"to":{{"users":["ann"]}},"event":"x",{wrong}}}"#);
        let answer = api.send(request(Method::POST, "/v1/emit", ALL, &body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some(field), "{wrong}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_acks_say_is_left_out_beyond_the_bound_of_all_requests_until_an_answer_is_written() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let body = format!("{{{TO_ANN},\"ack\":{{\"timeout\":\"60s\"}}}}");
    let large = format!("[\"{}\"]", "x".repeat(ACK_BYTES_MAX * 2 / 3));
    let emit = async || {
        let request = request(Method::POST, "/v1/emit", ALL, &body);
        tokio::join!(api.answer(request), answer(&api, &ann, &large)).0
    };
    let told = |answer: &Answer| {
        let answer = answer.json();
        let ack = &answer["acks"][0];
        assert_eq!((&answer["met"], &answer["acked"]), (&json!(true), &json!(1)), "{answer}");
        (ack.get("args").is_some(), ack.get("omitted").cloned())
    };

    let unread = emit().await;
    let second = Answer::read(emit().await).await;
    let first = Answer::read(unread).await;
    let third = Answer::read(emit().await).await;

    assert_eq!(told(&first), (true, None));
    assert_eq!(told(&second), (false, Some(json!("server_full"))), "the first is not read yet");
    assert_eq!(told(&third), (true, None), "the first is read");
}

#[tokio::test(start_paused = true)]
async fn the_emits_of_a_batch_share_what_their_acks_may_say() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let emit = r#"{"to":{"users":["ann"]},"event":"q","ack":{"timeout":"60s"}}"#;
    let body = format!(r#"{{"emits":[{emit},{emit}]}}"#);
    let half = format!("[\"{}\"]", "x".repeat(ACK_BYTES_MAX * 2 / 3));
    let key = "one request";
    let batch = || {
        let mut request = request(Method::POST, "/v1/emit/batch", ALL, &body);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        api.send(request)
    };

    let (first, ()) = tokio::join!(batch(), async {
        let heard = api.hear(&ann).await;
        for event in heard.split('\u{1e}') {
            api.say(&ann, &format!("43{}{half}", asked(event))).await;
        }
    });
    let again = batch().await;

    let results = &first.json()["results"];
    assert_eq!(results[0]["acks"][0]["omitted"], Value::Null, "{first:?}");
    assert_eq!(results[1]["acks"][0]["omitted"], "server_full", "{first:?}");
    assert_eq!(again.text, first.text, "what is remembered is the same answer");
    let plain = format!("{{{TO_ANN},\"ack\":{{\"timeout\":\"60s\"}}}}");
    let (told, ()) = tokio::join!(api.post("/v1/emit", &plain), answer(&api, &ann, &half));
    assert!(told.json()["acks"][0]["args"].is_array(), "a remembered answer holds nothing back");
}
