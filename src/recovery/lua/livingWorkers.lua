--[[
  Included by scripts that read or renew the registrations of workers.

  clampRegistrations(workersKey, beatsKey, now, holds): a registration that holds longer than possible was made before
  Redis' clock went back. It holds once more, counted from now, and the worker's last heartbeat counts as now.
]]
local function clampRegistrations(workersKey, beatsKey, now, holds)
  local latest = now + holds
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", workersKey, "(" .. string.format("%.0f", latest), "+inf")) do
    redis.call("ZADD", workersKey, string.format("%.0f", latest), id)
    if tonumber(redis.call("HGET", beatsKey, id) or "0") > now then
      redis.call("HSET", beatsKey, id, string.format("%.0f", now))
    end
  end
end
