-- What an endpoint was not told yet, or will not be told: read only.
--
-- ARGV 2 endpoint  3 wait | failed  4 sequence number after which it begins  5 entries at most
-- Answers {sequence number, attempts or '', fields of the event or {}}, …
local which = ARGV[3] .. ':' .. ARGV[2]
local attempts = ARGV[3] == 'wait' and 'tries:' or 'dead:'
local page = {}
for i, seq in ipairs(redis.call('ZRANGEBYSCORE', P .. which, '(' .. ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])) do
  local event = redis.call('XRANGE', P .. 'events', seq .. '-0', seq .. '-0')
  page[i] = {seq, redis.call('HGET', P .. attempts .. ARGV[2], seq) or '', event[1] and event[1][2] or {}}
end
return page
