--[[
  Included by scripts that plan batches.
  Expects the locals args (ARGV), runKey, batchesKey, statusKey, orderKey.

  addBatches(pass, first, last): plans the batches of ARGV[first..last] that are not planned yet, in order, and counts
  them as outstanding. Three arguments a batch: its key, its JSON, and "1" when it takes a place in the plan's order.
  Returns how many were new; -4, with nothing planned, when the run would have more batches than it may.
]]
--- @include "countBatch.lua"
local MAX_BATCHES = 50000

local function exceedsPlan(first, last)
  local planned = tonumber(redis.call("HGET", runKey, "planned") or "0")
  if planned + (last - first + 1) / 3 <= MAX_BATCHES then
    return false
  end
  -- A batch that an earlier attempt planned counts once.
  for i = first, last, 3 do
    planned = planned + 1 - redis.call("HEXISTS", batchesKey, args[i])
  end
  return planned > MAX_BATCHES
end

local function addBatches(pass, first, last)
  -- @safeguard plan-cap-run
  if exceedsPlan(first, last) then
    return -4
  end
  local added = 0
  for i = first, last, 3 do
    local key, json, ordered = args[i], args[i + 1], args[i + 2]
    if redis.call("HSETNX", batchesKey, key, json) == 1 then
      redis.call("HSET", statusKey, key, "p1")
      if ordered == "1" then
        local ordinal = redis.call("HINCRBY", runKey, "ordinals:" .. pass, 1)
        redis.call("HSET", orderKey, pass .. ":" .. ordinal, key)
      end
      countBatch(runKey, key, "planned", 1)
      added = added + 1
    end
  end
  if added > 0 then
    redis.call("HINCRBY", runKey, "outstanding", added)
  end
  return added
end
