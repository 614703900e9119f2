-- What an endpoint was not told yet, will not be told, or need not be told any more: read only.
--
-- ARGV 2 endpoint  3 wait | failed | ended  4 sequence number after which it begins  5 entries at most
-- Answers {sequence number, attempts or '', fields of the event or {}, how many events it stands for beside its own,
-- of one that has ended how}, …; as many as fit: none only if there are none
local which, endpoint = ARGV[3], ARGV[2]
local attempts = P .. (which == 'wait' and 'tries:' or 'dead:') .. endpoint
local page, bytes = {}, 0
for i, told in ipairs(redis.call('ZRANGEBYSCORE', P .. which .. ':' .. endpoint, '(' .. ARGV[4], '+inf', 'LIMIT', 0, ARGV[5])) do
  if bytes > PAGE_BYTES then break end
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
  local fields = event[1] and event[1][2] or {}
  page[i], bytes = {seq, tried, fields, stands, how}, bytes + size(fields)
end
return page
