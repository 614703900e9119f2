-- What was told of users, for those who pull: read only.
--
-- ARGV 2 page: 3 number of the event after which it begins  4 events at most; as many as fit: none only if there are none
--   Answers {number of the newest event, 1 if there were others before these that are gone, else 0, {number, fields}, …}
-- ARGV 2 seen: 3 user
--   Answers {when its last socket closed (ms), if the user went offline since, else ''}
if ARGV[2] == 'seen' then return {redis.call('ZSCORE', P .. 'seen', ARGV[3]) or ''} end
local after, newest = ARGV[3], redis.call('HGET', meta, 'told') or '0'
local page, before, last, left, bytes = {newest, 0}, newest, '(' .. after .. '-0', tonumber(ARGV[4]), 0
while left > 0 and bytes <= PAGE_BYTES do
  local entries = redis.call('XRANGE', P .. 'events', last, '+', 'COUNT', math.min(left, 4))
  for _, entry in ipairs(entries) do
    if #page == 2 then before = entry[2][#entry[2]] end
    page[#page + 1] = {string.match(entry[1], '^%d+'), entry[2]}
    last, bytes = '(' .. entry[1], bytes + size(entry[2])
  end
  left = #entries > 0 and left - #entries or 0
end
if before ~= after then page[2] = 1 end
return page
