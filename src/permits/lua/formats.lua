--[[
  Included by the scripts that read the pool's numbers: how they are packed, as doubles, which hold whole µs until the year
  2255. Packed, since every script of the pool reads and writes them all.
    size configured; taken of it by revocation; used: held; marked: asked back of that; waiting; seq of the last arrival;
    wake: last hint; fence: last given; lastGrantAt; holdUntil: no grants before; nextEnd: no lease ends before;
    clock: when a script changed the pool last
    a provider's: use: held; marked; cap, weight: of older versions, always none and 1; queue: its waiters; pass: permit time
    had, µs; at: pass is counted up to then; hold: its longest recent hold, µs
  The places never change: workers of this version and of older ones share one pool during an upgrade.
]]
local POOL_FORMAT, PROVIDER_FORMAT = "<dddddddddddd", "<dddddddd"
local NEVER = 9007199254740991

--- Straight from and to the packed text: a loop over the fields would cost several times as much, in every script.
local function unpackPool(packed)
  if not packed then
    return {
      size = 0, taken = 0, used = 0, marked = 0, waiting = 0, seq = 0, wake = 0, fence = 0, lastGrantAt = 0, holdUntil = 0,
      nextEnd = NEVER, clock = 0,
    }
  end
  -- Older versions pack no clock.
  local size, taken, used, marked, waiting, seq, wake, fence, lastGrantAt, holdUntil, nextEnd, clock =
    struct.unpack(POOL_FORMAT, #packed < 96 and packed .. struct.pack("<d", 0) or packed)
  return {
    size = size, taken = taken, used = used, marked = marked, waiting = waiting, seq = seq, wake = wake, fence = fence,
    lastGrantAt = lastGrantAt, holdUntil = holdUntil, nextEnd = nextEnd, clock = clock,
  }
end

local function packPool(p)
  return struct.pack(POOL_FORMAT, p.size, p.taken, p.used, p.marked, p.waiting, p.seq, p.wake, p.fence, p.lastGrantAt,
    p.holdUntil, p.nextEnd, p.clock)
end

local function unpackProvider(packed)
  if not packed then
    return { use = 0, marked = 0, queue = 0, pass = 0, at = 0, hold = 0 }
  end
  local use, marked, _, _, queue, pass, at, hold = struct.unpack(PROVIDER_FORMAT, packed)
  return { use = use, marked = marked, queue = queue, pass = pass, at = at, hold = hold }
end

local function packProvider(its)
  return struct.pack(PROVIDER_FORMAT, its.use, its.marked, math.huge, 1, its.queue, its.pass, its.at, its.hold)
end
