--[[
What the pool is like now. Reads only, and no more than ARGV[3] holders.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size  [3] holders to list, at most

Returns {now, the pool's fields and values, {lease, deadline, facts, …} the longest-lived first,
         {provider, facts of its first waiter, …}, permits of leases past their time and not reaped yet}
]]
--- @include "pool.lua"
local holders, first, ended = {}, {}, 0
local found = redis.call('ZREVRANGEBYSCORE', LEASES, '+inf', '(' .. int(now), 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[3]))
for i = 1, #found, 2 do
  holders[#holders + 1] = found[i]
  holders[#holders + 1] = found[i + 1]
  holders[#holders + 1] = redis.call('HGET', OWNERS, found[i]) or ''
end
for p in string.gmatch(text('names'), '[^|]+') do
  local waiter = redis.call('ZRANGEBYLEX', WAITERS, '[' .. p .. '|', '(' .. p .. '}', 'LIMIT', 0, 1)
  if waiter[1] then
    first[#first + 1] = p
    first[#first + 1] = waiter[1]
  end
end
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', int(now), 'LIMIT', 0, 1000)) do
  local held = readLease(redis.call('HGET', OWNERS, lease) or '')
  ended = ended + (held and held.weight or 0)
end
return {int(now), redis.call('HGETALL', POOL), holders, first, int(ended)}
