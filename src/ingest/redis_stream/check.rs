//! Tries whether a stream can be read. No entry is touched: what changes something is tried on keys that are made for it.

use super::stream::EmitStream;
use crate::config::RedisStreamConfig;
use crate::ingest::check::SourceCheck;
use crate::ingest::redis::{glob, quote, server, with_rights};
use crate::ingest::trouble::{Trouble, TroubleKind};
use redis::{Value, cmd};
use std::collections::BTreeMap;

/// The commands that reading needs.
const COMMANDS: &str = "+hello +eval +get +set +del +time +@stream";
/// The first version that has XAUTOCLAIM.
const OLDEST: [u32; 2] = [6, 2];

/// Does once what the server does all the time, and answers which commands its user lacks. A key that may not be touched is
/// answered as `its keys`. KEYS: a stream, a text.
const TRY: &str = "
local lacking = {}
local function try(name, ...)
  local answer = redis.pcall(name, ...)
  local why = type(answer) == 'table' and answer.err
  if why and why:find('keys', 1, true) then
    lacking['its keys'] = true
  elseif why and (why:find('permission', 1, true) or why:find('executing the script', 1, true)) then
    lacking[name] = true
  end
end
try('SET', KEYS[2], '1', 'PX', '1000')
try('GET', KEYS[2])
try('DEL', KEYS[2])
try('XGROUP', 'CREATE', KEYS[1], 'check', '0', 'MKSTREAM')
try('XADD', KEYS[1], '*', 'a', 'b')
try('XREADGROUP', 'GROUP', 'check', 'check', 'COUNT', '1', 'STREAMS', KEYS[1], '>')
try('XAUTOCLAIM', KEYS[1], 'check', 'check', '0', '0-0')
try('XACK', KEYS[1], 'check', '0-1')
try('XDEL', KEYS[1], '0-1')
try('XRANGE', KEYS[1], '-', '+', 'COUNT', '1')
try('XLEN', KEYS[1])
redis.pcall('DEL', KEYS[1])
local names = {}
for name in pairs(lacking) do names[#names + 1] = name end
table.sort(names)
return names";

/// Tries all that the source needs.
pub async fn check_redis_stream(config: &RedisStreamConfig) -> SourceCheck {
    let mut found = SourceCheck::default();
    let tried = try_all(config, &mut found).await;
    found.end(tried)
}

async fn try_all(config: &RedisStreamConfig, found: &mut SourceCheck) -> Result<(), Trouble> {
    let server = server(&config.server);
    let keys = quote(&format!("~{}*", glob(&config.stream)));
    let rights = format!("{COMMANDS} {keys}");
    let mend = |trouble| with_rights(trouble, server.user(), &rights);
    let connecting = EmitStream::connect(&server, config.clone(), String::new());
    let mut stream = connecting.await.map_err(mend)?;
    let version = stream.version().await.map_err(mend)?;
    if is_too_old(&version) {
        return Err(Trouble::new(
            TroubleKind::TooOld,
            format!("this is Redis {version}, and 6.2 or newer is needed, for XAUTOCLAIM"),
        ));
    }
    found.good.push(format!("connected to Redis {version}"));
    let lacking = stream.lacks().await.map_err(mend)?;
    if !lacking.is_empty() {
        let why = format!("the user may not use {}", lacking.join(", "));
        return Err(mend(Trouble::new(TroubleKind::Forbidden, why)));
    }
    found.good.push("the user may read, acknowledge and delete entries".to_owned());
    look(config, &mut stream, found).await.map_err(mend)
}

/// Looks at the stream, without reading it.
async fn look(
    config: &RedisStreamConfig,
    stream: &mut EmitStream,
    found: &mut SourceCheck,
) -> Result<(), Trouble> {
    let RedisStreamConfig { stream: name, group, .. } = config;
    let waiting = stream.waiting().await.map_err(|trouble| of_another_type(trouble, name))?;
    match stream.groups().await? {
        None => found.good.push(format!(
            "the stream `{name}` is not there yet: the first server makes it, with the group `{group}`"
        )),
        Some(groups) => {
            let pending = groups.get(group);
            found.good.push(match pending {
                None => format!(
                    "the stream `{name}` is there; the first server makes the group `{group}`, which begins with the oldest entry"
                ),
                Some(pending) => format!(
                    "the stream `{name}` has the group `{group}`, which has read {pending} entries that are not acknowledged"
                ),
            });
            let others = groups.keys().filter(|it| *it != group).map(|it| format!("`{it}`"));
            let others = others.collect::<Vec<_>>();
            if !others.is_empty() {
                found.notes.push(format!(
                    "{} read `{name}`, too: they lose what is done here, for it is deleted",
                    others.join(", ")
                ));
            }
        }
    }
    found.good.push(format!(
        "{} entries wait, the first for {} s; {} have failed",
        waiting.backlog,
        waiting.lag.as_secs(),
        waiting.failed
    ));
    let is_read = stream.has_reader().await?;
    let reader = if is_read {
        "a server reads it: another one is on standby"
    } else {
        "no server reads it now"
    };
    found.good.push(reader.to_owned());
    for (setting, safe, why) in [
        ("appendonly", "yes", "entries since the last save are gone if Redis ends"),
        ("maxmemory-policy", "noeviction", "a full Redis may throw the stream away"),
    ] {
        if let Some(set) = stream.setting(setting).await
            && set != safe
        {
            found.notes.push(format!("{why} ({setting} is {set}): CONFIG SET {setting} {safe}"));
        }
    }
    Ok(())
}

fn of_another_type(trouble: Trouble, name: &str) -> Trouble {
    if trouble.kind != TroubleKind::WrongType {
        return trouble;
    }
    let why = format!(
        "`{name}` or `{name}:failed` holds something else than a stream; TYPE says what: name another one in `stream`"
    );
    Trouble::new(TroubleKind::WrongType, why)
}

fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|it| it.parse::<u32>().ok());
    let version = [parts.next(), parts.next()].map(Option::unwrap_or_default);
    version < OLDEST
}

