-- One batch of an incarnation: facts about its users and events for the log, in one step. An empty one is a heartbeat.
-- To send it again is harmless: it is applied once, and a repeat gets the answer of the first time.
--
-- ARGV 2 incarnation  3 number of the batch  4 epoch that the node knows  5 number up to which it has read the log
-- 6 bytes that the log may have  7 entry up to which it has read what it was told  8... operations:
--   G granted                          what hooks say of the user of the next U, K or D
--   U user hint                        there is a socket
--   K user hint                        there still is one, as there was all the time
--   D user grace_ms reason closed_ms   there is none
--   P user rooms                       its sockets are in these
--   O incarnations                     earlier ones of this run of the node, whose sockets these may be
--   C user socket at words quoted_user since_ms again (1 | 0)   hooks tell that a socket has come
--   Q user socket at words             the same of one that went
--   X user reason                      if the user lingers, that ends now
--   L user hint grace_ms reason closed_ms   was here before the state was lost, and is not any more
--   E data                             an event for everybody's log
--   M                                  here the node delivered events without a number
--   R incarnation data                 for this incarnation alone, as long as it is there
--   S name user owner ttl_ms record begins (1 | 0)   the session of a client, which this owner has
--   W name user owner ttl_ms record begins namespace sessions_max per_user   the same, and its client is away
--   Z name owner                       it is over, if this owner has it
-- Answers {OK | DUP, answer} | {FENCED} | {OLD} | {GAP} | {EPOCH}, the answer being one text: first number of the events
-- (0 without), head, and the session of each U and K; with events also ` | ` and every incarnation that has to hear them.
local incarnation, batch = ARGV[2], tonumber(ARGV[3])
local applied = redis.call('HGET', P .. 'nodes', incarnation)
if not applied then return {'FENCED'} end
applied = tonumber(applied)
if batch == applied and batch > 0 then return {'DUP', redis.call('HGET', P .. 'reply', incarnation)} end
if batch <= applied then return {'OLD'} end
if batch > applied + 1 then return {'GAP'} end
if redis.call('HGET', meta, 'epoch') ~= ARGV[4] then return {'EPOCH'} end
redis.call('HSET', P .. 'read', incarnation, ARGV[5])
local told_ms, told_n = string.match(ARGV[7], '^(%d+)%-(%d+)$')
if ARGV[7] ~= '0-0' then
  -- Without that entry itself, which may name users: nobody reads it again.
  redis.call('XTRIM', P .. 'to:' .. incarnation, 'MINID', told_ms .. '-' .. text(tonumber(told_n) + 1))
end

-- Another one that claimed the session since has it: what the owner of before says does not count.
local function keep(name, user, owner, ttl, record, begins)
  local key = P .. 's:' .. name
  if begins ~= '1' and redis.call('HGET', key, 'o') ~= owner then return false end
  redis.call('HSET', key, 'u', user, 'o', owner, 'd', record)
  redis.call('PEXPIRE', key, ttl)
  return true
end

-- Counts a session whose client is away, for so long at most; the ones that are away longest make room.
local function away(list, name, ttl, max)
  local key, at = P .. 'away:' .. list, math.floor(now / 1000)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(at - tonumber(ttl)))
  redis.call('ZADD', key, text(at), name)
  redis.call('PEXPIRE', key, ttl)
  for _, first in ipairs(redis.call('ZRANGE', key, 0, -1 - tonumber(max))) do
    redis.call('ZREM', key, first)
    redis.call('DEL', P .. 's:' .. first)
  end
end

