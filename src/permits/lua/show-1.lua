--[[
  What the pool is like now. Writes nothing, and answers no more than ARGV[3] holders.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] ''
  ARGV[3] holders to list, at most

  Returns {now, {field, value, …} of the pool, {provider, held, asked back, waiting, permit time µs, µs its first waiter
           stands there, …}, {lease, facts, …} the oldest first, permits of leases past their time and not reaped yet}
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
local listed = tonumber(ARGV[3])
local numbers, members, living, ended = {}, {}, {}, 0
for field, value in pairs(pool) do
  numbers[#numbers + 1] = field
  numbers[#numbers + 1] = int(value)
end
for p in each() do
  local its = of(p)
  local first = redis.call("ZRANGEBYLEX", WAITERS, "[" .. p .. "|", "(" .. p .. "}", "LIMIT", 0, 1)[1]
  local waited = first and math.max(0, now - tonumber(readWaiter(first).since)) or 0
  for _, value in ipairs({ p, int(its.use), int(its.marked), int(its.queue), int(passOf(p)), int(waited) }) do
    members[#members + 1] = value
  end
end
-- Without holders to list, leases are only looked at when one may have ended.
if listed > 0 or now >= pool.nextEnd then
  for _, held in ipairs(allLeases()) do
    held.deadline = nearest(held.deadline, now, LIFE)
    if held.deadline > now then
      living[#living + 1] = held
    else
      ended = ended + 1
    end
  end
  table.sort(living, function(a, b)
    return a.fence < b.fence
  end)
end
local holders = {}
for i = 1, math.min(#living, listed) do
  holders[#holders + 1] = living[i].lease
  holders[#holders + 1] = redis.call("HGET", LEASES, living[i].lease)
end
return { int(now), numbers, members, holders, int(ended) }
