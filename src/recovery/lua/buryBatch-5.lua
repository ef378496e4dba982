--[[
  A batch gave up: marks it dead before its job goes to the failed set.
  KEYS[1] run HASH  KEYS[2] status HASH  KEYS[3] fences HASH  KEYS[4] results HASH  KEYS[5] checkpoints STREAM
  ARGV[1] batch key  ARGV[2] fence ("" by the reconciler, which saw the job failed)  ARGV[3] result JSON with the error
  ARGV[4] "record" for the job of one bad record, else "batch"  ARGV[5] urn or ""  ARGV[6] error code  ARGV[7] ISO time
  ARGV[8] run id  ARGV[9] checkpoints kept  ARGV[10] records that the batch was planned with
  Returns {outstanding}; {-1} run not open; {-2} superseded; {-3} not planned any more.
]]
--- @include "checkFence.lua"
if ARGV[2] ~= "" then
  local refused = checkFence(KEYS[1], KEYS[3], ARGV[1], ARGV[2], { open = true })
  if refused ~= 0 then
    return { refused }
  end
elseif redis.call("HGET", KEYS[1], "state") ~= "open" then
  return { -1 }
end
local status = redis.call("HGET", KEYS[2], ARGV[1])
if not status or string.sub(status, 1, 1) ~= "p" then
  return { -3 }
end
redis.call("HSET", KEYS[2], ARGV[1], "d" .. string.sub(status, 2))
redis.call("HSET", KEYS[4], ARGV[1], ARGV[3])
redis.call("HINCRBY", KEYS[1], "done", 1)
if ARGV[4] == "batch" then
  redis.call("HINCRBY", KEYS[1], "deadBatches", 1)
  redis.call("HINCRBY", KEYS[1], "deadSize", ARGV[10])
end
redis.call("XADD", KEYS[5], "MAXLEN", "~", ARGV[9], "*", "urn", ARGV[5], "run", ARGV[8], "batch", ARGV[1],
  "pass", redis.call("HGET", KEYS[1], "pass"), "records", "0", "at", ARGV[7], "ok", "0", "error", ARGV[6])
return { redis.call("HINCRBY", KEYS[1], "outstanding", -1) }
