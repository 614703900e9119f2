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
        let entry = |it: Value| -> (String, String, Vec<String>, String) {
            FromRedisValue::from_redis_value(it).unwrap()
        };
        let entries = page.into_iter().map(entry);
        entries.map(|(seq, tries, fields, _)| (seq, tries, fields[1].clone())).collect()
    }

    /// How many older events each of what waits stands for.
    fn stands(&mut self, token: &str) -> Vec<String> {
        let page = self.run(Script::Waiting, &["hook", token, "0", "10"]);
        let entry = |it: Value| -> (String, String, Vec<String>, String) {
            FromRedisValue::from_redis_value(it).unwrap()
        };
        page.into_iter().skip(3).map(|it| entry(it).3).collect()
    }

    /// Sequence number, attempts and when, how many events it stands for, and how it ended.
    fn letters(&mut self, which: &str) -> Vec<(String, String, String, String)> {
        let page = self.run(Script::Letters, &["hook", which, "0", "10"]);
        let entry = |it: Value| -> (String, String, Vec<String>, String, String) {
            FromRedisValue::from_redis_value(it).unwrap()
        };
        let entries = page.into_iter().map(entry);
        entries.map(|(seq, tries, _, stands, how)| (seq, tries, stands, how)).collect()
    }

    fn settle(&mut self, token: &str, kept_max: &str, settled: &[&str]) -> Vec<String> {
        self.texts(Script::Settle, &[&["hook", token, kept_max], settled].concat())
    }

    fn replay(&mut self, first: &str, last: &str, most: &str) -> Vec<i64> {
        let done = self.run(Script::Replay, &["hook", first, last, most]);
        done.into_iter().map(|it| i64::from_redis_value(it).unwrap()).collect()
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

    let left = [&seqs[0], "left", "0", ""];
    let again = [&seqs[1], "1700", "2", "answered 500"];
    let dead = [&seqs[2], "dead", "5", "no answer"];
    let words = [left, again, dead].concat();
    assert_eq!(bench.settle(&told, "9", &words), ["OK", "1"]);
    assert_eq!(
        bench.waiting(&told, "0"),
        [(seqs[1].clone(), "2 1700 0 answered 500".to_owned(), "on".to_owned())]
    );
    let failed: Vec<String> = bench.ask_redis(&["ZRANGE", "failed:hook", "0", "-1"]);
    assert_eq!(failed, [seqs[2].clone()]);
    assert_eq!(bench.settle(&told, "9", &words), ["OK", "1"], "said again, nothing changes");
    assert_eq!(bench.letters("ended"), [], "nothing is kept of what was none of its own");

    bench.reap(&a, ReapReason::Silent(3));
    let newer = bench.texts(Script::Own, &["hook", "b.1", "take"])[1].clone();
    assert_eq!(bench.settle(&told, "9", &[&seqs[1], "delivered", "1", ""]), ["STALE"]);
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
        bench.settle(&token, "9", &[seq, "dead", "5", "no answer"]);
    }
    let dead = bench.letters("failed");
    assert_eq!(dead.iter().map(|it| &it.0).collect::<Vec<_>>(), [&seqs[0], &seqs[1]]);
    assert!(dead.iter().all(|it| it.1.starts_with("5 1") && it.1.ends_with(" 0 no answer")));
    assert_eq!(replays(&mut bench), "0");

    assert_eq!(bench.replay("0", "9999999999999999", "1"), [1, 1, 0, 0], "the oldest first");
    assert_eq!(bench.replay(&seqs[0], &seqs[0], "1"), [0, 0, 1, 0], "it waits by now");
    assert_eq!(replays(&mut bench), "1");
    let waiting = bench.waiting(&token, "0");
    assert_eq!(waiting.len(), 2);
    let since = waiting[0].1.strip_prefix("0 0 ").unwrap().trim_end().to_owned();

    // How long it is tried counts from there, however often it fails.
    bench.settle(&token, "9", &[&seqs[0], "1700", "1", "answered 500"]);
    let tried = format!("1 1700 {since} answered 500");
    assert_eq!(bench.waiting(&token, "0")[0].1, tried);
    assert_eq!(bench.replay("1", "1", "1"), [0, 0, 0, 0], "nobody knows it");
}

