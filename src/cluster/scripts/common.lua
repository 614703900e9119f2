-- In front of every script. What all of them share: the numbers, who is online, the news of it.
--
-- KEYS[1] is the hash of what there is one of; ARGV[1] is what every key begins with, the hash tag included, so that all
-- keys live in one slot. `now` is in microseconds; clock.lua says where it comes from.
--
--   meta         hash    run, start, epoch, copy, n, top, hole, doubt, bytes, base, tick, hold, told,
--                        users (how many u:<user> there are)
--   nodes        hash    incarnation -> number of the last batch that was applied
--   reply        hash    incarnation -> what that batch was answered with
--   read         hash    incarnation -> number up to which it has read the log
--   agreed       hash    what all nodes mean by the same state: key of the configuration -> value, of secrets a fingerprint
--   suspects     set     incarnations that have not yet confirmed what this copy of the state holds
--   ends         hash    run of a server -> number at which the one that followed began
--   again        set     users who were told of again since the last loss
--   dead         set     incarnations whose users are being let go
--   u:<user>     hash    s = session; one field per incarnation with a socket, which holds the rooms of the user's sockets
--                        there, or nothing; lingering: r = reason, c = closed at (ms)
--   who:<user>   hash    s = the session that this is about; g = what its user was granted, a = what is attached to it, v = since which
--                        number; goes with u:<user>
--   watching     string  somebody wants to hear of changes of users; the number above which their notes are all there
--   moved        zset    user -> number of its last change that others may see; only while somebody wants to hear of it
--   of:<inc>     set     users that an incarnation asserts
--   sockets:<i>  hash    sockets that hooks tell of: see sockets.lua
--   to:<inc>     stream  what others told this incarnation alone: f = who, m = what
--   s:<session>  hash    u = user; o = the socket that has it; d = what a node needs to go on with it; n = namespace, if away
--   away:<ns>    zset    sessions of clients that are away -> since when (ms); away:<ns>,<user> those of one user: no namespace has a comma
--   due          zset    lingering users -> when they go offline (ms)
--   log          stream  the bus; the id of an entry is its last number
--   events       stream  what hooks tell: presence changes, and k = hook: t = its type, b = its body; the id is the sequence number;
--                        p = that of the one before, which `meta told` is, too
--   seen         zset    users who went offline -> when the last socket of each closed (ms)
--   book:<b>     hash    record -> what it is; every node has a copy
--   changes:<b>  stream  the latest changes of a book: p = the one before, u = user, w = name, n = note, records
--   answer:<r>   hash    a request with a name: f = what it asks for, t = token and n = node that makes it, a = answer, b = its bytes
--   begun        zset    requests that are under way -> since when (ms); answered: those that were made -> until when (ms)
--   answers      number  bytes of the answers that are remembered
--   told:<name>  string  hooks of that name were told, some minutes ago
--   seats:<user> hash    seat -> since when it is taken, by which node, and what it is known by (a line each)
--   endpoints    set     who is told of presence changes; wait:<e> zset of what each was not told yet, failed:<e> of what was given up
--   tries:<e>    hash    sequence number -> attempts, next one (ms, or 0), since when it counts if it was put back (ms, or 0), and
--                        what the last one met; dead:<e> the same of what was given up, with when that was for the next one
--   stands:<e>   hash    sequence number of what waits, or was given up -> how many older events it stands for
--   ended:<e>    zset    `number how attempts when(ms) stands` of what was delivered, or replaced by something newer
local P, meta = ARGV[1], KEYS[1]

local function text(number) return string.format('%.0f', number) end

-- The first of `count` numbers. They follow time, and only grow: also if time goes back.
local function numbers(count)
  local first = tonumber(redis.call('HGET', meta, 'n') or '0') + 1
  if now > first then first = now end
  redis.call('HSET', meta, 'n', text(first + count - 1))
  return first
end

