--[[
  Applies one or more events to the macro machine, then moves it to the state that its providers require.

  KEYS[1]  machine HASH
  KEYS[2]  history STREAM
  ARGV[1]  request JSON (transition.lua)

  Returns the reply of transition.lua, JSON.
]]
--- @include "transition.lua"
--- @include "followProviders.lua"
local keys = { machine = KEYS[1], history = KEYS[2] }
local request = cjson.decode(ARGV[1])
local result = transition(keys, macroMachine, request)
if result.kind == "moved" then
  for _, move in ipairs(followProviders(keys, request)) do
    result.moves[#result.moves + 1] = move
  end
end
return transitionReply(keys, result)
