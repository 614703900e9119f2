//! One node delivers for an endpoint, and what another says of that is not heard.

use super::directed::Bench;
use crate::cluster::{RedisCall, Script};
use crate::core::cluster::command::ReapReason;
use redis::{FromRedisValue, Value};

impl Bench {
    fn run(&mut self, script: Script, words: &[&str]) -> Vec<Value> {
        let place = self.place();
        let (prefix, key) = (place.prefix.clone(), place.key("meta"));
        let words = [prefix.as_str()].into_iter().chain(words.iter().copied());
        let arguments = words.map(|it| it.as_bytes().to_vec()).collect();
        let value = self.run_call(&RedisCall::Script { script, key, arguments });
        Vec::from_redis_value(value).unwrap()
    }

    fn texts(&mut self, script: Script, words: &[&str]) -> Vec<String> {
        let values = self.run(script, words);
        values.into_iter().map(|it| String::from_redis_value(it).unwrap()).collect()
    }

    /// The sequence numbers that wait, each with its attempts and next attempt, and the kind of its event.
    fn waiting(&mut self, token: &str, after: &str) -> Vec<(String, String, String)> {
        let mut page = self.run(Script::Waiting, &["hook", token, after, "10"]);
        assert_eq!(page.remove(0), Value::BulkString(b"OK".to_vec()));
        assert!(matches!(page.remove(0), Value::Int(_)), "how many there are");
        page.remove(0);
        let entry = |it: Value| -> (String, String, Vec<String>) {
            FromRedisValue::from_redis_value(it).unwrap()
        };
        let entries = page.into_iter().map(entry);
        entries.map(|(seq, tries, fields)| (seq, tries, fields[1].clone())).collect()
    }
}

#[test]
fn an_endpoint_has_one_owner_until_it_gives_up_or_is_gone() {
    let mut bench = Bench::new(None);
    let a = bench.attach("run", None, "a.1");
    bench.attach("run", None, "b.1");
    let own =
        |bench: &mut Bench, node: &str, what: &str| bench.texts(Script::Own, &["hook", node, what]);

    let first = own(&mut bench, "a.1", "take");
    assert_eq!(first[0], "OK");
    assert_eq!(own(&mut bench, "a.1", "take"), first, "once more changes nothing");
    assert_eq!(own(&mut bench, "b.1", "take"), ["HELD", "a.1"]);
    own(&mut bench, "b.1", "give");
    assert_eq!(own(&mut bench, "b.1", "take"), ["HELD", "a.1"], "it is not its own");

    bench.reap(&a, ReapReason::Silent(0));
    let second = own(&mut bench, "b.1", "take");
    assert_eq!(second[0], "OK");
    let number = |it: &[String]| it[1].parse::<u64>().unwrap();
    assert!(number(&first) < number(&second));
    assert_eq!(own(&mut bench, "a.1", "take"), ["FENCED"]);

    own(&mut bench, "b.1", "give");
    bench.attach("run", None, "c.1");
    assert_eq!(own(&mut bench, "c.1", "take")[0], "OK");
}