impl EmitStream {
    /// What the user may not do, of all that is needed.
    async fn lacks(&mut self) -> Result<Vec<String>, Trouble> {
        let stream = format!("{}:check", self.name());
        let text = format!("{}:reader:check", self.name());
        let mut ask = cmd("EVAL");
        ask.arg(TRY).arg(2).arg(stream).arg(text);
        self.ask(ask).await
    }

    /// The groups that read the stream, with how many entries each has read and not acknowledged; `None` if it is not there.
    async fn groups(&mut self) -> Result<Option<BTreeMap<String, u64>>, Trouble> {
        let mut ask = cmd("XINFO");
        ask.arg("GROUPS").arg(self.name());
        let groups: Vec<BTreeMap<String, Value>> = match self.ask(ask).await {
            Err(trouble) if trouble.to_string().contains("no such key") => return Ok(None),
            answer => answer?,
        };
        let read = |group: &BTreeMap<String, Value>| {
            let name = redis::from_redis_value_ref(group.get("name")?).ok()?;
            let pending = redis::from_redis_value_ref(group.get("pending")?).ok()?;
            Some((name, pending))
        };
        Ok(Some(groups.iter().filter_map(read).collect()))
    }

    /// A setting of Redis; `None` if the user may not see it.
    async fn setting(&mut self, name: &str) -> Option<String> {
        let mut ask = cmd("CONFIG");
        ask.arg("GET").arg(name);
        let settings: BTreeMap<String, String> = self.ask(ask).await.ok()?;
        settings.into_values().next()
    }
}

#[cfg(test)]
mod tests {
    use super::is_too_old;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for version in ["6.2.0", "6.10.1", "7.0.15", "10.0", "7"] {
            assert!(!is_too_old(version), "{version}");
        }
        for version in ["6.0.16", "5.0.14", "", "unknown"] {
            assert!(is_too_old(version), "{version}");
        }
    }
}
