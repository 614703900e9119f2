-- A page of what an endpoint was not told yet: read only.
--
-- ARGV 2 endpoint  3 token  4 sequence number after which it begins  5 entries at most
-- Answers {OK, deliveries waiting, how often some were put back, {sequence number, attempts or '', fields of the event or {},
-- how many events it stands for beside its own}, …} | {STALE}. As many as fit: none only if there are none
local endpoint = ARGV[2]
if redis.call('HGET', P .. 'endpoint:' .. endpoint, 'token') ~= ARGV[3] then return {'STALE'} end
local page = {
  'OK', redis.call('ZCARD', P .. 'wait:' .. endpoint), redis.call('HGET', P .. 'endpoint:' .. endpoint, 'replays') or '0'
}
local bytes = 0
for _, seq in ipairs(redis.call('ZRANGEBYSCORE', P .. 'wait:' .. endpoint, '(' .. ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])) do
  if bytes > PAGE_BYTES then break end
  local event = redis.call('XRANGE', P .. 'events', seq .. '-0', seq .. '-0')
  local tries = redis.call('HGET', P .. 'tries:' .. endpoint, seq) or ''
  local stands = redis.call('HGET', P .. 'stands:' .. endpoint, seq) or '0'
  local fields = event[1] and event[1][2] or {}
  page[#page + 1], bytes = {seq, tries, fields, stands}, bytes + size(fields)
end
return page
