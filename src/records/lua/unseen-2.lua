-- One page of the live ids that a pass of a run has not seen. Only they travel: usually none.
-- KEYS[1] index  KEYS[2] seen
-- ARGV[1] cursor of the index  ARGV[2] ids to look at, about  ARGV[3] pass
-- Returns { next cursor, { ids } }; an id may come twice
local scanned = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local entries, unseen = scanned[2], {}
local wanted = ARGV[3] .. ':'
-- A bounded number at a time: `unpack` fills a stack.
for from = 1, #entries, 2000 do
  local ids = {}
  for i = from, math.min(from + 1999, #entries), 2 do
    ids[#ids + 1] = entries[i]
  end
  local marks = redis.call('HMGET', KEYS[2], unpack(ids))
  for i = 1, #ids do
    -- A mark is `<code><pass>:<fetch time>`.
    if not marks[i] or string.sub(marks[i], 2, #wanted + 1) ~= wanted then
      unseen[#unseen + 1] = ids[i]
    end
  end
end
return { scanned[1], unseen }
