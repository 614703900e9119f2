-- Hooks that tell of something else than who is online. To tell the same again changes nothing.
--
-- ARGV 2 name of this telling  3 number of endpoints that are told, then their names, and for each hook user, type, body
-- Answers {OK}
if not redis.call('SET', P .. 'told:' .. ARGV[2], '', 'NX', 'PX', '600000') then return {'OK'} end
local last = 3 + tonumber(ARGV[3])
for i = last + 1, #ARGV, 3 do
  local seq = text(numbers(1))
  record(seq, 'k', 'hook', 'u', ARGV[i], 't', ARGV[i + 1], 'b', ARGV[i + 2])
  for e = 4, last do redis.call('ZADD', P .. 'wait:' .. ARGV[e], seq, seq) end
end
return {'OK'}
