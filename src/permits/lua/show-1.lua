--[[
  What the pool is like now. Writes nothing, and lists a bounded number of holders.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] ''
  ARGV[3] holders to list, at most

  Returns {now, {field, value, …} of the pool, {provider, held, asked back, waiting, permit time µs, µs its first waiter
  stands there, …}, {lease, provider, asked, fence, since, deadline, owner, …} the oldest first, permits of leases that
  are past their time and were not ended yet}
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
local most = tonumber(ARGV[3])

local function append(list, ...)
  for _, value in ipairs({ ... }) do
    list[#list + 1] = type(value) == "number" and int(value) or value
  end
end

local numbers, members, holders, living, ended = {}, {}, {}, {}, 0
for field, value in pairs(pool) do
  append(numbers, field, value)
end
for p in each() do
  local its = of(p)
  local first = redis.call("ZRANGEBYLEX", WAITERS, "[" .. p .. "|", "(" .. p .. "}", "LIMIT", 0, 1)[1]
  local waited = first and math.max(0, now - tonumber(readWaiter(first).since)) or 0
  append(members, p, its.use, its.marked, its.queue, passOf(p), waited)
end
-- Without holders to list, leases are only looked at when one may have ended.
if most > 0 or now >= pool.nextEnd then
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
for i = 1, math.min(#living, most) do
  local held = living[i]
  append(holders, held.lease, held.p, held.asked, held.fence, held.since, held.deadline, held.owner)
end
return { int(now), numbers, members, holders, int(ended) }
