-- What became of deliveries. Only the owner is heard.
--
-- ARGV 2 endpoint  3 token  4 how many that have ended are kept at most  5... quadruples: sequence number, `delivered` |
-- `replaced` | `dead` | `left` (nothing is kept of it) | next attempt (ms), attempts, what the last met, or what replaces it
-- Answers {OK, deliveries still waiting} | {STALE}
local endpoint = ARGV[2]
local wait, tries, stands = P .. 'wait:' .. endpoint, P .. 'tries:' .. endpoint, P .. 'stands:' .. endpoint
if redis.call('HGET', P .. 'endpoint:' .. endpoint, 'token') ~= ARGV[3] then return {'STALE'} end
local at = text(math.floor(now / 1000))
for i = 5, #ARGV, 4 do
  local seq, what, attempts, met = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if tonumber(what) then
    if redis.call('ZSCORE', wait, seq) then
      local since = string.match(redis.call('HGET', tries, seq) or '', '^%d+ %d+ (%d+)') or '0'
      redis.call('HSET', tries, seq, attempts .. ' ' .. what .. ' ' .. since .. ' ' .. met)
    end
  elseif redis.call('ZREM', wait, seq) == 1 then
    redis.call('HDEL', tries, seq)
    if what == 'dead' then
      redis.call('ZADD', P .. 'failed:' .. endpoint, seq, seq)
      redis.call('HSET', P .. 'dead:' .. endpoint, seq, attempts .. ' ' .. at .. ' 0 ' .. met)
    else
      local count = redis.call('HGET', stands, seq) or '0'
      redis.call('HDEL', stands, seq)
      if what == 'replaced' and redis.call('ZSCORE', wait, met) then
        redis.call('HINCRBY', stands, met, text(tonumber(count) + 1))
      end
      if what ~= 'left' then
        local told = seq .. ' ' .. what .. ' ' .. attempts .. ' ' .. at .. ' ' .. count
        redis.call('ZADD', P .. 'ended:' .. endpoint, seq, told)
      end
    end
  end
end
redis.call('ZREMRANGEBYRANK', P .. 'ended:' .. endpoint, 0, text(-1 - tonumber(ARGV[4])))
return {'OK', redis.call('ZCARD', wait)}
