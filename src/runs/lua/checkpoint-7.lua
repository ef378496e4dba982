--[[
  The checkpoint of a batch: every record of it is committed or accounted for. Marks the batch as committed, plans the
  batches that it discovered, and moves the run's checkpoint over the unbroken row of committed batches from the
  plan's start, never past a gap.

  KEYS[1] run: HASH
  KEYS[2] batches: HASH
  KEYS[3] status: HASH
  KEYS[4] order: HASH
  KEYS[5] fences: HASH
  KEYS[6] results: HASH
  KEYS[7] checkpoints: STREAM
  ARGV[1] batch key
  ARGV[2] fence
  ARGV[3] pass
  ARGV[4] result: JSON
  ARGV[5] urn of the last record; "" none
  ARGV[6] records: how many were committed
  ARGV[7] newest lastModified, ms; "" none
  ARGV[8] the same as it was received
  ARGV[9] time: ISO
  ARGV[10] run id
  ARGV[11] change key: JSON; "" none
  ARGV[12] checkpoints that are kept
  ARGV[13] listing of the batch; "" none
  ARGV[14] total of that listing
  ARGV[15] when the upstream was asked, µs; 0 when it was not
  ARGV[16..] the discovered batches: see addBatches.lua

  Returns {outstanding, new batches}; {-1} run not open; {-2} superseded; {-4} too many batches.
]]
local args = ARGV
local runKey, batchesKey, statusKey, orderKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fencesKey, resultsKey, checkpointsKey = KEYS[5], KEYS[6], KEYS[7]
local batchKey, fence, pass, result, urn, records = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local newestMs, newestText, time, runId = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local changeKey, checkpointsKept, listing, listingTotal = ARGV[11], ARGV[12], ARGV[13], ARGV[14]
local fetchedAt, FIRST_BATCH = ARGV[15], 16
--- @include "checkFence.lua"
--- @include "addBatches.lua"
--- @include "retries.lua"

local refused = checkFence(runKey, fencesKey, batchKey, fence, { open = true })
if refused ~= 0 then
  return { refused }
end
local status = redis.call("HGET", statusKey, batchKey)
local added = addBatches(pass, FIRST_BATCH, #args)
if added < 0 then
  return { added }
end
if string.sub(status, 1, 1) == "p" then
  redis.call("HSET", statusKey, batchKey, "c" .. string.sub(status, 2))
  redis.call("HINCRBY", runKey, "outstanding", -1)
  countBatch(runKey, batchKey, "done", 1)
end
if listing ~= "" and redis.call("HSETNX", runKey, "listing:" .. listing, listingTotal) == 1 then
  redis.call("HINCRBY", runKey, "expected:" .. pass, listingTotal)
end
redis.call("HSET", resultsKey, batchKey, result)
redis.call("HDEL", runKey .. ":work", batchKey)
redis.call("HDEL", runKey .. ":deaths", batchKey)
redis.call("HDEL", runKey, "waitingReason", "waitingUntil")
clearRetry(runKey, batchKey)
if newestMs ~= "" then
  local newest = redis.call("HGET", runKey, "newestMs")
  if not newest or tonumber(newestMs) > tonumber(newest) then
    redis.call("HSET", runKey, "newestMs", newestMs, "newest", newestText)
  end
end
if tonumber(fetchedAt) > tonumber(redis.call("HGET", runKey, "newestFetch") or "0") then
  redis.call("HSET", runKey, "newestFetch", fetchedAt)
end
if changeKey ~= "" then
  redis.call("HSET", runKey, "changeKey", changeKey)
end
if urn ~= "" then
  redis.call("XADD", checkpointsKey, "MAXLEN", "~", checkpointsKept, "*", "urn", urn, "run", runId, "batch", batchKey,
    "pass", pass, "records", records, "at", time, "ok", "1")
end
local prefix = tonumber(redis.call("HGET", runKey, "prefix:" .. pass) or "0")
local moved = false
while true do
  local key = redis.call("HGET", orderKey, pass .. ":" .. (prefix + 1))
  if not key then
    break
  end
  local state = redis.call("HGET", statusKey, key)
  if not state or string.sub(state, 1, 1) ~= "c" then
    break
  end
  prefix = prefix + 1
  moved = true
  local reached = cjson.decode(redis.call("HGET", resultsKey, key)).urn
  if type(reached) == "string" then
    redis.call("HSET", runKey, "checkpoint", reached)
  end
end
if moved then
  redis.call("HSET", runKey, "prefix:" .. pass, prefix)
end
return { tonumber(redis.call("HGET", runKey, "outstanding")), added }