-- Something that is told: one event, which names the one before it, so that whoever reads them sees a hole whatever made it.
local function record(seq, ...)
  local fields = {...}
  fields[#fields + 1], fields[#fields + 2] = 'p', redis.call('HGET', meta, 'told') or '0'
  redis.call('XADD', P .. 'events', seq .. '-0', unpack(fields))
  redis.call('HSET', meta, 'told', seq)
end

-- Others may see something else of the user than before.
local function moved(user, number)
  if redis.call('EXISTS', P .. 'watching') == 0 then return end
  redis.call('ZADD', P .. 'moved', number or text(numbers(1)), user)
end

-- Bytes of events that one answer has, about: events may have a megabyte each, and while Redis gathers them nobody else is heard.
local PAGE_BYTES = 4000000

local function size(fields)
  local bytes = 0
  for _, each in ipairs(fields) do bytes = bytes + #each end
  return bytes
end

-- One delivery for each endpoint.
local function hand_out(seq)
  for _, endpoint in ipairs(redis.call('SMEMBERS', P .. 'endpoints')) do
    redis.call('ZADD', P .. 'wait:' .. endpoint, seq, seq)
  end
end

-- Whether anybody is told of the user: of a guest if the nodes agree on it.
local function is_told_of(user)
  return string.sub(user, 1, 6) ~= 'guest:' or redis.call('HGET', P .. 'agreed', 'guests.hooks') ~= 'false'
end

-- A presence change: one number, one event, one delivery for each endpoint. `session` is false for one that begins. What the user
-- was granted, and what is attached to the session, follow in the event if they are there.
local function announce(kind, user, session, reason, closed, granted, attached)
  local seq, more = text(numbers(1)), {}
  if granted then more[1], more[2] = 'g', granted end
  if attached then more[#more + 1], more[#more + 2] = 'a', attached end
  if is_told_of(user) then
    record(seq, 'k', kind, 'u', user, 's', session or seq, 'r', reason, 'c', closed, unpack(more))
    hand_out(seq)
  end
  moved(user, seq)
  return seq
end

-- After a loss somebody may have been told that a user is offline whom this copy has online: for ten minutes, whoever
-- comes is told of again, once.
local function is_in_doubt(user)
  local doubt = redis.call('HGET', meta, 'doubt')
  return doubt and now < tonumber(doubt) + 600000000 and redis.call('SADD', P .. 'again', user) == 1
end

-- What hooks say of the user until its session ends. What was known of another session is forgotten.
local function describe(user, session, granted)
  local who = P .. 'who:' .. user
  if redis.call('HGET', who, 's') ~= session then redis.call('DEL', who) end
  redis.call('HSET', who, 's', session, 'g', granted)
end

-- The incarnation has a socket of the user. `hint` is the session that it knows from a copy that was lost, or ''. `kept`
-- says that it had one all the time, `granted` what hooks say of it, if they do. Returns the session that the user is in.
local function up(user, incarnation, hint, kept, granted)
  local key = P .. 'u:' .. user
  redis.call('HSET', key, incarnation, '')
  redis.call('SADD', P .. 'of:' .. incarnation, user)
  if redis.call('HDEL', key, 'r', 'c') > 0 then redis.call('ZREM', P .. 'due', user) end
  local session = redis.call('HGET', key, 's')
  if session then
    if not kept and is_in_doubt(user) then announce('on', user, session, '', '', granted) end
    return session
  end
  if hint ~= '' then
    announce('on', user, hint, '', '', granted)
    session = hint
  else
    session = announce('on', user, false, '', '', granted)
  end
  redis.call('HSET', key, 's', session)
  if granted then describe(user, session, granted) end
  redis.call('HINCRBY', meta, 'users', 1)
  return session
end

-- It has none any more. To say so twice changes nothing. If nobody else has one, the user lingers for `grace` ms.
local function down(user, incarnation, grace, reason, closed, granted)
  local key = P .. 'u:' .. user
  redis.call('SREM', P .. 'of:' .. incarnation, user)
  if redis.call('HDEL', key, incarnation) == 0 then return end
  moved(user)
  if redis.call('HLEN', key) > 1 then return end
  redis.call('HSET', key, 'r', reason, 'c', closed)
  if granted then describe(user, redis.call('HGET', key, 's'), granted) end
  redis.call('ZADD', P .. 'due', text(math.floor(now / 1000) + grace), user)
end

-- Nobody goes offline for a while: nodes first get time to say who is there.
local function hold() redis.call('HSET', meta, 'tick', '0') end

-- The incarnation is gone: what it still says is not heard, and its users are let go.
local function bury(incarnation)
  redis.call('HDEL', P .. 'nodes', incarnation)
  redis.call('HDEL', P .. 'reply', incarnation)
  redis.call('HDEL', P .. 'read', incarnation)
  redis.call('DEL', P .. 'to:' .. incarnation)
  redis.call('SADD', P .. 'dead', incarnation)
end

-- Nobody may rely on offsets from before: something that was answered for may be missing.
local function new_epoch(name)
  redis.call('HSET', meta, 'epoch', name)
  redis.call('DEL', P .. 'suspects')
end

-- Takes entries from the beginning of the log: while fewer than `bytes` bytes ever written lie before them, or while
-- their number is not above `number`. The newest one stays. What somebody else has put there goes with those before it.
local function trim(bytes, number)
  local before = tonumber(redis.call('HGET', meta, 'base') or '0')
  while true do
    local entries = redis.call('XRANGE', P .. 'log', '-', '+', 'COUNT', 64)
    if #entries < 2 then return end
    for i, entry in ipairs(entries) do
      before = tonumber(string.match(entry[2][2], '%S+$')) or before
      local id = tonumber(string.match(entry[1], '^%d+'))
      local stays = true
      if bytes then stays = before >= bytes else stays = id > number end
      if stays or i == #entries then
        redis.call('XTRIM', P .. 'log', 'MINID', entry[1])
        redis.call('HSET', meta, 'base', text(before))
        if stays or #entries < 64 then return end
      end
    end
  end
end
