--[[
Included after pool.lua by the script that makes the pool or a cap smaller: whom permits are asked back from.
Proportional: every provider keeps its part of what remains, `use x remaining / used`, rounded down; the few that rounding
leaves over go to those with the least of their weight. Inside a provider the newest leases give first, none below its own
proportional part. One pass over all leases; their number is bounded by the greatest size.
]]
local function newestFirst()
  local leases, found = redis.call('ZRANGE', LEASES, 0, -1), {}
  for from = 1, #leases, 1000 do
    local some = {unpack(leases, from, math.min(#leases, from + 999))}
    for i, facts in ipairs(redis.call('HMGET', OWNERS, unpack(some))) do
      local held = facts and readLease(facts)
      if held then
        held.lease = some[i]
        found[#found + 1] = held
      end
    end
  end
  table.sort(found, function(a, b) return a.fence > b.fence end)
  return found
end

--- Asks the provider's leases for so many permits that it keeps `keep` of those not asked back yet.
local function shrinkTo(p, keep, leases)
  local kept = get('use:' .. p) - get('marked:' .. p)
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
  local over = get('used') - get('marked') > effective()
  local names = {}
  for p in string.gmatch(text('names'), '[^|]+') do
    preloadProvider(p)
    names[#names + 1] = p
    over = over or get('use:' .. p) - get('marked:' .. p) > capOf(p)
  end
  if not over then return end
  local leases = newestFirst()
  for _, p in ipairs(names) do
    if get('use:' .. p) - get('marked:' .. p) > capOf(p) then shrinkTo(p, get('cap:' .. p), leases) end
  end
  local total, size = get('used') - get('marked'), effective()
  if total <= size then return end
  local parts, left = {}, size
  for _, p in ipairs(names) do
    local kept = get('use:' .. p) - get('marked:' .. p)
    local part = {p = p, kept = kept, keep = math.floor(kept * size / total), weight = weightOf(p)}
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
