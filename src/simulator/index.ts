/** Local stand-ins for every upstream, with faults on demand. See docs/simulator.md. */

export {
  allFaults,
  type FaultEntry,
  type FaultName,
  faultCatalog,
  faultNames,
  lastingFaults,
  stallingFaults,
  transientFaults,
} from "./faults/catalog.ts";
export { type FaultSpec, parseFault, parseFaults } from "./faults/spec.ts";
export { startSimulator } from "./simulator.ts";
export * from "./types.ts";
