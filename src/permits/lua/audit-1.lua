--[[
  Counts everything again and compares: number of leases = used = sum of the providers' use; what is asked back
  likewise; every lease has facts and a deadline that a lease can have; every waiter its place and deadline. It reads
  every lease and waiter, when a person or a timer asks.

  KEYS[1] pool
  ARGV[1] settings, as in pool.lua
  ARGV[2] ''
  ARGV[3] 1 = repair
  ARGV[4] actor

  Returns {now, leases seen, waiters seen, {kind, subject, stored, right, …} findings, the first 100, their number}
]]
--- @include "pool.lua"
--- @include "upkeep.lua"
--- @include "askBack.lua"
local repair, actor = ARGV[3] == "1", ARGV[4]
local findings, count = {}, 0
local function find(kind, subject, was, right)
  count = count + 1
  if count > 100 then
    return
  end
  for _, value in ipairs({ kind, subject, tostring(was), tostring(right) }) do
    findings[#findings + 1] = value
  end
end
local function pairsOf(list)
  local map = {}
  for i = 1, #list, 2 do
    map[list[i]] = list[i + 1]
  end
  return map
end

local use, marked, used, asked, newest, first = {}, {}, 0, 0, 0, NEVER
for lease, facts in pairs(pairsOf(redis.call("HGETALL", LEASES))) do
  local held = readLease(facts)
  if not held then
    find("lease-unreadable", lease, facts, "nothing")
    if repair then
      redis.call("HDEL", LEASES, lease)
      log("repair", lease, "", 0)
    end
  else
    know(held.p)
    use[held.p] = (use[held.p] or 0) + 1
    marked[held.p] = (marked[held.p] or 0) + held.asked
    used, asked, newest = used + 1, asked + held.asked, math.max(newest, held.fence)
    if held.deadline > now + LIFE then
      -- Its holder may live: it gets a whole life from now, and no more.
      find("deadline-too-late", lease, int(held.deadline), int(now + LIFE))
      held.deadline = now + LIFE
      if repair then
        rewriteLease(lease, held)
      end
    end
    first = math.min(first, held.deadline)
  end
end

local queue, waiting, standing = {}, 0, {}
local places, stays = pairsOf(redis.call("HGETALL", PLACES)), pairsOf(redis.call("ZRANGE", UNTIL, 0, -1, "WITHSCORES"))
for _, member in ipairs(redis.call("ZRANGE", WAITERS, 0, -1)) do
  local waiter = readWaiter(member)
  local p = waiter and waiter.p
  if not p or places[p .. "|" .. waiter.waiter] ~= member then
    find("waiter-without-place", member, "standing", "nothing")
    if repair then
      redis.call("ZREM", WAITERS, member)
    end
  else
    standing[member] = true
    know(p)
    queue[p], waiting = (queue[p] or 0) + 1, waiting + 1
    local deadline = tonumber(stays[member] or 0)
    if deadline == 0 or deadline > now + STAY then
      find(deadline == 0 and "waiter-without-deadline" or "deadline-too-late", member, int(deadline), int(now + STAY))
      if repair then
        redis.call("ZADD", UNTIL, int(now + STAY), member)
      end
    end
  end
end
local function removeOrphan(kind, subject, stored, ...)
  find(kind, subject, stored, "nothing")
  if repair then
    redis.call(...)
  end
end
for place, member in pairs(places) do
  if not standing[member] then
    removeOrphan("place-without-waiter", place, member, "HDEL", PLACES, place)
  end
end
for member in pairs(stays) do
  if not standing[member] then
    removeOrphan("deadline-without-waiter", member, "deadline", "ZREM", UNTIL, member)
  end
end

local function check(values, field, subject, right)
  if values[field] == right then
    return
  end
  find("count", subject, int(values[field]), int(right))
  values[field] = right
end
for p in each() do
  local its = of(p)
  -- Permit time is not counted by a wrong number any longer.
  if its.use ~= (use[p] or 0) then
    its.at = now
  end
  check(its, "use", "use:" .. p, use[p] or 0)
  check(its, "marked", "marked:" .. p, marked[p] or 0)
  check(its, "queue", "queue:" .. p, queue[p] or 0)
end
check(pool, "used", "used", used)
check(pool, "marked", "marked", asked)
check(pool, "waiting", "waiting", waiting)
if pool.fence < newest then
  check(pool, "fence", "fence", newest)
end
if pool.nextEnd > first then
  check(pool, "nextEnd", "nextEnd", first)
end
if pool.size > 0 then
  check(pool, "taken", "taken", math.max(0, math.min(pool.taken, pool.size - 1)))
end
if repair and count > 0 then
  -- By the right figures, more may be held than was thought.
  askBack()
  log("audit", "", "", 0, "-", "v", count, "a", actor)
  save()
end
return { int(now), used, waiting, findings, count }
