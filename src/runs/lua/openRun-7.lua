--[[
  Opens a run unless one is open. The plan was computed from a watermark; when that moved meanwhile,
  nothing happens and the caller plans again. The slices of a run that was prepared were staged before with an expiry,
  which ends here; nothing may have happened to the provider since they were.

  KEYS[1] open run: STRING
  KEYS[2] meta: HASH
  KEYS[3] runs: ZSET
  KEYS[4] run: HASH
  KEYS[5] batches: HASH
  KEYS[6] status: HASH
  KEYS[7] order: HASH
  ARGV[1] run id
  ARGV[2] watermark that the plan rests on; "" none
  ARGV[3] clock of the provider at which the run was prepared; "" it was not
  ARGV[4] how many arguments follow for the run
  ARGV[5..] field and value, of each field of the run; then the first batches: see addBatches.lua

  Returns {1, run id} opened; {0, id of the open run}; {2} the watermark or the clock moved.
]]
local args = ARGV
local openRunKey, metaKey, runsKey = KEYS[1], KEYS[2], KEYS[3]
local runKey, batchesKey, statusKey, orderKey = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local runId, watermark, clock, FIRST_FIELD, fieldCount = ARGV[1], ARGV[2], ARGV[3], 5, tonumber(ARGV[4])
--- @include "addBatches.lua"
--- @include "../../redis/lua/clock.lua"

local open = redis.call("GET", openRunKey)
if open then
  return { 0, open }
end
if (redis.call("HGET", metaKey, "watermark") or "") ~= watermark then
  return { 2 }
end
if clock ~= "" then
  -- @safeguard prepared-run-nothing-between
  if redis.call("HGET", metaKey, "clock") ~= clock then
    return { 2 }
  end
  local namesKey = runKey .. ":staged-names"
  for _, name in ipairs(redis.call("SMEMBERS", namesKey)) do
    redis.call("PERSIST", runKey .. ":staged:" .. name)
  end
  redis.call("PERSIST", namesKey)
end
for i = FIRST_FIELD, FIRST_FIELD + fieldCount - 1, 2 do
  redis.call("HSET", runKey, args[i], args[i + 1])
end
addBatches("1", FIRST_FIELD + fieldCount, #args)
local opened = string.format("%.0f", tick(metaKey))
redis.call("HSET", runKey, "opened", opened)
redis.call("SET", openRunKey, runId)
redis.call("ZADD", runsKey, opened, runId)
redis.call("HSET", metaKey, "lastRunId", runId)
return { 1, runId }
