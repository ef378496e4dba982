--[[
  Moves records from the layout of schema version 1 to this one. A record whose old entry is not the one that was
  read, or that is there in the new layout, is left alone: another process moved it. Nothing is told to the change
  feed.
  KEYS[1] meta HASH
  KEYS[2] index HASH of version 1
  KEYS[3] changed ZSET of version 1
  KEYS[4..] of each record: its record HASH of version 1, its index bucket HASH, its content LIST
  ARGV[1] number of records
  ARGV[2] frame, of each record: id, old entry, new entry with its times, content element ("" inline)
  Returns how many were moved.
]]
local META, OLD_INDEX, OLD_CHANGED, keys = KEYS[1], KEYS[2], KEYS[3], KEYS
local total, frame = tonumber(ARGV[1]), ARGV[2]
local moved, pos, key = 0, 1, 4
for i = 1, total do
  local id, old_entry, entry, content
  id, old_entry, entry, content, pos = struct.unpack(">I4c0I4c0I4c0I4c0", frame, pos)
  local old_record, bucket, record = keys[key], keys[key + 1], keys[key + 2]
  key = key + 3
  if redis.call("HGET", OLD_INDEX, id) == old_entry and redis.call("HEXISTS", bucket, id) == 0 then
    redis.call("UNLINK", record)
    if content ~= "" then
      redis.call("RPUSH", record, content)
    end
    redis.call("HSET", bucket, id, entry)
    redis.call("HDEL", OLD_INDEX, id)
    redis.call("ZREM", OLD_CHANGED, id)
    redis.call("UNLINK", old_record)
    moved = moved + 1
  end
end
if moved > 0 then
  redis.call("HINCRBY", META, "live", moved)
end
return moved
