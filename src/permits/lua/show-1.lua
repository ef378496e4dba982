--[[
What the pool is like now. Writes nothing, and answers no more than ARGV[2] holders.

KEYS[1] pool; ARGV[1] as in pool.lua
ARGV[2] holders to list, at most

Returns {now, {field, value, …} of the pool, {provider, its fields' values in the order of formats.lua, …},
         {lease, facts, …} the oldest first, {provider, facts of its first waiter, …},
         permits of leases past their time and not reaped yet}
]]
--- @include "pool.lua"
local numbers, members, first, living, ended = {}, {}, {}, {}, 0
for _, field in ipairs(POOL_FIELDS) do
  numbers[#numbers + 1] = field
  numbers[#numbers + 1] = int(pool[field])
end
for p in each() do
  members[#members + 1] = p
  for _, field in ipairs(PROVIDER_FIELDS) do
    members[#members + 1] = of(p)[field] == math.huge and '' or int(of(p)[field])
  end
  local waiter = redis.call('ZRANGEBYLEX', WAITERS, '[' .. p .. '|', '(' .. p .. '}', 'LIMIT', 0, 1)
  if waiter[1] then
    first[#first + 1] = p
    first[#first + 1] = waiter[1]
  end
end
-- Without holders to list, leases are only looked at when one may have ended.
if tonumber(ARGV[2]) > 0 or now >= pool.nextEnd then
  for _, held in ipairs(allLeases()) do
    if held.deadline > now then living[#living + 1] = held else ended = ended + held.weight end
  end
  table.sort(living, function(a, b) return a.fence < b.fence end)
end
local holders = {}
for i = 1, math.min(#living, tonumber(ARGV[2])) do
  holders[#holders + 1] = living[i].lease
  holders[#holders + 1] = redis.call('HGET', LEASES, living[i].lease)
end
return {int(now), numbers, members, holders, first, int(ended)}
