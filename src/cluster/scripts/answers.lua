-- Requests that have a name: each is made once, by one node, and its answer is remembered for all.
--
-- ARGV 2 begin | finish | drop  3 name of the request  4 token of whoever makes it
--   begin: 5 what it asks for  6 node  7 requests that are remembered
--   finish: 5 answer  6 how long it is remembered (ms)  7 bytes of answers that are remembered
-- Answers {FIRST} | {UNDERWAY} | {ANSWERED, answer} | {MISMATCH} | {FULL} to begin, {OK} | {LATE} to the others: LATE says that
-- another has the turn, or that it was answered. To ask again with the same token changes nothing.
local op, name, token = ARGV[2], ARGV[3], ARGV[4]
local begun, ends, key = P .. 'begun', P .. 'answered', P .. 'answer:' .. ARGV[3]
local now_ms = math.floor(now / 1000)

local function forget(each)
  local bytes = redis.call('HGET', P .. 'answer:' .. each, 'b')
  if bytes then redis.call('DECRBY', P .. 'answers', bytes) end
  redis.call('DEL', P .. 'answer:' .. each)
  redis.call('ZREM', begun, each)
  redis.call('ZREM', ends, each)
end

-- Whether the node is there, under whatever name it goes on.
local function lives(node)
  for _, each in ipairs(redis.call('HKEYS', P .. 'nodes')) do
    if string.match(each, '^(.*)%.') == node then return true end
  end
  return false
end

local r = redis.call('HMGET', key, 'f', 't', 'n', 'a')
if op == 'begin' then
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', text(now_ms), 'LIMIT', 0, 20)) do
    forget(each)
    if each == name then r = {} end
  end
  if r[1] then
    -- An answer whose time is over may still be here if many are.
    local until_ms = redis.call('ZSCORE', ends, name)
    if until_ms and tonumber(until_ms) <= now_ms or not until_ms and not lives(r[3]) then
      forget(name)
      r = {}
    end
  end
  if r[1] then
    if r[1] ~= ARGV[5] then return {'MISMATCH'} end
    if r[4] then return {'ANSWERED', r[4]} end
    if r[2] == token then return {'FIRST'} end
    return {'UNDERWAY'}
  end
  if redis.call('ZCARD', begun) + redis.call('ZCARD', ends) >= tonumber(ARGV[7]) then
    -- Requests that are under way are kept: forgotten, they could be made twice.
    local oldest = redis.call('ZRANGE', ends, 0, 0)
    if not oldest[1] then
      oldest = redis.call('ZRANGE', begun, 0, 0)
      if not oldest[1] or lives(redis.call('HGET', P .. 'answer:' .. oldest[1], 'n')) then return {'FULL'} end
    end
    forget(oldest[1])
  end
  redis.call('HSET', key, 'f', ARGV[5], 't', token, 'n', ARGV[6])
  redis.call('ZADD', begun, text(now_ms), name)
  return {'FIRST'}
end

if r[2] ~= token or r[4] then return {'LATE'} end
if op == 'drop' then
  forget(name)
  return {'OK'}
end
local bytes, bytes_max = #ARGV[5], tonumber(ARGV[7])
if bytes > bytes_max then
  forget(name)
  return {'OK'}
end
redis.call('HSET', key, 'a', ARGV[5], 'b', text(bytes))
redis.call('ZREM', begun, name)
redis.call('ZADD', ends, text(now_ms + tonumber(ARGV[6])), name)
local total = redis.call('INCRBY', P .. 'answers', text(bytes))
while total > bytes_max do
  local oldest = redis.call('ZRANGE', ends, 0, 0)
  if not oldest[1] or oldest[1] == name then break end
  forget(oldest[1])
  total = tonumber(redis.call('GET', P .. 'answers'))
end
return {'OK'}
