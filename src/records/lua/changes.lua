--[[
  Included by the scripts that write records. The change feed is a stream whose ids `<seq>-0` are contiguous; the
  counter lives in meta and falls back on the stream itself.
  reserve_changes(changes_key, meta_key, n)  takes n numbers; returns the one before the first
  add_change(changes_key, seq, op, id, fields, at, run)
  trim_changes(changes_key, limit)  whole stream nodes only, and at most 10,000 entries a call: bounded time
  forget_change_key(meta_key)  the change key says that the store equals the edition it names: the first write of a run
    drops it, whatever the run's kind
]]
local function reserve_changes(changes_key, meta_key, n)
  if not redis.call("HGET", meta_key, "changeSeq") then
    local last = redis.call("XREVRANGE", changes_key, "+", "-", "COUNT", 1)[1]
    if last then
      redis.call("HSET", meta_key, "changeSeq", string.match(last[1], "^%d+"))
    end
  end
  return redis.call("HINCRBY", meta_key, "changeSeq", n) - n
end

local function add_change(changes_key, seq, op, id, fields, at, run)
  redis.call("XADD", changes_key, string.format("%.0f-0", seq), "o", op, "i", id, "f", fields, "t", at, "r", run)
end

local function forget_change_key(meta_key)
  redis.call("HDEL", meta_key, "changeKey")
end

local function trim_changes(changes_key, limit)
  redis.call("XTRIM", changes_key, "MAXLEN", "~", limit, "LIMIT", 10000)
end
