/** Local stand-ins for every upstream, with faults on demand. See docs/simulator.md. */

export {
  allFaults,
  type FaultName,
  faultCatalog,
  faultNames,
  stallingFaults,
  transientFaults,
} from "./faults/catalog.ts";
export { parseFault } from "./faults/spec.ts";
export { startSimulator } from "./simulator.ts";
export * from "./types.ts";
