-- What the backend has attached to the sessions of users.
--
-- ARGV 2 of: 3... users
--   Answers {session or '' of who is offline, since which number or 0, what is attached or '', …}, in the order of the users
-- ARGV 2 put: 3 user  4 session  5 number of what was attached when the new was made of it  6 what is attached from now on
--   Answers {OK}, or {CHANGED} if it was made of something else than what there is
local function known(user)
  local session = redis.call('HGET', P .. 'u:' .. user, 's')
  local who = session and redis.call('HMGET', P .. 'who:' .. user, 's', 'v', 'a')
  if not who or who[1] ~= session or not who[3] then return session or '', '0', '' end
  return session, who[2], who[3]
end
if ARGV[2] == 'of' then
  local answer = {}
  for i = 3, #ARGV do
    local at = #answer
    answer[at + 1], answer[at + 2], answer[at + 3] = known(ARGV[i])
  end
  return answer
end
local user, session = ARGV[3], ARGV[4]
local current, version = known(user)
if current ~= session or version ~= ARGV[5] then return {'CHANGED'} end
local who = P .. 'who:' .. user
if redis.call('HGET', who, 's') ~= session then redis.call('DEL', who) end
redis.call('HSET', who, 's', session, 'v', text(numbers(1)), 'a', ARGV[6])
return {'OK'}