#[test]
fn only_the_owner_says_what_became_of_a_delivery() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    bench.attach("run", None, "b.1");
    for user in 1..=3 {
        bench.up_user(&mut a, user);
    }
    let told = bench.texts(Script::Own, &["hook", "a.1", "take"])[1].clone();
    let waiting = bench.waiting(&told, "0");
    let seqs: Vec<String> = waiting.iter().map(|it| it.0.clone()).collect();
    assert_eq!(waiting.iter().map(|it| it.2.as_str()).collect::<Vec<_>>(), ["on", "on", "on"]);
    assert_eq!(bench.waiting(&told, &seqs[0]).len(), 2);

    let words = [
        "hook",
        told.as_str(),
        &seqs[0],
        "done",
        "0",
        "",
        &seqs[1],
        "1700",
        "2",
        "answered 500",
        &seqs[2],
        "dead",
        "5",
        "no answer",
    ];
    assert_eq!(bench.texts(Script::Settle, &words), ["OK", "1"]);
    assert_eq!(
        bench.waiting(&told, "0"),
        [(seqs[1].clone(), "2 1700 0 answered 500".to_owned(), "on".to_owned())]
    );
    let failed: Vec<String> = bench.ask_redis(&["ZRANGE", "failed:hook", "0", "-1"]);
    assert_eq!(failed, [seqs[2].clone()]);
    assert_eq!(bench.texts(Script::Settle, &words), ["OK", "1"], "said again, nothing changes");

    bench.reap(&a, ReapReason::Silent(3));
    let newer = bench.texts(Script::Own, &["hook", "b.1", "take"])[1].clone();
    let late = ["hook", told.as_str(), &seqs[1], "done", "0", ""];
    assert_eq!(bench.texts(Script::Settle, &late), ["STALE"]);
    assert_eq!(bench.texts(Script::Waiting, &["hook", &told, "0", "10"]), ["STALE"]);
    assert_eq!(bench.waiting(&newer, "0").len(), 1);
}

#[test]
fn what_was_given_up_is_put_back_once_and_its_owner_sees_that() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    for user in 1..=3 {
        bench.up_user(&mut a, user);
    }
    let token = bench.texts(Script::Own, &["hook", "a.1", "take"])[1].clone();
    let seqs: Vec<String> = bench.waiting(&token, "0").into_iter().map(|it| it.0).collect();
    let replays = |bench: &mut Bench| {
        let page = bench.run(Script::Waiting, &["hook", &token, "0", "10"]);
        String::from_redis_value(page[2].clone()).unwrap()
    };
    for seq in &seqs[..2] {
        let dead = ["hook", token.as_str(), seq, "dead", "5", "no answer"];
        bench.texts(Script::Settle, &dead);
    }
    let letters = |bench: &mut Bench, which: &str| -> Vec<(String, String)> {
        let page = bench.run(Script::Letters, &["hook", which, "0", "10"]);
        let entry = |it: Value| -> (String, String, Vec<String>) {
            FromRedisValue::from_redis_value(it).unwrap()
        };
        page.into_iter().map(entry).map(|(seq, tries, _)| (seq, tries)).collect()
    };
    let dead = letters(&mut bench, "failed");
    assert_eq!(dead.iter().map(|it| &it.0).collect::<Vec<_>>(), [&seqs[0], &seqs[1]]);
    assert!(dead.iter().all(|it| it.1.starts_with("5 1") && it.1.ends_with(" 0 no answer")));
    assert_eq!(replays(&mut bench), "0");

    let replay = |bench: &mut Bench, first: &str, last: &str, most: &str| -> Vec<i64> {
        let done = bench.run(Script::Replay, &["hook", first, last, most]);
        done.into_iter().map(|it| i64::from_redis_value(it).unwrap()).collect()
    };
    assert_eq!(replay(&mut bench, "0", "9999999999999999", "1"), [1, 1, 0], "the oldest first");
    assert_eq!(replay(&mut bench, &seqs[0], &seqs[0], "1"), [0, 0, 1], "it waits by now");
    assert_eq!(replays(&mut bench), "1");
    let waiting = bench.waiting(&token, "0");
    assert_eq!(waiting.len(), 2);
    let since = waiting[0].1.strip_prefix("0 0 ").unwrap().trim_end().to_owned();

    // How long it is tried counts from there, however often it fails.
    bench.texts(Script::Settle, &["hook", &token, &seqs[0], "1700", "1", "answered 500"]);
    let tried = format!("1 1700 {since} answered 500");
    assert_eq!(bench.waiting(&token, "0")[0].1, tried);
    assert_eq!(replay(&mut bench, "1", "1", "1"), [0, 0, 0], "nobody knows it");
}
