--[[
  Stands for a script that does other work and moves the provider's machine in the same step; refused together or done
  together.
  KEYS[1] machine HASH  KEYS[2] history STREAM  KEYS[3] outbox STREAM  KEYS[4] a STRING that stands for the work
  ARGV[1] request JSON
  Returns the reply of transition.lua, JSON.
]]
--- @define providerMachine
--- @include "../../../../src/machines/lua/transition.lua"
local keys = { machine = KEYS[1], history = KEYS[2], outbox = KEYS[3] }
local result = transition(keys, providerMachine, cjson.decode(ARGV[1]))
if result.kind ~= "refused" then
  redis.call("INCR", KEYS[4])
end
return transitionReply(keys, result)
