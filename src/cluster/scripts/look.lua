-- How much an endpoint was not told yet, and who delivers for it: read only.
--
-- ARGV 2 endpoint
-- Answers {deliveries waiting, given up, sequence number of the oldest that waits or '', incarnation of the owner or ''}
local endpoint = ARGV[2]
local oldest = redis.call('ZRANGE', P .. 'wait:' .. endpoint, 0, 0)
local owner = redis.call('HGET', P .. 'endpoint:' .. endpoint, 'owner')
if owner and redis.call('HEXISTS', P .. 'nodes', owner) == 0 then owner = '' end
return {
  redis.call('ZCARD', P .. 'wait:' .. endpoint), redis.call('ZCARD', P .. 'failed:' .. endpoint),
  oldest[1] or '', owner or ''
}
