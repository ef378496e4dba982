--[[
  Records failed for good after an operator's resume, but had been received before it: they are forgiven with the
  others. Without such records: fewer have failed now, see errorBase.lua. Does nothing in a run that was never resumed.

  KEYS[1] run: HASH
  ARGV[1] records

  Returns 1.
]]
local runKey, records = KEYS[1], ARGV[1]
--- @include "errorBase.lua"

if redis.call("HEXISTS", runKey, "errorBaseErrors") == 1 then
  redis.call("HINCRBY", runKey, "errorBaseErrors", records)
  redis.call("HINCRBY", runKey, "errorBaseProcessed", records)
  clampErrorBase(runKey)
end
return 1
