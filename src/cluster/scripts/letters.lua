-- What an endpoint was not told yet, will not be told, or need not be told any more: read only.
--
-- ARGV 2 endpoint  3 wait | failed | ended  4 sequence number after which it begins  5 entries at most
-- Answers {sequence number, attempts or '', fields of the event or {}, how many events it stands for beside its own,
-- of one that has ended how}, …
local which, endpoint = ARGV[3], ARGV[2]
local attempts = P .. (which == 'wait' and 'tries:' or 'dead:') .. endpoint
local page = {}
for i, told in ipairs(redis.call('ZRANGEBYSCORE', P .. which .. ':' .. endpoint, '(' .. ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])) do
  local seq, tried, stands, how = told, '', '0', ''
  if which == 'ended' then
    local count, at
    seq, how, count, at, stands = string.match(told, '^(%d+) (%a+) (%d+) (%d+) (%d+)$')
    tried = count .. ' ' .. at .. ' 0 '
  else
    tried = redis.call('HGET', attempts, seq) or ''
    stands = redis.call('HGET', P .. 'stands:' .. endpoint, seq) or '0'
  end
  local event = redis.call('XRANGE', P .. 'events', seq .. '-0', seq .. '-0')
  page[i] = {seq, tried, event[1] and event[1][2] or {}, stands, how}
end
return page
