-- Takes out what names a user, a page at a time, so that nobody waits long. To ask again changes nothing.
--
-- ARGV 2 what, and what belongs to it:
--   events: 3 user  4 number of an event. Looks at what was told after it. Answers the numbers of what was told of the user
--   waiting: 3... numbers of events. Answers those that an endpoint is still to be told
--   forget: 3 whether those go, too, that an endpoint is still to be told (1 | 0)  4... numbers of events
--     Answers how often one that went was still to be told, and how many stay
--   traces: 3 user  4... namespaces. Its seats, its resume tokens, when it was here last, the sessions of its clients that are away
--   inbox: 3 user. Its inbox
--   answers: 3 user, as JSON has it  4 how many have been looked at, and stay. What requests with a name were answered
--   calm: 3 book  4 user. Sees to it that the newest change of the book is not one of the user's
--   changes: 3 book  4 user  5 number of a change. The user's changes after it, but for the newest of all
-- Answers {where the next page begins or '' if this is the last, numbers, …}
local op = ARGV[2]
local EVENTS, NAMES, ANSWERS, BYTES = 500, 100, 50, 1000000

local function id(entry) return string.match(entry[1], '^%d+') end

-- Of whom an event or a change is.
local function user_of(entry)
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'u' then return fields[i + 1] end
  end
end

local function page(stream, after, most)
  return redis.call('XRANGE', P .. stream, '(' .. after .. '-0', '+', 'COUNT', most)
end

if op == 'events' then
  local entries = page('events', ARGV[4], EVENTS)
  local answer = {#entries == EVENTS and id(entries[EVENTS]) or ''}
  for _, entry in ipairs(entries) do
    if user_of(entry) == ARGV[3] then answer[#answer + 1] = id(entry) end
  end
  return answer
end

local function waits(seq, endpoints)
  for _, endpoint in ipairs(endpoints) do
    if redis.call('ZSCORE', P .. 'wait:' .. endpoint, seq) then return true end
  end
  return false
end

if op == 'waiting' then
  local answer, endpoints = {''}, redis.call('SMEMBERS', P .. 'endpoints')
  for i = 3, #ARGV do
    if waits(ARGV[i], endpoints) then answer[#answer + 1] = ARGV[i] end
  end
  return answer
end

if op == 'forget' then
  local dropped, left, endpoints = 0, 0, redis.call('SMEMBERS', P .. 'endpoints')
  for i = 4, #ARGV do
    local seq = ARGV[i]
    if ARGV[3] ~= '1' and waits(seq, endpoints) then
      left = left + 1
    else
      for _, endpoint in ipairs(endpoints) do
        dropped = dropped + redis.call('ZREM', P .. 'wait:' .. endpoint, seq)
        redis.call('HDEL', P .. 'tries:' .. endpoint, seq)
        redis.call('ZREM', P .. 'failed:' .. endpoint, seq)
        redis.call('HDEL', P .. 'dead:' .. endpoint, seq)
        redis.call('HDEL', P .. 'stands:' .. endpoint, seq)
        redis.call('ZREMRANGEBYSCORE', P .. 'ended:' .. endpoint, seq, seq)
      end
      redis.call('XDEL', P .. 'events', seq .. '-0')
    end
  end
  return {'', dropped, left}
end

if op == 'traces' then
  local user = ARGV[3]
  for _, family in ipairs(redis.call('ZRANGE', P .. 'families:' .. user, 0, -1)) do
    redis.call('DEL', P .. 'family:' .. family)
    for _, kind in ipairs({'u', 'g'}) do redis.call('ZREM', P .. 'resumed:' .. kind, 'f' .. family) end
  end
  for _, kind in ipairs({'u', 'g'}) do redis.call('ZREM', P .. 'resumed:' .. kind, 'o' .. user) end
  redis.call('DEL', P .. 'seats:' .. user, P .. 'who:' .. user, P .. 'families:' .. user, P .. 'out:' .. user)
  redis.call('ZREM', P .. 'seen', user)
  redis.call('ZREM', P .. 'moved', user)
  redis.call('SREM', P .. 'again', user)
  for i = 4, #ARGV do
    local list = P .. 'away:' .. ARGV[i] .. ',' .. user
    for _, name in ipairs(redis.call('ZRANGE', list, 0, -1)) do
      redis.call('DEL', P .. 's:' .. name)
      redis.call('ZREM', P .. 'away:' .. ARGV[i], name)
    end
    redis.call('DEL', list)
  end
  return {''}
end

if op == 'inbox' then
  local box = open(ARGV[3])
  local names = redis.call('ZRANGE', box.names, 0, NAMES - 1)
  for _, name in ipairs(names) do
    local item = known(box, name)
    if item then forget(box, name, item) else redis.call('ZREM', box.names, name) end
  end
  if box.grown ~= 0 then
    redis.call('HINCRBY', box.key, 'b', text(box.grown))
    redis.call('INCRBY', P .. 'inbox_bytes', text(box.grown))
  end
  if #names == NAMES then return {1} end
  local bytes = redis.call('HGET', box.key, 'b')
  if bytes then redis.call('DECRBY', P .. 'inbox_bytes', bytes) end
  redis.call('UNLINK', box.key, box.items, box.unread, box.over, box.names)
  redis.call('ZREM', P .. 'inboxes', ARGV[3])
  return {''}
end

if op == 'answers' then
  -- As one whom an emit was for, or who acked it.
  local by_name, as_field = '"user":' .. ARGV[3], ARGV[3] .. ':{'
  local passed, looked, bytes = tonumber(ARGV[4]), 0, 0
  -- From the end that is over last: what is over meanwhile moves nothing.
  local names = redis.call('ZREVRANGE', P .. 'answered', passed, passed + ANSWERS - 1)
  for _, name in ipairs(names) do
    local answer = redis.call('HGET', P .. 'answer:' .. name, 'a') or ''
    looked, bytes = looked + 1, bytes + #answer
    if string.find(answer, by_name, 1, true) or string.find(answer, as_field, 1, true) then
      redis.call('DECRBY', P .. 'answers', redis.call('HGET', P .. 'answer:' .. name, 'b') or '0')
      redis.call('DEL', P .. 'answer:' .. name)
      redis.call('ZREM', P .. 'answered', name)
    else
      passed = passed + 1
    end
    if bytes > BYTES then break end
  end
  if looked == 0 or (looked == #names and #names < ANSWERS) then return {''} end
  return {text(passed)}
end

local changes = P .. 'changes:' .. ARGV[3]
local newest = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
if op == 'calm' then
  -- Each change names the one before it: without the newest one, every node would read the whole book again.
  if newest and user_of(newest) == ARGV[4] then
    redis.call('XADD', changes, text(numbers(1)) .. '-0', 'p', id(newest), 'u', '', 'w', '', 'n', '')
  end
  return {''}
end
if op == 'changes' then
  local entries = page('changes:' .. ARGV[3], ARGV[5], EVENTS)
  for _, entry in ipairs(entries) do
    if user_of(entry) == ARGV[4] and entry[1] ~= newest[1] then redis.call('XDEL', changes, entry[1]) end
  end
  return {#entries == EVENTS and id(entries[EVENTS]) or ''}
end
return redis.error_reply('ERR no such operation')
