--[[
  Closes the breaker on behalf of an operator, if its version is the expected one.

  KEYS[1]  breaker HASH
  KEYS[2]  transitions STREAM
  ARGV[1]  JSON {expect {version}, actor, reason?, kept}

  Returns JSON {kind (moved | unchanged | lost | refused), moves?, machine, now}
]]
--- @include "breaker.lua"
local keys = { machine = KEYS[1], history = KEYS[2] }
local asked = cjson.decode(ARGV[1])
asked.kind = "person"
local result = moveBreaker(keys, { "reset" }, asked)
if result.kind == "moved" then
  forgetFailures(keys)
  forgetProbe(keys)
end
return breakerReply(keys, result)
