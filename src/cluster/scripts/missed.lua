-- What a client missed that comes back: read only.
--
-- ARGV 2 number up to which it has all  3 entries at most
-- Answers {epoch, hole, suspects, complete (1 | 0), number of the last entry, entries}
local m = redis.call('HMGET', meta, 'epoch', 'hole', 'top')
local entries = redis.call('XRANGE', P .. 'log', '(' .. ARGV[2] .. '-0', '+', 'COUNT', tonumber(ARGV[3]) + 1)
local complete = 0
if #entries == 0 then
  if tonumber(m[3] or '0') <= tonumber(ARGV[2]) then complete = 1 end
elseif #entries <= tonumber(ARGV[3]) and tonumber(string.match(entries[1][2][2], '^%d+')) <= tonumber(ARGV[2]) then
  complete = 1
end
return {m[1] or '', m[2] or '0', redis.call('SCARD', P .. 'suspects'), complete, m[3] or '0', entries}