#[test]
fn what_has_ended_is_kept_with_how_and_the_newer_one_counts_what_it_replaced() {
    let mut bench = Bench::new(None);
    let mut a = bench.attach("run", None, "a.1");
    for user in 1..=4 {
        bench.up_user(&mut a, user);
    }
    let token = bench.texts(Script::Own, &["hook", "a.1", "take"])[1].clone();
    let seqs: Vec<String> = bench.waiting(&token, "0").into_iter().map(|it| it.0).collect();
    let replaced = |old: usize, new: usize| [&*seqs[old], "replaced", "2", &*seqs[new]];

    let first = replaced(0, 1);
    assert_eq!(bench.settle(&token, "9", &first), ["OK", "3"]);
    assert_eq!(bench.settle(&token, "9", &first), ["OK", "3"]);
    assert_eq!(bench.stands(&token), ["1", "0", "0"], "said again, it counts once");
    bench.settle(&token, "9", &replaced(1, 3));
    assert_eq!(bench.stands(&token), ["0", "2"], "it stands for what that stood for, too");

    // A dead letter keeps its count, and has it when it is sent again.
    bench.settle(&token, "9", &[&seqs[3], "dead", "5", "no answer"]);
    assert_eq!(bench.letters("failed")[0].2, "2");
    assert_eq!(bench.replay(&seqs[3], &seqs[3], "1"), [1, 0, 0, 0]);
    assert_eq!(bench.stands(&token), ["0", "2"]);
    let delivered = [&*seqs[3], "delivered", "6", ""];
    assert_eq!(bench.settle(&token, "9", &delivered), ["OK", "1"]);

    let ended = bench.letters("ended");
    let how = |it: &(String, String, String, String)| {
        let attempts = it.1.split(' ').next().unwrap().to_owned();
        (it.0.clone(), attempts, it.2.clone(), it.3.clone())
    };
    let of = |at: usize, attempts: &str, stands: &str, how: &str| {
        (seqs[at].clone(), attempts.to_owned(), stands.to_owned(), how.to_owned())
    };
    assert_eq!(
        ended.iter().map(how).collect::<Vec<_>>(),
        [of(0, "2", "0", "replaced"), of(1, "2", "1", "replaced"), of(3, "6", "2", "delivered")]
    );
    assert!(
        ended.iter().all(|it| it.1.split(' ').nth(1).unwrap().starts_with("17000")),
        "{ended:?}"
    );

    assert_eq!(bench.replay(&seqs[0], &seqs[0], "1"), [0, 0, 0, 1], "it was replaced");
    assert_eq!(bench.replay("0", "9999999999999999", "9"), [0, 0, 0, 0], "none was given up");
    assert_eq!(
        bench.replay(&seqs[3], &seqs[3], "1"),
        [1, 0, 0, 0],
        "what was delivered goes again"
    );
    assert_eq!(bench.stands(&token), ["0", "2"]);

    // The oldest of too many are forgotten.
    bench.settle(&token, "2", &delivered);
    assert_eq!(
        bench.letters("ended").iter().map(|it| &it.0).collect::<Vec<_>>(),
        [&seqs[1], &seqs[3]]
    );
    // One that is gone counts nothing.
    bench.settle(&token, "9", &replaced(2, 3));
    assert_eq!(bench.ask_redis(&["HGETALL", "stands:hook"]), Vec::<String>::new());
}

/// Events may have a megabyte each; a thousand of them at once would keep Redis from everybody.
#[test]
fn large_events_come_in_pages_that_end_only_where_there_are_no_more() {
    let mut bench = Bench::new(None);
    bench.attach("run", None, "a.1");
    let token = bench.texts(Script::Own, &["hook", "a.1", "take"])[1].clone();
    let body = "x".repeat(1_000_000);
    for number in 1..=12 {
        let (id, seq) = (format!("{number}-0"), number.to_string());
        let before = (number - 1).to_string();
        bench.redis_text(&["XADD", "events", &id, "k", "hook", "u", "u", "b", &body, "p", &before]);
        for list in ["wait:hook", "failed:hook"] {
            bench.change_redis(&["ZADD", list, &seq, &seq]);
        }
    }
    bench.change_redis(&["HSET", "meta", "told", "12"]);
    let mut walk = |script: Script, head: usize, words: &dyn Fn(&str) -> Vec<String>| {
        let (mut seqs, mut after) = (Vec::new(), "0".to_owned());
        loop {
            let words = words(&after);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let page = bench.run(script, &words).split_off(head);
            assert!(page.len() < 8, "{script:?}: {} MB at once", page.len());
            let seq = |it: Value| -> String {
                let entry = Vec::<Value>::from_redis_value(it).unwrap();
                String::from_redis_value(entry[0].clone()).unwrap()
            };
            seqs.extend(page.into_iter().map(seq));
            match seqs.last() {
                Some(last) if *last != after => after.clone_from(last),
                Some(_) | None => return seqs,
            }
        }
    };
    let all: Vec<String> = (1..=12).map(|it| it.to_string()).collect();
    let texts = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();

    let waiting = walk(Script::Waiting, 3, &|after| texts(&["hook", &token, after, "1000"]));
    let letters = walk(Script::Letters, 0, &|after| texts(&["hook", "failed", after, "1000"]));
    let feed = walk(Script::Feed, 2, &|after| texts(&["page", after, "1000"]));

    assert_eq!([&waiting, &letters, &feed], [&all, &all, &all]);
}
