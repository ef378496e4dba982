--[[
Included after pool.lua by the script that makes the pool or a cap smaller: whom permits are asked back from.
Proportional: every provider keeps its part of what remains, `use x remaining / used`, rounded down; the few that rounding
leaves over go to those with the least of their weight. Inside a provider the newest leases give first, none below its own
proportional part. One pass over all leases; their number is bounded by the greatest size.
]]
local function newestFirst()
  local found = allLeases()
  table.sort(found, function(a, b) return a.fence > b.fence end)
  return found
end

--- Asks the provider's leases for so many permits that it keeps `keep` of those not asked back yet.
local function shrinkTo(p, keep, leases)
  local kept = of(p).use - of(p).marked
  local excess = kept - keep
  for _, held in ipairs(leases) do
    if excess <= 0 then return end
    if held.p == p then
      local stays = held.weight - held.cut
      local cut = math.min(excess, stays - math.floor(stays * keep / kept))
      if cut > 0 then
        held.cut, excess = held.cut + cut, excess - cut
        adjust(p, 0, cut)
        writeLease(held.lease, held)
      end
    end
  end
end

local function askBack()
  local over = pool.used - pool.marked > effective()
  local all = {}
  for p in each() do
    all[#all + 1] = p
    over = over or of(p).use - of(p).marked > of(p).cap
  end
  if not over then return end
  local leases = newestFirst()
  for _, p in ipairs(all) do
    if of(p).use - of(p).marked > of(p).cap then shrinkTo(p, of(p).cap, leases) end
  end
  local total, size = pool.used - pool.marked, effective()
  if total <= size then return end
  local parts, left = {}, size
  for _, p in ipairs(all) do
    local kept = of(p).use - of(p).marked
    local part = {p = p, kept = kept, keep = math.floor(kept * size / total), weight = of(p).weight}
    left = left - part.keep
    parts[#parts + 1] = part
  end
  while left > 0 do
    local best
    for _, part in ipairs(parts) do
      if part.keep < part.kept then
        local mine, its = part.keep / part.weight, best and best.keep / best.weight
        if not best or mine < its or (mine == its and part.p < best.p) then best = part end
      end
    end
    best.keep, left = best.keep + 1, left - 1
  end
  for _, part in ipairs(parts) do shrinkTo(part.p, part.keep, leases) end
end
