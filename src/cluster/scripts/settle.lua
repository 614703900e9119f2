-- What became of deliveries. Only the owner is heard.
--
-- ARGV 2 endpoint  3 token  4... quadruples: sequence number, `done` | `dead` | next attempt (ms), attempts, what the last met
-- Answers {OK, deliveries still waiting} | {STALE}
local endpoint = ARGV[2]
local tries = P .. 'tries:' .. endpoint
if redis.call('HGET', P .. 'endpoint:' .. endpoint, 'token') ~= ARGV[3] then return {'STALE'} end
for i = 4, #ARGV, 4 do
  local seq, what, attempts, met = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if what == 'done' or what == 'dead' then
    local waited = redis.call('ZREM', P .. 'wait:' .. endpoint, seq)
    redis.call('HDEL', tries, seq)
    if what == 'dead' and waited == 1 then
      redis.call('ZADD', P .. 'failed:' .. endpoint, seq, seq)
      redis.call('HSET', P .. 'dead:' .. endpoint, seq, attempts .. ' ' .. text(math.floor(now / 1000)) .. ' 0 ' .. met)
    end
  elseif redis.call('ZSCORE', P .. 'wait:' .. endpoint, seq) then
    local since = string.match(redis.call('HGET', tries, seq) or '', '^%d+ %d+ (%d+)') or '0'
    redis.call('HSET', tries, seq, attempts .. ' ' .. what .. ' ' .. since .. ' ' .. met)
  end
end
return {'OK', redis.call('ZCARD', P .. 'wait:' .. endpoint)}
