/** What comes out of the library is a UeeError, also where Redis, or a client that was closed, is the cause. */
import { mapRedisError } from "../redis/errors.ts";

/** The same methods, groups of methods and values; every method rejects with a UeeError only, and once closed with that. */
export function clearErrors<Surface extends object>(surface: Surface, closed: AbortSignal): Surface {
  const clear = (value: unknown): unknown => {
    if (typeof value === "function") {
      return (...given: unknown[]) => {
        if (closed.aborted) return Promise.reject(closed.reason);
        try {
          const result = (value as (...given: unknown[]) => unknown)(...given);
          if (!(result instanceof Promise)) return result;
          return result.catch((error: unknown) => Promise.reject(clearly(error, closed)));
        } catch (error) {
          return Promise.reject(clearly(error, closed));
        }
      };
    }
    return isGroup(value)
      ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, clear(member)]))
      : value;
  };
  return clear(surface) as Surface;
}

const isGroup = (value: unknown): value is object =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** The same for what is gone through. */
export async function* clearIterable<Item>(
  open: () => AsyncIterable<Item>,
  closed: AbortSignal,
): AsyncGenerator<Item, void, undefined> {
  if (closed.aborted) throw closed.reason;
  try {
    yield* open();
  } catch (error) {
    throw clearly(error, closed);
  }
}

const clearly = (error: unknown, closed: AbortSignal): unknown =>
  closed.aborted ? closed.reason : mapRedisError(error);
