--[[
Counts everything anew and compares: sum of the leases' weights = used = sum of the providers' use; what is asked back
likewise; every lease has facts and a deadline that a lease can have; every waiter its place and deadline. Not bounded by 64:
it reads every lease and waiter, once an hour or when a person asks.

KEYS    as in pool.lua
ARGV[1] log length  [2] first size  [3] 1 = repair  [4] µs of a lease's life  [5] µs for which a waiter's place is kept
ARGV[6] actor

Returns {now, leases seen, waiters seen, {kind, subject, stored, right, …} findings, the first 100, their number}
]]
--- @include "pool.lua"
--- @include "marks.lua"
local repair, life, stay = ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[5])
local findings, count = {}, 0
local function find(kind, subject, stored, right)
  count = count + 1
  if count > 100 then return end
  for _, value in ipairs({kind, subject, tostring(stored), tostring(right)}) do findings[#findings + 1] = value end
end
local function pairsOf(list)
  local map = {}
  for i = 1, #list, 2 do map[list[i]] = list[i + 1] end
  return map
end

local owners, deadlines = pairsOf(redis.call('HGETALL', OWNERS)), pairsOf(redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES'))
local use, marked, used, asked, leases, newest = {}, {}, 0, 0, 0, 0
for lease in pairs(deadlines) do
  if not owners[lease] then
    find('lease-without-facts', lease, 'deadline', 'nothing')
    if repair then redis.call('ZREM', LEASES, lease) end
  end
end
for lease, facts in pairs(owners) do
  local held = readLease(facts)
  if not held or held.cut > held.weight then
    find('facts-unreadable', lease, facts, 'nothing')
    if repair then
      redis.call('HDEL', OWNERS, lease)
      redis.call('ZREM', LEASES, lease)
      log('repair', lease, '', 0)
    end
  else
    leases = leases + 1
    know(held.p)
    use[held.p] = (use[held.p] or 0) + held.weight
    marked[held.p] = (marked[held.p] or 0) + held.cut
    used, asked, newest = used + held.weight, asked + held.cut, math.max(newest, held.fence)
    local deadline = tonumber(deadlines[lease] or 0)
    if deadline == 0 or deadline > now + life then
      -- Its holder may live: it gets a whole life from now, and no more.
      find(deadline == 0 and 'lease-without-deadline' or 'deadline-too-late', lease, int(deadline), int(now + life))
      if repair then redis.call('ZADD', LEASES, int(now + life), lease) end
    end
  end
end

local queue, waiting = {}, 0
local places, stays = pairsOf(redis.call('HGETALL', PLACES)), pairsOf(redis.call('ZRANGE', UNTIL, 0, -1, 'WITHSCORES'))
local standing = {}
for _, member in ipairs(redis.call('ZRANGE', WAITERS, 0, -1)) do
  local p, waiter = string.match(member, '^([^|]+)|%d+|%d+|%d+|%d+|(.*)$')
  if not p or places[p .. '|' .. waiter] ~= member then
    find('waiter-without-place', member, 'standing', 'nothing')
    if repair then redis.call('ZREM', WAITERS, member) end
  else
    standing[member] = true
    know(p)
    queue[p], waiting = (queue[p] or 0) + 1, waiting + 1
    local deadline = tonumber(stays[member] or 0)
    if deadline == 0 or deadline > now + stay then
      find(deadline == 0 and 'waiter-without-deadline' or 'deadline-too-late', member, int(deadline), int(now + stay))
      if repair then redis.call('ZADD', UNTIL, int(now + stay), member) end
    end
  end
end
for place, member in pairs(places) do
  if not standing[member] then
    find('place-without-waiter', place, member, 'nothing')
    if repair then redis.call('HDEL', PLACES, place) end
  end
end
for member in pairs(stays) do
  if not standing[member] then
    find('deadline-without-waiter', member, 'deadline', 'nothing')
    if repair then redis.call('ZREM', UNTIL, member) end
  end
end

local function check(field, right)
  if get(field) ~= right then
    find('count', field, text(field), int(right))
    if repair then set(field, right) end
  end
end
for p in string.gmatch(text('names'), '[^|]+') do
  preloadProvider(p)
  if repair and get('use:' .. p) ~= (use[p] or 0) then
    -- Its permit time is not counted by a wrong number any longer.
    set('at:' .. p, now)
  end
  check('use:' .. p, use[p] or 0)
  check('marked:' .. p, marked[p] or 0)
  check('queue:' .. p, queue[p] or 0)
end
check('used', used)
check('marked', asked)
check('waiting', waiting)
if get('fence') < newest then check('fence', newest) end
if text('size') ~= '' and (get('taken') < 0 or get('taken') >= get('size')) then
  check('taken', math.max(0, math.min(get('taken'), get('size') - 1)))
end
if repair and count > 0 then
  -- By the right figures, more may be held than was thought.
  askBack()
  log('audit', '', '', 0, 'v', count, 'a', ARGV[6])
  save()
end
return {int(now), leases, waiting, findings, count}
