--[[
  Applies a provider's transitions, read from its outbox after the cursor, to the macro machine. They are applied
  exactly once and in order, since cursor and effects change in one step and only from the cursor that was read.

  KEYS[1]   macro machine HASH
  KEYS[2]   history STREAM
  ARGV[1]   provider
  ARGV[2]   cursor that was read ("" = none)
  ARGV[3]   request JSON (transition.lua; actor, kind, kept)
  ARGV[4..] id, version, old state, new state, trigger, reason, … of the events, oldest first

  Returns the reply of transition.lua, JSON; {kind = "lost"} when another pod applied events meanwhile.
]]
--- @include "transition.lua"
--- @include "followProviders.lua"
local machine, history = KEYS[1], KEYS[2]
local provider, cursor, request, events = ARGV[1], ARGV[2], cjson.decode(ARGV[3]), { unpack(ARGV, 4) }

local keys = { machine = machine, history = history }
local cursorField, appliedField = "cursor:" .. provider, "applied:" .. provider
if (redis.call("HGET", keys.machine, cursorField) or "") ~= cursor then
  return transitionReply(keys, { kind = "lost" })
end
-- This write comes first, as in transition.lua.
redis.call("HDEL", keys.machine, "")
local moves = {}
for i = 1, #events, 6 do
  local id, version, old, new, trigger, reason = unpack(events, i, i + 5)
  local applied = tonumber(redis.call("HGET", keys.machine, appliedField) or "0")
  if tonumber(version) ~= applied + 1 then
    redis.call("HINCRBY", keys.machine, "gaps", 1)
  end
  redis.call("HSET", keys.machine, "seen:" .. provider, new, cursorField, id, appliedField, version)
  local says = providerSays[new]
  if says and says.held ~= "keeps" then
    redis.call("HSET", keys.machine, "held:" .. provider, says.held == "yes" and "1" or "0")
  end
  request.reason = provider .. ": " .. old .. " → " .. new .. (reason ~= "" and ", " .. reason or "")
  request.details = cjson.encode({ provider = provider, version = tonumber(version), trigger = trigger })
  for _, move in ipairs(followProviders(keys, request)) do
    moves[#moves + 1] = move
  end
end
return transitionReply(keys, { kind = #moves > 0 and "moved" or "unchanged", moves = moves })
