--[[
  Included after upkeep.lua by the scripts that grant or free permits: the rules for waiters.

  Order: first come, first served within a provider; among providers:
  1. providers below the whole part of their share (size / providers that hold or wait) come first, fewest permits
  first;
  2. then providers below their share rounded up, least permit time (`pass`) first: a stride whose step is the time
  really held, so that slow and fast holders get the same;
  3. then all others, fewest permits first.
  No provider's permit time counts for more than one longest hold above the lowest of the waiting providers, so that
  past credit starves no provider.
]]
--- Permits that one call deals at most.
local STEPS = 256
local WAKE = base .. "wake"

--- The k-th waiter of a provider, from 0.
local function waiterAt(p, k)
  local found = redis.call("ZRANGEBYLEX", WAITERS, "[" .. p .. "|", "(" .. p .. "}", "LIMIT", k, 1)
  return found[1] and readWaiter(found[1])
end

--- A provider that held and wanted nothing begins at the least permit time of the others, however long it was away.
local function awake(p)
  if of(p).use > 0 or of(p).queue > 0 or (pool.used == 0 and pool.waiting == 0) then
    return
  end
  local least = math.huge
  for other in each() do
    if of(other).use > 0 or of(other).queue > 0 then
      least = math.min(least, passOf(other))
    end
  end
  if least < math.huge and least > passOf(p) then
    of(p).pass, of(p).at = least, now
  end
end

local function better(a, b)
  if a.class ~= b.class then
    return a.class < b.class
  end
  if a.class ~= 2 and a.use ~= b.use then
    return a.use < b.use
  end
  if a.pass ~= b.pass then
    return a.pass < b.pass
  end
  return a.p < b.p
end

local function classOf(c, share)
  if c.use < math.floor(share) then
    return 1
  end
  return c.use < math.ceil(share) and 2 or 3
end

--- The providers with waiters as {p, use, pass, next, head}, and the permits that are each busy provider's share.
local function contenders()
  local found, busy, longest, least = {}, 0, 0, math.huge
  for p in each() do
    local its = of(p)
    if its.use > 0 or its.queue > 0 then
      busy, longest = busy + 1, math.max(longest, its.hold)
    end
    if its.queue > 0 then
      found[#found + 1] = { p = p, use = its.use, pass = passOf(p), next = 0 }
      least = math.min(least, passOf(p))
    end
  end
  for _, c in ipairs(found) do
    if c.pass > least + longest then
      c.pass = least + longest
      of(c.p).pass, of(c.p).at = c.pass, now
    end
  end
  return found, effective() / math.max(1, busy)
end

--- Deals `free` permits to the waiters in their order, one each. Returns those that get one, in that order.
local function allot(free)
  local order = {}
  local found, share = contenders()
  for _ = 1, math.min(free, STEPS) do
    local best
    for _, c in ipairs(found) do
      if not c.head and not c.done then
        c.head = waiterAt(c.p, c.next)
        c.done = not c.head
      end
      c.class = classOf(c, share)
      if c.head and (not best or better(c, best)) then
        best = c
      end
    end
    if not best then
      break
    end
    order[#order + 1] = best.head
    best.use, best.head, best.next = best.use + 1, nil, best.next + 1
  end
  return order
end

--- Tells those whose turn it is now that it is worth asking; only a hint.
local function hint()
  local free = effective() - pool.used
  if pool.waiting <= 0 or free <= 0 or pool.holdUntil > now then
    return
  end
  local order = allot(free)
  if #order == 0 then
    return
  end
  pool.wake = pool.wake + 1
  local fields = {}
  for i = 1, math.min(#order, 32) do
    fields[#fields + 1] = "w"
    fields[#fields + 1] = order[i].p .. "|" .. order[i].waiter
  end
  local added = redis.pcall("XADD", WAKE, "MAXLEN", "~", 128, int(pool.wake) .. "-0", unpack(fields))
  -- The pool was deleted and its hints were not: begin again, rather than fail what is done here.
  if type(added) == "table" and added.err then
    redis.call("DEL", WAKE)
  end
end

--- Gives or keeps a waiter's place; coming again keeps it. Returns its member of `waiters`.
local function stand(p, waiter)
  local place = p .. "|" .. waiter
  local member = redis.call("HGET", PLACES, place)
  if not member then
    awake(p)
    pool.seq = pool.seq + 1
    of(p).queue, pool.waiting = of(p).queue + 1, pool.waiting + 1
    member = table.concat({ p, string.format("%016.0f", pool.seq), "1", "1", int(now), waiter }, "|")
    redis.call("ZADD", WAITERS, 0, member)
    redis.call("HSET", PLACES, place, member)
  end
  redis.call("ZADD", UNTIL, int(now + STAY), member)
  return member
end

--- Is it this waiter's turn, with so many permits free?
local function isTurn(member, free)
  for _, waiter in ipairs(allot(free)) do
    if waiter.member == member then
      return true
    end
  end
  return false
end
