-- How many users there are: read only.
--
-- Answers {users online, lingering ones included; of these, lingering}
return {redis.call('HGET', meta, 'users') or '0', redis.call('ZCARD', P .. 'due')}
