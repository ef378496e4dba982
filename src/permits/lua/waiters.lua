--[[
Included after pool.lua by the scripts that grant or free permits: whose turn it is. First come, first served inside a
provider; among providers:
  1. who has less than the whole part of its share (size x weight / weights of all that hold or wait) goes first, the
     least of its weight first;
  2. then who has less than its share rounded up, the least permit time (`pass`) first: a stride whose step is the time
     really held, so that slow and quick holders get the same;
  3. then anybody, the least of its weight first.
A provider at its cap, and one whose first waiter insists on more than is free, is passed over. No provider's permit time
counts for more than one longest hold above the least of those that wait, so that no credit of the past starves anybody.
]]
local STEPS = 256

--- The k-th waiter of a provider, from 0.
local function waiterAt(p, k)
  local found = redis.call('ZRANGEBYLEX', WAITERS, '[' .. p .. '|', '(' .. p .. '}', 'LIMIT', k, 1)
  return found[1] and readWaiter(found[1])
end

--- A provider that held and wanted nothing begins at the least permit time of the others, however long it was away.
local function awake(p)
  if of(p).use > 0 or of(p).queue > 0 or (pool.used == 0 and pool.waiting == 0) then return end
  local least = math.huge
  for other in each() do
    if of(other).use > 0 or of(other).queue > 0 then least = math.min(least, passOf(other)) end
  end
  if least < math.huge and least > passOf(p) then setPass(p, least) end
end

local function better(a, b)
  if a.class ~= b.class then return a.class < b.class end
  if a.class ~= 2 and a.use / a.weight ~= b.use / b.weight then return a.use / a.weight < b.use / b.weight end
  if a.pass ~= b.pass then return a.pass < b.pass end
  return a.p < b.p
end

local function classOf(c, share)
  local mine = share * c.weight
  if c.use < math.floor(mine) then return 1 end
  return c.use < math.ceil(mine) and 2 or 3
end

--- Those with waiters as {p, use, weight, pass, room, head, queue}, and permits per unit of weight.
local function contenders()
  local found, weights, longest = {}, 0, 0
  for p in each() do
    local its = of(p)
    if its.use > 0 or its.queue > 0 then
      weights = weights + its.weight
      longest = math.max(longest, its.hold)
    end
    if its.queue > 0 then
      found[#found + 1] = {p = p, use = its.use, weight = its.weight, pass = passOf(p), room = its.cap - its.use, next = 0}
    end
  end
  local least = math.huge
  for _, c in ipairs(found) do
    if c.room > 0 then least = math.min(least, c.pass) end
  end
  for _, c in ipairs(found) do
    -- One at its cap earns no credit meanwhile.
    local bound = c.room > 0 and math.min(c.pass, least + longest) or math.max(c.pass, least)
    if bound < math.huge and bound ~= c.pass then
      c.pass = bound
      setPass(c.p, bound)
    end
  end
  return found, effective() / math.max(1, weights)
end

--- Deals `free` permits to the waiters in their order. Returns {member -> permits} and the members in that order.
local function allot(free)
  local dealt, order = {}, {}
  local found, share = contenders()
  for _ = 1, STEPS do
    if free <= 0 then break end
    local best
    for _, c in ipairs(found) do
      if c.room > 0 and not c.done then
        if not c.head then
          c.head = waiterAt(c.p, c.next)
          c.done = not c.head
        end
        c.class = classOf(c, share)
        local first = c.head and not dealt[c.head.member]
        if c.head and not (first and c.head.min > math.min(free, c.room)) and (not best or better(c, best)) then best = c end
      end
    end
    if not best then break end
    local member = best.head.member
    local step = dealt[member] and 1 or best.head.min
    if not dealt[member] then order[#order + 1] = member end
    dealt[member] = (dealt[member] or 0) + step
    free, best.use, best.room = free - step, best.use + step, best.room - step
    if dealt[member] >= best.head.want then
      best.head, best.next = nil, best.next + 1
    end
  end
  return dealt, order
end

--- Tells those whose turn it is now that it is worth asking; a hint, nobody relies on it.
local function hint()
  local free = effective() - pool.used
  if pool.waiting <= 0 or free <= 0 or pool.holdUntil > now then return end
  local _, order = allot(free)
  if #order == 0 then return end
  pool.wake = pool.wake + 1
  local fields = {}
  for i = 1, math.min(#order, 32) do
    local waiter = readWaiter(order[i])
    fields[#fields + 1] = 'w'
    fields[#fields + 1] = waiter.p .. '|' .. waiter.waiter
  end
  local added = redis.pcall('XADD', WAKE, 'MAXLEN', '~', 128, int(pool.wake) .. '-0', unpack(fields))
  -- Somebody deleted the pool and not its hints: begin anew, rather than fail what is done here.
  if type(added) == 'table' and added.err then redis.call('DEL', WAKE) end
end

--- Gives or keeps a waiter's place; coming again keeps it.
local function stand(p, waiter, want, min)
  local place = p .. '|' .. waiter
  local old = redis.call('HGET', PLACES, place)
  local seq, since
  if old then
    local was = readWaiter(old)
    seq, since = was.seq, was.since
  else
    awake(p)
    pool.seq = pool.seq + 1
    seq, since = string.format('%016.0f', pool.seq), int(now)
    of(p).queue, pool.waiting = of(p).queue + 1, pool.waiting + 1
  end
  local member = table.concat({p, seq, int(want), int(min), since, waiter}, '|')
  if old ~= member then
    if old then
      redis.call('ZREM', WAITERS, old)
      redis.call('ZREM', UNTIL, old)
    end
    redis.call('ZADD', WAITERS, 0, member)
    redis.call('HSET', PLACES, place, member)
  end
  redis.call('ZADD', UNTIL, int(now + STAY), member)
  return member
end
