//! `userline bench` in all its kinds, against the real server: nothing is lost, repeated or out of order.

use super::server::Server;
use super::{Ended, end_of, run, userline};
use serde_json::Value;

struct Loaded {
    server: Server,
    public: String,
    admin: String,
    key: String,
}

impl Loaded {
    async fn start() -> Self {
        let mut command = userline(&["dev", "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut server = Server::start(&mut command);
        let public = server.says("public").await;
        let admin = server.says("console").await;
        let key = server.says("key").await;
        Self { server, public, admin, key }
    }

    /// Runs `userline bench KIND` with these arguments; strict, so that its exit code counts.
    async fn bench(&self, kind: &str, args: &[&str]) -> Ended {
        let pid = self.server.pid().to_string();
        let common = ["bench", kind, &self.public, "--sockets", "20", "--pid", &pid];
        run(&[&common[..], &["--json", "--strict"], args].concat()).await
    }

    /// The same with an admin key and a publisher.
    async fn publish(&self, kind: &str, args: &[&str]) -> Ended {
        let url = format!("{}v1/emit", self.admin);
        let time = ["--duration", "500ms", "--warmup", "100ms"];
        let publisher = ["--preset", "userline", "--key", &self.key, "--publish-url", &url];
        self.bench(kind, &[&time[..], &publisher, args].concat()).await
    }
}

/// What the bench found, after making sure that nothing went wrong.
#[track_caller]
fn clean(ended: &Ended, command: &str) -> Value {
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["command"], command);
    let bad = ["lost", "duplicates", "reordered", "misdirected", "failed", "refused"];
    for name in bad.into_iter().chain(["disconnected"]) {
        assert_eq!(report[name], 0, "{name}: {report}");
    }
    let (sent, delivered) = (report["sent"].as_u64().unwrap(), report["delivered"].as_u64());
    assert!(0 < sent && Some(0) < delivered, "{report}");
    assert!(report["rss_kib"].as_u64().is_some_and(|kib| 1000 < kib), "{report}");
    assert!(report["server_cpu_seconds"].is_number() && report["per_second"].is_number());
    assert!(report["latency_us"]["p50"].as_u64() <= report["latency_us"]["max"].as_u64());
    report
}

/// Nothing is built for it.
#[tokio::test]
async fn the_comparison_says_how_it_is_run() {
    let run = async |arg: &str| {
        let mut command = tokio::process::Command::new("benches/compare/run");
        command.arg(arg).kill_on_drop(true);
        end_of(command).await
    };

    let (help, wrong) = (run("--help").await, run("--nonsense").await);

    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""));
    for text in [&help.out, &wrong.err] {
        assert!(text.contains("benches/compare/run [--rounds 3]"), "{text}");
        assert!(!text.contains("    at "), "no stack: {text}");
    }
}

#[tokio::test]
async fn events_for_everybody_come_to_each_once_and_in_order() {
    let loaded = Loaded::start().await;
    let modes = [("steady", "1", 1), ("burst", "1", 1), ("flood", "8", 8)];
    for (mode, publishers, at_least) in modes {
        let args = ["--mode", mode, "--publishers", publishers];
        let report = clean(&loaded.publish("fanout", &args).await, &format!("fanout {mode}"));

        let (sent, delivered) = (report["sent"].as_u64(), report["delivered"].as_u64());
        assert_eq!(delivered, sent.map(|sent| 20 * sent), "{report}");
        assert!(Some(at_least) <= sent, "{report}");
        assert_eq!(report["connected"], 20);
    }
}

#[tokio::test]
async fn events_for_one_user_come_to_all_its_sockets_and_no_others() {
    let loaded = Loaded::start().await;
    let args = ["--users", "10", "--publishers", "4", "--rate", "200"];

    let report = clean(&loaded.publish("target", &args).await, "target");

    let (sent, delivered) = (report["sent"].as_u64(), report["delivered"].as_u64());
    assert_eq!(delivered, sent.map(|sent| 2 * sent), "{report}");
    assert!(sent <= Some(101), "200 a second for half a second: {report}");
}

#[tokio::test]
async fn sockets_come_echo_stay_and_leave() {
    let loaded = Loaded::start().await;

    let connect = clean(&loaded.bench("connect", &[]).await, "connect");
    let time = ["--duration", "500ms"];
    let idle = loaded.bench("idle", &[&time[..], &["--browser-headers"]].concat()).await;
    let idle = clean(&idle, "idle");
    let churn = clean(&loaded.bench("churn", &time).await, "churn");
    let storm = clean(&loaded.bench("storm", &["--concurrency", "20"]).await, "storm");
    let load = [&time[..], &["--warmup", "0s", "--bytes", "200"]].concat();
    let echo = clean(&loaded.bench("echo", &load).await, "echo");

    assert_eq!((&connect["delivered"], &idle["connected"]), (&20.into(), &20.into()));
    assert_eq!(churn["sent"], churn["delivered"]);
    assert!(20 < churn["sent"].as_u64().unwrap(), "all came and some came again: {churn}");
    assert_eq!(echo["sent"], echo["delivered"]);
    assert_eq!((&storm["sent"], &storm["delivered"]), (&19.into(), &19.into()), "one stays");
    assert_eq!((&storm["connected"], &storm["new_sessions"]), (&20.into(), &0.into()));
    assert!(storm["longest_stall_us"].as_u64().is_some_and(|it| 0 < it), "{storm}");
}

#[tokio::test]
async fn what_cannot_be_loaded_is_said() {
    let loaded = Loaded::start().await;

    let refused = loaded.bench("connect", &["--auth", r#"{"name":"{user}"}"#]).await;
    let key = ["--preset", "userline", "--key", "not-the-key", "--warmup", "100ms"];
    let url = format!("{}v1/emit", loaded.admin);
    let locked = loaded.bench("target", &[&key[..], &["--publish-url", &url]].concat()).await;
    let tls = run(&["bench", "connect", "https://127.0.0.1:1"]).await;
    let few = run(&["bench", "fanout", &loaded.public]).await;

    assert_eq!(refused.code, Some(69), "{}", refused.err);
    assert!(refused.err.contains("no socket could connect: {"), "{}", refused.err);
    assert_eq!(locked.code, Some(1), "{}", locked.err);
    assert!(locked.err.contains("answered with status 401"), "{}", locked.err);
    assert_eq!((tls.code, few.code), (Some(2), Some(2)), "{}{}", tls.err, few.err);
    assert!(few.err.contains("--publish-url and --publish-body"), "{}", few.err);
}
