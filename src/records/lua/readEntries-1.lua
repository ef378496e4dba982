--[[
  Reads index entries.
  KEYS[1] index key prefix; the name of a bucket is this and its number
  ARGV[1] number of ids
  ARGV[2] frame, of each id: number of its bucket, id
  Returns the entry of each id, false where there is none.
]]
local prefix, total, frame = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local entries, pos = {}, 1
for i = 1, total do
  local bucket, id
  bucket, id, pos = struct.unpack(">I2I4c0", frame, pos)
  entries[i] = redis.call("HGET", prefix .. bucket, id)
end
return entries
