//! The admin API, asked by a backend.

use super::server::KEY;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The admin API of one server.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    pub(crate) fn new(admin: SocketAddr) -> Self {
        Self { base: format!("http://{admin}"), http: reqwest::Client::new() }
    }

    /// Where it is, for commands.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post_any(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The same, whatever the status.
    pub(crate) async fn post_any(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).body(body.to_string());
        answer(request).await
    }

    /// The same where the server may be killed, or stand still, meanwhile: nothing if there is no answer within `limit`.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Option<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.base)).body(body.to_string());
        let answer = request.bearer_auth(KEY).timeout(limit).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_str(&answer.text().await.ok()?).ok()?))
    }

    /// Asks where the server may be killed, stand still, or not know it: nothing if there is no good answer within `limit`.
    pub(crate) async fn try_get(&self, path: &str, limit: Duration) -> Option<Value> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(KEY);
        let answer = request.timeout(limit).send().await.ok()?.error_for_status().ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    /// With an `Idempotency-Key`; says whether the answer was given before.
    pub(crate) async fn post_once(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> (u16, bool, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).body(body.to_string());
        let request = request.bearer_auth(KEY).header("idempotency-key", key);
        let answer = request.send().await.unwrap();
        let is_repeat = answer.headers().contains_key("idempotent-replayed");
        let status = answer.status().as_u16();
        (status, is_repeat, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.put(format!("{}{path}", self.base)).body(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.patch(format!("{}{path}", self.base)).body(body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.http.delete(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let asked = self.http.get(format!("{}{path}", self.base)).bearer_auth(KEY).send().await;
        asked.unwrap().text().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    /// Everybody who is online or lingering, with the state and the number of sockets.
    pub(crate) async fn users(&self) -> BTreeMap<String, (String, u64)> {
        let mut all = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/users?limit=1000{cursor}")).await;
            for user in page["users"].as_array().unwrap() {
                let state = user["state"].as_str().unwrap().to_owned();
                let id = user["user"].as_str().unwrap().to_owned();
                all.insert(id, (state, user["sockets"].as_u64().unwrap()));
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The whole event log: `webhook_id` and body of each event.
    pub(crate) async fn events(&self) -> Vec<(String, Value)> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.get(&format!("/v1/events?limit=1000&after={after}")).await;
            let events = page["events"].as_array().unwrap();
            if events.is_empty() {
                return all;
            }
            for event in events {
                let id = event["webhook_id"].as_str().unwrap().to_owned();
                all.push((id, event["body"].clone()));
            }
            after = page["next"].as_u64().unwrap();
        }
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.text("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().parse().unwrap()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.bearer_auth(KEY).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}
