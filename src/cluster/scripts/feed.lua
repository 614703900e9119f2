-- What was told of users, for those who pull: read only.
--
-- ARGV 2 page: 3 number of the event after which it begins  4 events at most
--   Answers {number of the newest event, 1 if there were others before these that are gone, else 0, {number, fields}, …}
-- ARGV 2 seen: 3 user
--   Answers {when its last socket closed (ms), if the user went offline since, else ''}
if ARGV[2] == 'seen' then return {redis.call('ZSCORE', P .. 'seen', ARGV[3]) or ''} end
local after, newest = ARGV[3], redis.call('HGET', meta, 'told') or '0'
local page, before = {newest, 0}, newest
for i, entry in ipairs(redis.call('XRANGE', P .. 'events', '(' .. after .. '-0', '+', 'COUNT', ARGV[4])) do
  if i == 1 then before = entry[2][#entry[2]] end
  page[i + 2] = {string.match(entry[1], '^%d+'), entry[2]}
end
if before ~= after then page[2] = 1 end
return page
