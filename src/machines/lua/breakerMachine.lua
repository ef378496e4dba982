--[[
  Generated from src/machines/breakerMachine.ts by `npm run docs`. Do not edit.
  Defines breakerMachine, for breakers/lua/breaker.lua.
]]
local breakerMachine = {
  name = "breaker",
  initial = "closed",
  table = {
    closed = {
      trip = { to = "open" },
      reset = { stays = "keeps" },
    },
    open = {
      probe_begins = { to = "half_open", guard = "until" },
      reset = { to = "closed", by = "person" },
    },
    half_open = {
      probe_succeeded = { to = "closed" },
      probe_failed = { to = "open" },
      probe_void = { to = "open" },
      prober_lost = { to = "open" },
      reset = { to = "closed", by = "person" },
    },
  },
}
