--[[
  Included by scripts that count a run's jobs. A bad record has a job of its own and is no batch: it is counted with
  the others, for what is outstanding, and once more beside them, as <field>Records. countBatch(runKey, batch key,
  "planned" or "done", how many)
]]
local function countBatch(runKey, key, field, many)
  redis.call("HINCRBY", runKey, field, many)
  if string.sub(key, 1, 4) == "bad/" then
    redis.call("HINCRBY", runKey, field .. "Records", many)
  end
end
