--[[
  Errors that came to light after a person's resume, of what had been received before it: they are forgiven with the others.
  Does nothing in a run that was never resumed.
  KEYS[1] run HASH; ARGV[1] records
  Returns 1.
]]
--- @include "errorBase.lua"
if redis.call("HEXISTS", KEYS[1], "errorBaseErrors") == 1 then
  redis.call("HINCRBY", KEYS[1], "errorBaseErrors", ARGV[1])
  redis.call("HINCRBY", KEYS[1], "errorBaseProcessed", ARGV[1])
  clampErrorBase(KEYS[1])
end
return 1
