--[[
  Included after upkeep.lua by the scripts that may find more permits held than the pool has: selects the permits to
  ask back. Proportional: every provider keeps its part of the remainder, `use x remaining / used`, rounded down; the
  few left over by rounding go to the providers with the fewest. Within a provider the newest leases are asked first.
  One pass over all leases; their number is bounded by the maximum pool size.
]]
--- Asks the provider's newest leases until it keeps `keep` of those not asked back yet.
local function askUntil(p, keep, leases)
  local excess = of(p).use - of(p).marked - keep
  for _, held in ipairs(leases) do
    if excess <= 0 then
      return
    end
    if held.p == p and held.asked == 0 then
      ask(held, 1)
      excess = excess - 1
      rewriteLease(held.lease, held)
    end
  end
end

local function askBack()
  local total, size = pool.used - pool.marked, effective()
  if total <= size then
    return
  end
  local parts, left = {}, size
  for p in each() do
    local kept = of(p).use - of(p).marked
    local part = { p = p, kept = kept, keep = math.floor(kept * size / total) }
    left = left - part.keep
    parts[#parts + 1] = part
  end
  while left > 0 do
    local best
    for _, part in ipairs(parts) do
      local fewer = best and (part.keep < best.keep or (part.keep == best.keep and part.p < best.p))
      if part.keep < part.kept and (not best or fewer) then
        best = part
      end
    end
    best.keep, left = best.keep + 1, left - 1
  end
  local leases = allLeases()
  table.sort(leases, function(a, b)
    return a.fence > b.fence
  end)
  for _, part in ipairs(parts) do
    askUntil(part.p, part.keep, leases)
  end
end
