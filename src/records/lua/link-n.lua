--[[
  Adds records that are stored already to the index of links. A record whose index entry is not the one that was read
  is left alone and reported: its links may be others by now.
  KEYS[1..] of each record: its index bucket HASH, the HASHes of the index of links to add it to
  ARGV[1] number of records
  ARGV[2] frame, of each record: id, index entry read, number of links
  Returns the positions (from 0) of those left alone.
]]
--- @include "links.lua"
local keys, total, frame = KEYS, tonumber(ARGV[1]), ARGV[2]
local changed, pos, key = {}, 1, 1
for i = 1, total do
  local id, base, links
  id, base, links, pos = struct.unpack(">I4c0I4c0I2", frame, pos)
  if redis.call("HGET", keys[key], id) == base then
    for k = key + 1, key + links do
      add_link(keys[k], id)
    end
  else
    changed[#changed + 1] = i - 1
  end
  key = key + 1 + links
end
return changed
