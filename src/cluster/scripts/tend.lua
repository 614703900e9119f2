-- What is due: users whose grace has passed go offline, and the log gives up what nobody needs. Run by any node, as often
-- as it likes: each user goes offline once.
--
-- ARGV 2 users at most  3 longest time that nobody ran this (ms)  4 hold after such a time (ms)  5 longest grace (ms)
-- 6 how long the log is kept for clients that come back (ms)  7 how long presence changes are kept (ms)
-- Answers {OK | HOLD, users that went offline, head}
local now_ms = math.floor(now / 1000)
local silence, wait, grace_max = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local m = redis.call('HMGET', meta, 'tick', 'hold', 'n')
local tick, hold = tonumber(m[1] or '0'), tonumber(m[2] or '0')
-- After an outage, or a step of the clock, nodes first get time to say who is there.
if now_ms - tick > silence or now_ms < tick - 1000 then
  hold = now_ms + wait
  redis.call('HSET', meta, 'hold', text(hold))
end
redis.call('HSET', meta, 'tick', text(now_ms))
-- A hold that lies too far ahead is from before the clock went back.
if now_ms < hold and hold - now_ms <= wait then return {'HOLD', 0, m[3] or '0'} end

local count = 0
for _, user in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '-inf', text(now_ms), 'LIMIT', 0, ARGV[2])) do
  local key = P .. 'u:' .. user
  local u = redis.call('HMGET', key, 's', 'r', 'c')
  if u[1] and u[2] then
    local who = redis.call('HMGET', P .. 'who:' .. user, 's', 'g', 'a')
    if who[1] ~= u[1] then who = {} end
    announce('off', user, u[1], u[2], u[3], who[2], who[3])
    redis.call('ZADD', P .. 'seen', 'GT', u[3], user)
    redis.call('DEL', key, P .. 'who:' .. user)
    redis.call('HINCRBY', meta, 'users', -1)
    count = count + 1
  end
  redis.call('ZREM', P .. 'due', user)
end
-- Deadlines from before the clock went back.
local farthest = text(now_ms + grace_max)
for _, user in ipairs(redis.call('ZRANGEBYSCORE', P .. 'due', '(' .. farthest, '+inf', 'LIMIT', 0, 100)) do
  redis.call('ZADD', P .. 'due', farthest, user)
end
-- What endpoints were not told for so long, nobody delivers: it had ended, or they are not configured any more.
local kept = text(now - tonumber(ARGV[7]) * 1000)
redis.call('XTRIM', P .. 'events', 'MINID', '~', kept .. '-0')
redis.call('ZREMRANGEBYSCORE', P .. 'seen', '-inf', text(now_ms - tonumber(ARGV[7])))
for _, endpoint in ipairs(redis.call('SMEMBERS', P .. 'endpoints')) do
  for _, seq in ipairs(redis.call('ZRANGEBYSCORE', P .. 'wait:' .. endpoint, '-inf', '(' .. kept, 'LIMIT', 0, 100)) do
    redis.call('ZREM', P .. 'wait:' .. endpoint, seq)
    redis.call('HDEL', P .. 'tries:' .. endpoint, seq)
    redis.call('HDEL', P .. 'stands:' .. endpoint, seq)
  end
  for _, seq in ipairs(redis.call('ZRANGEBYSCORE', P .. 'failed:' .. endpoint, '-inf', '(' .. kept, 'LIMIT', 0, 100)) do
    redis.call('ZREM', P .. 'failed:' .. endpoint, seq)
    redis.call('HDEL', P .. 'dead:' .. endpoint, seq)
    redis.call('HDEL', P .. 'stands:' .. endpoint, seq)
  end
  local old = math.min(redis.call('ZCOUNT', P .. 'ended:' .. endpoint, '-inf', '(' .. kept), 1000)
  if old > 0 then redis.call('ZREMRANGEBYRANK', P .. 'ended:' .. endpoint, 0, old - 1) end
end
local doubt = redis.call('HGET', meta, 'doubt')
if doubt and tonumber(doubt) + 600000000 < now then redis.call('DEL', P .. 'again') end
-- The log: what every living node has read, and no client may come back for.
local read = now - tonumber(ARGV[6]) * 1000
for _, number in ipairs(redis.call('HVALS', P .. 'read')) do
  if tonumber(number) < read then read = tonumber(number) end
end
trim(false, read)
return {'OK', count, redis.call('HGET', meta, 'n') or '0'}
