--[[
  Included by the scripts that read or renew the words of workers.
  clampWords(workersKey, beatsKey, now, holds): a word that holds longer than a worker's word can was given before Redis'
  clock went back: it holds once more, counted from now, and the worker's last heartbeat counts as now.
]]
local function clampWords(workersKey, beatsKey, now, holds)
  local latest = now + holds
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", workersKey, "(" .. string.format("%.0f", latest), "+inf")) do
    redis.call("ZADD", workersKey, string.format("%.0f", latest), id)
    if tonumber(redis.call("HGET", beatsKey, id) or "0") > now then
      redis.call("HSET", beatsKey, id, string.format("%.0f", now))
    end
  end
end
