--[[
  Sets the store"s schema version where there is none or an older one that can be migrated, or tells which one it has.
  KEYS[1] fleet HASH
  ARGV[1] our version
  ARGV[2] the oldest version that can be migrated
  ARGV[3] 1 to write it, 0 to look only
  Returns the store"s version as a string; our own where there was none.
]]
local fleet = KEYS[1]
local ours, oldest, writes = ARGV[1], tonumber(ARGV[2]), ARGV[3] == "1"
local stored = redis.call("HGET", fleet, "schema")
local version = tonumber(stored or "")
local migrates = version and version >= oldest and version < tonumber(ours)
if stored and not migrates then
  return stored
end
if writes then
  redis.call("HSET", fleet, "schema", ours)
  return ours
end
return stored or ours