local i, sessions, fields, events, bytes, marker, granted, earlier = 8, {}, {}, 0, 0, false, false, ''
local keep_from = false
while i <= #ARGV do
  local op, user = ARGV[i], ARGV[i + 1]
  if op == 'U' or op == 'K' then
    sessions[#sessions + 1] = up(user, incarnation, ARGV[i + 2], op == 'K', granted)
    granted, i = false, i + 3
  elseif op == 'G' then
    granted, i = user, i + 2
  elseif op == 'D' then
    down(user, incarnation, tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4], granted)
    granted, i = false, i + 5
  elseif op == 'P' then
    local key = P .. 'u:' .. user
    local rooms = redis.call('HGET', key, incarnation)
    if rooms and rooms ~= ARGV[i + 2] then
      redis.call('HSET', key, incarnation, ARGV[i + 2])
      moved(user)
    end
    i = i + 3
  elseif op == 'O' then
    earlier, i = user, i + 2
  elseif op == 'C' then
    local at, words, quoted = ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    socket_came(incarnation, earlier, user, ARGV[i + 2], at, words, quoted, ARGV[i + 6], ARGV[i + 7] == '1')
    i = i + 8
  elseif op == 'Q' then
    socket_went(incarnation, earlier, user, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
    i = i + 5
  elseif op == 'X' then
    if redis.call('HEXISTS', P .. 'u:' .. user, 'r') == 1 then
      redis.call('HSET', P .. 'u:' .. user, 'r', ARGV[i + 2])
      redis.call('ZADD', P .. 'due', 'LT', text(math.floor(now / 1000)), user)
    end
    i = i + 3
  elseif op == 'L' then
    if redis.call('EXISTS', P .. 'u:' .. user) == 0 then
      up(user, incarnation, ARGV[i + 2])
      down(user, incarnation, tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5])
    end
    i = i + 6
  elseif op == 'E' then
    fields[#fields + 1], fields[#fields + 2] = events, user
    events, bytes = events + 1, bytes + #user
    i = i + 2
  elseif op == 'M' then
    marker = events
    fields[#fields + 1], fields[#fields + 2] = events, ''
    events, bytes = events + 1, bytes + 1
    i = i + 1
  elseif op == 'R' then
    -- One that is gone asks for nothing any more.
    if redis.call('HEXISTS', P .. 'nodes', user) == 1 then
      redis.call('XADD', P .. 'to:' .. user, 'MAXLEN', '~', 65536, '*', 'f', incarnation, 'm', ARGV[i + 2])
    end
    i = i + 3
  elseif op == 'S' then
    keep(user, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6])
    i = i + 7
  elseif op == 'W' then
    if keep(user, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6]) then
      local namespace = ARGV[i + 7]
      redis.call('HSET', P .. 's:' .. user, 'n', namespace)
      away(namespace .. ',' .. ARGV[i + 2], user, ARGV[i + 4], ARGV[i + 9])
      away(namespace, user, ARGV[i + 4], ARGV[i + 8])
    end
    i = i + 10
  elseif op == 'Z' then
    if redis.call('HGET', P .. 's:' .. user, 'o') == ARGV[i + 2] then redis.call('DEL', P .. 's:' .. user) end
    i = i + 3
  else
    return redis.error_reply('ERR no such operation')
  end
end

local first = 0
if events > 0 then
  first = numbers(events)
  local last = text(first + events - 1)
  local m = redis.call('HMGET', meta, 'top', 'bytes', 'base')
  local total, base = tonumber(m[2] or '0'), tonumber(m[3] or '0')
  -- The header names the entry before it: so a reader sees a hole whatever cut it.
  local header = table.concat({m[1] or '0', incarnation, batch, text(first), text(total)}, ' ')
  redis.call('XADD', P .. 'log', last .. '-0', 'h', header, unpack(fields))
  total = total + bytes
  redis.call('HSET', meta, 'top', last, 'bytes', text(total))
  if marker then redis.call('HSET', meta, 'hole', text(first + marker)) end
  if total - base > tonumber(ARGV[6]) then keep_from = total - tonumber(ARGV[6]) * 0.875 end
end
local answer = text(first) .. ' ' .. (redis.call('HGET', meta, 'n') or '0')
if #sessions > 0 then answer = answer .. ' ' .. table.concat(sessions, ' ') end
if events > 0 then answer = answer .. ' | ' .. table.concat(redis.call('HKEYS', P .. 'nodes'), ' ') end
-- Only now: a batch that Redis breaks off, because somebody else's value is under a key, was not applied, and comes again.
redis.call('HSET', P .. 'reply', incarnation, answer)
redis.call('HSET', P .. 'nodes', incarnation, batch)
if keep_from then trim(keep_from, false) end
return {'OK', answer}
