/**
 * A clock of its own for a server under test: libfaketime reads the offset from a file at every call, so a test steps the
 * clock of a running server. Only the wall clock: timers go on as they are.
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const places = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];

function findLibrary(): string | undefined {
  const folders = places.flatMap((place) => {
    if (!existsSync(place)) return [];
    return [place, ...readdirSync(place).map((name) => join(place, name))];
  });
  return folders.map((folder) => join(folder, "faketime/libfaketime.so.1")).find((file) => existsSync(file));
}

const library = findLibrary();

export const hasFakeClock = library !== undefined;

const fileIn = (dir: string): string => join(dir, "clock-offset");

export function setFakeClock(dir: string, offsetMs: number): void {
  const seconds = offsetMs / 1_000;
  // Renamed into place: the server must never read half of it.
  writeFileSync(`${fileIn(dir)}.next`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
  renameSync(`${fileIn(dir)}.next`, fileIn(dir));
}

export function fakeClockEnvironment(dir: string): NodeJS.ProcessEnv {
  if (library === undefined) throw new Error("libfaketime is not installed");
  if (!existsSync(fileIn(dir))) setFakeClock(dir, 0);
  return {
    // The C library's allocator behind it: jemalloc asks for the time before libfaketime is ready to answer.
    LD_PRELOAD: `${library}:libc.so.6`,
    FAKETIME_TIMESTAMP_FILE: fileIn(dir),
    FAKETIME_NO_CACHE: "1",
    DONT_FAKE_MONOTONIC: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
}
