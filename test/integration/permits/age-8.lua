--[[
Makes the pool older without waiting: every time that it remembers moves back. Redis' own clock cannot be set.

KEYS    as in src/permits/lua/pool.lua
ARGV[1] µs
]]
local by = tonumber(ARGV[1])
local function int(number)
  return string.format('%.0f', number)
end
for _, key in ipairs({KEYS[2], KEYS[6]}) do
  local members = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #members, 2 do redis.call('ZADD', key, int(tonumber(members[i + 1]) - by), members[i]) end
end
local owners = redis.call('HGETALL', KEYS[3])
for i = 1, #owners, 2 do
  local weight, p, fence, since, cut, grace, owner = string.match(owners[i + 1], '^(%d+)|([^|]+)|(%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  grace = tonumber(grace) > 0 and int(tonumber(grace) - by) or '0'
  redis.call('HSET', KEYS[3], owners[i], table.concat({weight, p, fence, int(tonumber(since) - by), cut, grace, owner}, '|'))
end
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.match(fields[i], '^at:') or fields[i] == 'lastGrantAt' or fields[i] == 'holdUntil' then
    redis.call('HSET', KEYS[1], fields[i], int(tonumber(fields[i + 1]) - by))
  end
end
redis.call('XADD', KEYS[7], '*', 'e', 'aged', 'd', int(by))
return 1
