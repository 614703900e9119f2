-- Puts what was given up back among what waits; if it is one, also what was delivered. Whoever delivers sees by `replays`
-- that it has to look again.
--
-- ARGV 2 endpoint  3 sequence number of the first  4 of the last  5 at most
-- Answers {how many, 1 if there are more else 0, 1 if the first waits already else 0, 1 if it was replaced else 0}
local endpoint, first = ARGV[2], ARGV[3]
local most, replaced = tonumber(ARGV[5]), 0
local tries = '0 0 ' .. text(math.floor(now / 1000)) .. ' '
local failed = redis.call('ZRANGEBYSCORE', P .. 'failed:' .. endpoint, first, ARGV[4], 'LIMIT', 0, most + 1)
local count = math.min(#failed, most)
for i = 1, count do
  redis.call('ZREM', P .. 'failed:' .. endpoint, failed[i])
  redis.call('HDEL', P .. 'dead:' .. endpoint, failed[i])
  redis.call('ZADD', P .. 'wait:' .. endpoint, failed[i], failed[i])
  redis.call('HSET', P .. 'tries:' .. endpoint, failed[i], tries)
end
local ended = first == ARGV[4] and redis.call('ZRANGEBYSCORE', P .. 'ended:' .. endpoint, first, first)[1]
if ended then
  local how, stands = string.match(ended, '^%d+ (%a+) %d+ %d+ (%d+)$')
  if how == 'replaced' then
    replaced = 1
  else
    redis.call('ZREM', P .. 'ended:' .. endpoint, ended)
    redis.call('ZADD', P .. 'wait:' .. endpoint, first, first)
    redis.call('HSET', P .. 'tries:' .. endpoint, first, tries)
    if stands ~= '0' then redis.call('HSET', P .. 'stands:' .. endpoint, first, stands) end
    count = count + 1
  end
end
if count > 0 then redis.call('HINCRBY', P .. 'endpoint:' .. endpoint, 'replays', 1) end
local waits = count == 0 and redis.call('ZSCORE', P .. 'wait:' .. endpoint, first)
return {count, #failed > most and 1 or 0, waits and 1 or 0, replaced}
