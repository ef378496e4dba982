--[[
  Included by the scripts of the macro machine, after transition.lua. The macro machine keeps
  what it knows about a provider in its own HASH, so that one script reads all of it:
    seen:<provider>     its state
    held:<provider>     1|0
    cursor:<provider>   id of the last event applied
    applied:<provider>  its version
    gaps                events that did not follow their predecessor

  followProviders(keys, request): moves the machine until it agrees with these fields. Returns the moves.
]]
--- @define macroMachine
--- @define providerSays
--- @define macroRules
local function look(machineKey)
  local flat = redis.call("HGETALL", machineKey)
  local sight = { active = false, held = false, state = macroMachine.initial }
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if name == "state" then
      sight.state = value
    elseif string.sub(name, 1, 5) == "held:" then
      sight.held = sight.held or value == "1"
    elseif string.sub(name, 1, 5) == "seen:" then
      sight.active = sight.active or (providerSays[value] ~= nil and providerSays[value].active)
    end
  end
  sight.well = not sight.held
  return sight
end

local function followProviders(keys, request)
  local moves = {}
  -- The caller's expectation was checked before; from here the table alone decides.
  request.expect, request.wait_ms = nil, nil
  while true do
    local sight = look(keys.machine)
    local rule = macroRules[sight.state]
    if not rule or not sight[rule.sees] then
      return moves
    end
    request.events = { rule.event }
    for _, move in ipairs(transition(keys, macroMachine, request).moves) do
      moves[#moves + 1] = move
    end
  end
end
