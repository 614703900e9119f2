-- One node delivers for an endpoint, so that its order, its circuit and its bound mean something.
--
-- ARGV 2 endpoint  3 incarnation  4 `take` | `give`
-- Answers {OK, token} | {HELD, incarnation of the owner} | {FENCED}
local key, incarnation = P .. 'endpoint:' .. ARGV[2], ARGV[3]
if redis.call('HEXISTS', P .. 'nodes', incarnation) == 0 then return {'FENCED'} end
local owner = redis.call('HGET', key, 'owner')
if ARGV[4] == 'give' then
  if owner == incarnation then redis.call('HDEL', key, 'owner') end
  return {'OK', redis.call('HGET', key, 'token') or '0'}
end
if owner == incarnation then return {'OK', redis.call('HGET', key, 'token')} end
if owner and redis.call('HEXISTS', P .. 'nodes', owner) == 1 then return {'HELD', owner} end
redis.call('HSET', key, 'owner', incarnation)
-- Whoever delivered before has a lower token: what it still says is not heard. It follows time, so a copy of the state
-- that lost the last one gives out no token twice.
local token = text(numbers(1))
redis.call('HSET', key, 'token', token)
return {'OK', token}
