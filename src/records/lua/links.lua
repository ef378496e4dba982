--[[
  Included by the scripts that keep the index of links (src/records/links.ts): a HASH of each named record that holds
  the ids of the records which name it. A field is such an id without its last three bytes, its value those three
  bytes of each id, one after the other; a shorter id is filled up with zero bytes. Adding or taking away twice is the
  same as once.
  add_link(key, id)
  remove_link(key, id)
]]
local function split_id(id)
  local rest = string.sub(id, -3)
  return string.sub(id, 1, -4), rest .. string.rep("\0", 3 - #rest)
end

local function place_of(rest, known)
  local at = string.find(known, rest, 1, true)
  while at and at % 3 ~= 1 do
    at = string.find(known, rest, at + 1, true)
  end
  return at
end

local function add_link(key, id)
  local group, rest = split_id(id)
  local known = redis.call("HGET", key, group)
  if not known then
    redis.call("HSET", key, group, rest)
  elseif not place_of(rest, known) then
    redis.call("HSET", key, group, known .. rest)
  end
end

local function remove_link(key, id)
  local group, rest = split_id(id)
  local known = redis.call("HGET", key, group)
  local at = known and place_of(rest, known)
  if not at then
    return
  end
  if #known == 3 then
    redis.call("HDEL", key, group)
  else
    redis.call("HSET", key, group, string.sub(known, 1, at - 1) .. string.sub(known, at + 3))
  end
end
