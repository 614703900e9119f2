//! Somebody who pulls what is told of users, from any node and by one cursor, while everything goes wrong.

use crate::rig::callers::Apis;
use crate::rig::receiver::{Hook, hook};
use crate::rig::{Random, Watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a node has for an answer. It may stand still for longer.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Pulled {
    pub(super) events: Vec<Hook>,
    /// When a gap was said.
    gaps: Vec<u64>,
}

/// Pulls until all is told, and there is nothing more.
pub(super) async fn pull(apis: Apis, watch: Watch, all_is_told: Arc<AtomicBool>) -> Pulled {
    let (mut pulled, mut random, mut after) = (Pulled::default(), Random::new(1), 0);
    loop {
        let is_last = all_is_told.load(Ordering::Relaxed);
        let living: Vec<_> = apis.lock().iter().flatten().cloned().collect();
        let node = random.of(0..u64::try_from(living.len()).unwrap());
        let api = &living[usize::try_from(node).unwrap()];
        let page = api.try_get(&format!("/v1/events?limit=1000&after={after}"), PATIENCE).await;
        if let Some(page) = page {
            let events = page["events"].as_array().unwrap();
            let event = |it: &serde_json::Value| {
                hook(&watch, it["webhook_id"].as_str().unwrap(), &it["body"].to_string())
            };
            pulled.events.extend(events.iter().map(event));
            if page["gap"] == true {
                pulled.gaps.push(watch.now());
            }
            after = page["next"].as_u64().unwrap();
            if is_last && events.is_empty() {
                return pulled;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Pulled {
    /// What is wrong with it by itself.
    pub(super) fn wrong(&self, lost: Option<(u64, u64)>) -> Vec<String> {
        let mut wrong = Vec::new();
        for pair in self.events.windows(2) {
            let (before, after) = (pair[0].seq, pair[1].seq);
            if after <= before {
                wrong.push(format!("the event log has {after} after {before}"));
            }
        }
        let is_false = |at: &&u64| lost.is_none_or(|(first, _)| **at < first);
        wrong.extend(self.gaps.iter().find(is_false).map(|at| format!("no gap is there at {at}")));
        wrong
    }
}
