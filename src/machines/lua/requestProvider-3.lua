--[[
  Applies one or more events to a provider's machine.

  KEYS[1]  machine HASH
  KEYS[2]  history STREAM
  KEYS[3]  outbox STREAM
  ARGV[1]  request JSON (transition.lua)

  Returns the reply of transition.lua, JSON.
]]
--- @define providerMachine
--- @include "transition.lua"
local machine, history, outbox = KEYS[1], KEYS[2], KEYS[3]
local request = cjson.decode(ARGV[1])

local keys = { machine = machine, history = history, outbox = outbox }
return transitionReply(keys, transition(keys, providerMachine, request))
