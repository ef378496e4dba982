import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** A process, distinguished from every other one that runs or ran on any machine. */
export interface ProcessIdentity {
  /** Boot id of its kernel. */
  boot: string;
  /** The process namespace in which `pid` counts. */
  namespace: string;
  pid: number;
  /** Its start time in the system's notation; only compared. */
  start: string;
}

/** Undefined when the system does not say (a sandbox without /proc): then it equals no other. */
export const bootId: string | undefined = readBootId();

export const namespace = readNamespace();

/** /proc may belong to an outer process namespace; its numbers do not apply then. */
const procIsOurs = linkOf("/proc/self") === String(process.pid);

/** Undefined when no such process runs. */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = processStart(pid);
  return start === undefined ? undefined : { boot: bootId ?? "", namespace, pid, start };
}

/** Whether this process can see it and send it signals. */
const isLocal = (identity: ProcessIdentity): boolean =>
  identity.boot === (bootId ?? "") && identity.namespace === namespace;

/** Whether exactly this process still runs. A process of another namespace or machine cannot be seen: false. */
export const isRunning = (identity: ProcessIdentity): boolean =>
  isLocal(identity) && processStart(identity.pid) === identity.start;

/** Undefined when there is no such process, or only its zombie. */
export function processStart(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (process.platform !== "linux") return startFromPs(pid);
  return procIsOurs ? startFromProc(pid) : startUnknown(pid);
}

function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may contain any character, so fields are counted from its end: state is the 3rd, start
    // the 22nd.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function startUnknown(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return "unknown";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" ? "unknown" : undefined;
  }
}

function startFromPs(pid: number): string | undefined {
  try {
    const line = execFileSync("ps", ["-o", "state=,lstart=", "-p", String(pid)], { encoding: "utf8" }).trim();
    return line === "" || line.startsWith("Z") ? undefined : line.replace(/^\S+\s+/, "");
  } catch {
    return undefined;
  }
}

function readBootId(): string | undefined {
  try {
    const id =
      process.platform === "linux"
        ? readFileSync("/proc/sys/kernel/random/boot_id", "utf8")
        : execFileSync("sysctl", ["-n", "kern.bootsessionuuid"], {
            encoding: "utf8",
            stdio: ["ignore", "pipe", "ignore"],
          });
    return id.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Other systems than Linux have one for all. */
function readNamespace(): string {
  if (process.platform !== "linux") return process.platform;
  return linkOf("/proc/self/ns/pid") ?? "unknown";
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
