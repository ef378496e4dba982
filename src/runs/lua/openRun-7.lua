--[[
  Opens a run unless one is open. The plan was computed from what ARGV says of the store; when that moved meanwhile,
  nothing happens and the caller plans anew.
  KEYS[1] open run STRING  KEYS[2] meta HASH  KEYS[3] runs ZSET  KEYS[4] run HASH  KEYS[5] batches HASH
  KEYS[6] status HASH  KEYS[7] order HASH
  ARGV[1] run id  ARGV[2] watermark the plan rests on ("" none)  ARGV[3] number of field values
  ARGV[4..] field, value, … of the run HASH; then key, JSON, ordered, … of the first batches
  Returns {1, run id} opened; {0, id of the open run}; {2} the watermark moved: plan anew.
]]
local runKey, batchesKey, statusKey, orderKey = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
--- @include "addBatches.lua"
--- @include "../../redis/lua/clock.lua"
local open = redis.call("GET", KEYS[1])
if open then
  return { 0, open }
end
if (redis.call("HGET", KEYS[2], "watermark") or "") ~= ARGV[2] then
  return { 2 }
end
local fields = tonumber(ARGV[3])
for i = 4, 3 + fields, 2 do
  redis.call("HSET", runKey, ARGV[i], ARGV[i + 1])
end
addBatches("1", 4 + fields, #ARGV)
local opened = string.format("%.0f", tick(KEYS[2]))
redis.call("HSET", runKey, "opened", opened)
redis.call("SET", KEYS[1], ARGV[1])
redis.call("ZADD", KEYS[3], opened, ARGV[1])
redis.call("HSET", KEYS[2], "lastRunId", ARGV[1])
return { 1, ARGV[1] }
