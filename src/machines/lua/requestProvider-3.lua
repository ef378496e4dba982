--[[
  Applies one or more events to a provider's machine.

  KEYS[1]  machine HASH
  KEYS[2]  history STREAM
  KEYS[3]  outbox STREAM
  ARGV[1]  request JSON (transition.lua)

  Returns the reply of transition.lua, JSON.
]]
--- @include "providerMachine.lua"
--- @include "transition.lua"
local keys = { machine = KEYS[1], history = KEYS[2], outbox = KEYS[3] }
return transitionReply(keys, transition(keys, providerMachine, cjson.decode(ARGV[1])))
