//! Batches over the API: order, results one by one, acks, stored emits, bounds.

use super::fixture::Fixture;
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_batch_is_sent_and_answered_in_order_each_emit_by_itself() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let mut emits = Vec::new();
    for n in 0..1000 {
        emits.push(format!(r#"{{"to":{{"users":["ann"]}},"event":"n","data":{n}}}"#));
    }
    emits[500] = r#"{"to":{"users":["ann"]},"event":"connect"}"#.to_owned();
    emits[501] = r#"{"to":{"users":["ann"]},"event":"x","surprise":1}"#.to_owned();

    let answer = api.post("/v1/emit/batch", &format!(r#"{{"emits":[{}]}}"#, emits.join(","))).await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 1000);
    for (n, result) in results.iter().enumerate().filter(|(n, _)| ![500, 501].contains(n)) {
        assert_eq!((&result["status"], &result["sent"]), (&json!(200), &json!(1)), "{n}: {result}");
    }
    assert_eq!(results[500]["status"], 422);
    assert_eq!(results[500]["error"]["code"], "reserved_event");
    assert_eq!(results[501]["status"], 400);
    assert_eq!(results[501]["error"]["field"], "surprise");
    let taken = (0..1000).filter(|n| ![500, 501].contains(n));
    let expected: Vec<_> = taken.map(|n| format!("42[\"n\",{n}]")).collect();
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        // An answer to a poll holds a few of them.
        heard.extend(api.hear(&ann).await.split('\u{1e}').map(str::to_owned));
    }
    assert_eq!(heard, expected);
}

#[tokio::test(start_paused = true)]
async fn the_acks_of_a_batch_are_waited_for_at_the_same_time() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let emit = r#"{"to":{"users":["ann"]},"event":"q","ack":{"timeout":"60s"}}"#;
    let body = format!(r#"{{"emits":[{emit},{emit}]}}"#);

    let (answer, ()) = tokio::join!(api.post("/v1/emit/batch", &body), async {
        let heard = api.hear(&ann).await;
        let ids: Vec<&str> =
            heard.split('\u{1e}').map(|it| &it[2..it.find('[').unwrap()]).collect();
        assert_eq!(ids.len(), 2, "{heard}");
        api.say(&ann, &format!("43{}[\"second\"]\u{1e}43{}[\"first\"]", ids[1], ids[0])).await;
    });

    let results = &answer.json()["results"];
    assert_eq!(results[0]["acks"][0]["args"], json!(["first"]), "{answer:?}");
    assert_eq!(results[1]["acks"][0]["args"], json!(["second"]), "{answer:?}");
}

#[tokio::test]
async fn an_empty_batch_and_one_that_is_too_long_are_refused() {
    let api = Fixture::new();
    let long = vec!["{}"; 1001].join(",");
    for emits in ["", &long] {
        let answer = api.post("/v1/emit/batch", &format!(r#"{{"emits":[{emits}]}}"#)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.error().1.as_deref(), Some("emits"), "{answer:?}");
    }
}

#[tokio::test]
async fn stored_emits_of_a_batch_are_numbered_and_answered_in_its_order() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    let emits = [
        r#"{"to":{"users":["ann"]},"event":"a","store":"always","id":"a"}"#,
        r#"{"to":{"users":["ann"]},"event":"b"}"#,
        r#"{"to":{"all":true},"event":"c","store":"always"}"#,
        r#"{"to":{"users":["ann"]},"event":"a","store":"always","id":"a"}"#,
        r#"{"to":{"users":["ann"]},"event":"d","store":"always","id":"d"}"#,
    ];

    let answer = api.post("/v1/emit/batch", &format!(r#"{{"emits":[{}]}}"#, emits.join(","))).await;

    let results = &answer.json()["results"];
    let inbox = |n: usize| results[n]["users"]["ann"]["inbox"].clone();
    assert_eq!(inbox(0), json!({"seq": 1, "id": "a", "duplicate": false}), "{answer:?}");
    assert_eq!((&results[1]["status"], inbox(1)), (&json!(200), json!(null)));
    assert_eq!(
        (&results[2]["status"], &results[2]["error"]["field"]),
        (&json!(400), &json!("to.all"))
    );
    assert_eq!(inbox(3), json!({"seq": 1, "id": "a", "duplicate": true}));
    assert_eq!(inbox(4), json!({"seq": 2, "id": "d", "duplicate": false}));
    let heard = api.hear(&ann).await;
    let heard = heard.split('\u{1e}').filter(|it| !it.contains("userline:inbox"));
    assert_eq!(heard.collect::<Vec<_>>(), [r#"42["a"]"#, r#"42["b"]"#, r#"42["d"]"#]);
}

#[tokio::test]
async fn once_the_disk_takes_nothing_the_other_stored_emits_of_a_batch_are_not_tried() {
    let api = Fixture::new();
    let ann = api.connect("ann", "/", &[]).await;
    api.store.close().await;
    let stored = r#"{"to":{"users":["ann"]},"event":"s","store":"always"}"#;
    let live = r#"{"to":{"users":["ann"]},"event":"live"}"#;

    let body = format!(r#"{{"emits":[{stored},{live},{stored}]}}"#);
    let answer = api.post("/v1/emit/batch", &body).await;

    let results = &answer.json()["results"];
    let statuses = [0, 1, 2].map(|n: usize| results[n]["status"].as_u64().unwrap());
    assert_eq!(statuses, [503, 200, 503], "{answer:?}");
    let message = results[2]["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("not tried"), "{answer:?}");
    assert_eq!(api.hear(&ann).await, r#"42["live"]"#);
}
