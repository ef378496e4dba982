--[[
  Included by the scripts that mark what a run has seen, each id counted once. A mark is
  `<code><pass>:<fetch time>@<tag><twice>`:
    code   c created, u updated, n unchanged, d dead, a a bad record that an operator has accepted; m missing,
           f differing: what a run that only looks would create or update
    pass, fetch time   the newest pass and the newest fetch that saw the id. The fetch time makes an earlier fetch of
           the same run yield even where the later one found nothing to write.
    tag    which batch, and which of its copies of the id, saw the id first in that pass. Another tag in the same pass
           means that the upstream serves the id more than once; a retried batch has the same tag.
    twice  empty, or `+<pass><state>`: the newest pass in which the id was served more than once. state: `~` its copies
           differed, `=` they were equal, `r` they were equal as in an earlier pass
  mark_seen(id, existing, code, pass, fetched, tag, same)  same: the record is equal to what is stored
  write_seen(seen_key, run_key)  writes all marks and counters at the end
]]
local COUNTER = {
  c = "created", u = "updated", n = "unchanged", d = "dead", a = "accepted", m = "missing", f = "differing",
}
local STAYS = { c = true, u = true, m = true, f = true }
local delta = {}
local marks = {}

local function count(name, by)
  delta[name] = (delta[name] or 0) + by
end

local function fetch_of(mark)
  return string.match(mark, ":(%w*)")
end

local function tag_of(copy)
  return string.sub(redis.sha1hex(copy), 1, 6)
end

local twice_ids, twice_pass = {}, nil

-- Returns what the mark says of an id that is served once more in this pass.
local function served_again(id, pass, known, same)
  local known_pass, state = string.match(known, "^%+(%d+)(.)$")
  if known_pass == pass then
    if same or state == "~" then
      return known
    end
    if state == "r" then
      count("repeated:" .. pass, -1)
    end
    return "+" .. pass .. "~"
  end
  count("doubles:" .. pass, 1)
  twice_pass = pass
  twice_ids[#twice_ids + 1] = string.sub(id, 1, 100)
  if not same then
    return "+" .. pass .. "~"
  elseif state == "=" or state == "r" then
    count("repeated:" .. pass, 1)
    return "+" .. pass .. "r"
  end
  return "+" .. pass .. "="
end

-- A repeat of an attempt that was killed half-way finds its own records unchanged: c and u stay. Any good code replaces
-- dead, and dead or accepted replaces any good code.
local function mark_seen(id, existing, code, pass, fetched, tag, same)
  local twice = ""
  if not existing then
    count(COUNTER[code], 1)
    count("unique:" .. pass, 1)
  else
    local old_code, old_pass, old_fetched, old_tag
    old_code, old_pass, old_fetched, old_tag, twice = string.match(existing, "^(%a)(%d+):(%w*)@?(%w*)(.*)$")
    if pass == old_pass and old_tag ~= "" and old_tag ~= tag then
      local both_bad = (code == "d" or code == "a") and (old_code == "d" or old_code == "a")
      twice = served_again(id, pass, twice, same or both_bad)
    end
    if code ~= "d" and code ~= "a" and STAYS[old_code] then
      code = old_code
    end
    -- @safeguard counted-once
    if code ~= old_code then
      -- @safeguard counted-once-take-back
      count(COUNTER[old_code], -1)
      count(COUNTER[code], 1)
    end
    if tonumber(pass) > tonumber(old_pass) then
      count("unique:" .. pass, 1)
    else
      pass = old_pass
      tag = old_tag
    end
    if old_fetched > fetched then
      fetched = old_fetched
    end
  end
  local mark = code .. pass .. ":" .. fetched .. "@" .. tag .. twice
  if mark ~= existing then
    marks[#marks + 1] = id
    marks[#marks + 1] = mark
  end
end

local function write_seen(seen_key, run_key)
  if #marks > 0 then
    redis.call("HSET", seen_key, unpack(marks))
  end
  for name, by in pairs(delta) do
    if by ~= 0 then
      redis.call("HINCRBY", run_key, name, by)
    end
  end
  if #twice_ids > 0 then
    -- The first few, for the error that names them.
    local field = "doubleIds:" .. twice_pass
    local known = redis.call("HGET", run_key, field)
    if not known or #known < 400 then
      local named = table.concat(twice_ids, " ", 1, math.min(#twice_ids, 10))
      redis.call("HSET", run_key, field, known and known .. " " .. named or named)
    end
  end
end
