--[[
  The live ids of some index buckets that a pass of a run has not seen. Only they travel: usually none.
  KEYS[1] index key prefix; the name of a bucket is this and its number
  KEYS[2] seen HASH
  ARGV[1] first bucket
  ARGV[2] number of buckets
  ARGV[3] pass
  Returns the ids.
]]
local prefix, seen_key = KEYS[1], KEYS[2]
local first, count, pass = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local wanted, unseen = pass .. ":", {}
for bucket = first, first + count - 1 do
  local ids = redis.call("HKEYS", prefix .. bucket)
  -- A bounded number at a time: `unpack` fills a stack.
  for from = 1, #ids, 1000 do
    local till = math.min(from + 999, #ids)
    local marks = redis.call("HMGET", seen_key, unpack(ids, from, till))
    for i = from, till do
      -- A mark is `<code><pass>:<fetch time>`.
      local mark = marks[i - from + 1]
      if not mark or string.sub(mark, 2, #wanted + 1) ~= wanted then
        unseen[#unseen + 1] = ids[i]
      end
    end
  end
end
return unseen
