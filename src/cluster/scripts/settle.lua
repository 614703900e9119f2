-- What became of deliveries. Only the owner is heard.
--
-- ARGV 2 endpoint  3 token  4... triples: sequence number, `done` | `dead` | next attempt (ms), attempts
-- Answers {OK, deliveries still waiting} | {STALE}
local endpoint = ARGV[2]
if redis.call('HGET', P .. 'endpoint:' .. endpoint, 'token') ~= ARGV[3] then return {'STALE'} end
for i = 4, #ARGV, 3 do
  local seq, what = ARGV[i], ARGV[i + 1]
  if what == 'done' or what == 'dead' then
    local waited = redis.call('ZREM', P .. 'wait:' .. endpoint, seq)
    redis.call('HDEL', P .. 'tries:' .. endpoint, seq)
    if what == 'dead' and waited == 1 then redis.call('ZADD', P .. 'failed:' .. endpoint, seq, seq) end
  elseif redis.call('ZSCORE', P .. 'wait:' .. endpoint, seq) then
    redis.call('HSET', P .. 'tries:' .. endpoint, seq, ARGV[i + 2] .. ' ' .. what)
  end
end
return {'OK', redis.call('ZCARD', P .. 'wait:' .. endpoint)}
