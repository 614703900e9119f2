-- Who is online: read only.
--
-- ARGV 2... users
-- Answers {session or '', 1 if the user lingers else 0, …}, in the order of the users
local answer = {}
for i = 2, #ARGV do
  local user = redis.call('HMGET', P .. 'u:' .. ARGV[i], 's', 'r')
  answer[#answer + 1] = user[1] or ''
  answer[#answer + 1] = user[2] and 1 or 0
end
return answer
