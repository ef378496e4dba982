--[[
  Included by scripts that take errors of a run back: what failed and is tried again is no error any more, nor one of
  those that were forgiven when a person last resumed. The base never exceeds what is there, or later errors would
  hide behind it.
]]
local function clampErrorBase(runKey)
  local r = redis.call("HMGET", runKey, "errorBaseErrors", "errorBaseProcessed", "dead", "deadSize", "created",
    "updated", "unchanged", "accepted")
  if not r[1] then
    return
  end
  local errors = tonumber(r[3] or "0") + tonumber(r[4] or "0")
  local processed = errors
  for i = 5, 8 do
    processed = processed + tonumber(r[i] or "0")
  end
  redis.call("HSET", runKey, "errorBaseErrors", math.min(tonumber(r[1]), errors), "errorBaseProcessed",
    math.min(tonumber(r[2] or "0"), processed))
end
