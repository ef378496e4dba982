--[[
  Included by scripts that settle a batch.
  clearRetry(runKey, batch key): forgets what noteRetry-1 wrote of it.
]]
local function clearRetry(runKey, batchKey)
  if redis.call("HDEL", runKey, "retry:" .. batchKey) == 1 then
    redis.call("HINCRBY", runKey, "retrying", -1)
  end
end
