--[[
Makes the pool older without waiting: every time that it remembers moves back. A negative number moves them ahead, as
Redis' clock leaves them when it goes back.

KEYS[1] pool
ARGV[1] µs
]]
--- @include "../../../src/permits/lua/formats.lua"
local by, base = tonumber(ARGV[1]), string.sub(KEYS[1], 1, -5)
local function int(number)
  return string.format('%.0f', number)
end
local deadlines = redis.call('ZRANGE', base .. 'waiter-deadlines', 0, -1, 'WITHSCORES')
for i = 1, #deadlines, 2 do
  redis.call('ZADD', base .. 'waiter-deadlines', int(tonumber(deadlines[i + 1]) - by), deadlines[i])
end
local leases = redis.call('HGETALL', base .. 'leases')
for i = 1, #leases, 2 do
  local deadline, held, since, cut, grace, owner =
    string.match(leases[i + 1], '^(%d+)|(%d+|[^|]+|%d+)|(%d+)|(%d+)|(%d+)|(.*)$')
  grace = tonumber(grace) > 0 and int(tonumber(grace) - by) or '0'
  redis.call('HSET', base .. 'leases', leases[i],
    table.concat({int(tonumber(deadline) - by), held, int(tonumber(since) - by), cut, grace, owner}, '|'))
end
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local isPool = stored[i] == 'pool'
  if isPool or string.match(stored[i], '^p:') then
    local values = isPool and unpackPool(stored[i + 1]) or unpackProvider(stored[i + 1])
    for _, field in ipairs({'at', 'lastGrantAt', 'holdUntil', 'clock', 'nextEnd'}) do
      if values[field] and not (field == 'nextEnd' and values[field] == NEVER) then values[field] = values[field] - by end
    end
    redis.call('HSET', KEYS[1], stored[i], isPool and packPool(values) or packProvider(values))
  end
end
redis.call('XADD', base .. 'log', '*', 'e', 'aged 0 - 0 0 0 d=' .. int(by) .. ' ')
return 1
