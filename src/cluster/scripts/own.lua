-- One node delivers for an endpoint, so that its order, its circuit and its bound mean something; and so for other things
-- that one node does, with a note for the one that does them next.
--
-- ARGV 2 endpoint, or what else  3 incarnation  4 `take` | `give`  5 a note for the next owner, if there is one
-- Answers {OK, token, note so far or ''} | {HELD, incarnation of the owner} | {FENCED}
local key, incarnation = P .. 'endpoint:' .. ARGV[2], ARGV[3]
if redis.call('HEXISTS', P .. 'nodes', incarnation) == 0 then return {'FENCED'} end
local m = redis.call('HMGET', key, 'owner', 'token', 'note')
local owner, token, note = m[1], m[2], m[3] or ''
if ARGV[4] == 'give' then
  if owner == incarnation then redis.call('HDEL', key, 'owner') end
  return {'OK', token or '0', note}
end
if owner and owner ~= incarnation and redis.call('HEXISTS', P .. 'nodes', owner) == 1 then return {'HELD', owner} end
if owner ~= incarnation then
  redis.call('HSET', key, 'owner', incarnation)
  -- Whoever delivered before has a lower token: what it still says is not heard. It follows time, so a copy of the state
  -- that lost the last one gives out no token twice.
  token = text(numbers(1))
  redis.call('HSET', key, 'token', token)
end
if ARGV[5] then redis.call('HSET', key, 'note', ARGV[5]) end
return {'OK', token, note}
