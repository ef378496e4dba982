import { useEffect, useRef, useState } from "preact/hooks";
import type { Overview } from "../../api/schemas.ts";
import type { Address } from "../state/address.ts";
import { address } from "../state/navigate.ts";
import { clock, type PageState, page } from "../state/page.ts";
import type { Store } from "../state/store.ts";

/** Renders again when the selected value changes. */
export function useStore<State, Picked>(store: Store<State>, pick: (state: State) => Picked): Picked {
  const [, render] = useState(0);
  const picked = pick(store.get());
  const latest = useRef({ pick, picked });
  latest.current = { pick, picked };
  useEffect(() => {
    const look = (): void => {
      const now = latest.current.pick(store.get());
      if (!Object.is(now, latest.current.picked)) render((times) => times + 1);
    };
    // The value may have changed between rendering and this effect.
    look();
    return store.subscribe(look);
  }, [store]);
  return picked;
}

export const usePage = <Picked>(pick: (state: PageState) => Picked): Picked => useStore(page, pick);

/** Changes when `pick` says something else of a source, which is the time to ask again; null while Redis is away. */
export const useVersion = (
  pick: (source: Overview["providers"][number]) => unknown,
  provider = "",
): string | null =>
  usePage(({ fleet: { overview, trouble } }) =>
    overview === null || trouble !== null
      ? null
      : overview.providers
          .filter((one) => provider === "" || one.provider === provider)
          .map(pick)
          .join(" "),
  );

export const useAddress = (): Address => useStore(address, (now) => now);

/** ms by the server's clock; renders every second. */
export const useNow = (): number => useStore(clock, (now) => now);

/** Changes every half minute; null while Redis is away. */
export function useHalfMinute(): number | null {
  const halfMinute = Math.floor(useNow() / 30_000);
  return usePage(({ fleet }) => fleet.trouble !== null) ? null : halfMinute;
}

/** Whether a media query holds; renders when that changes. */
export function useMedia(query: string): boolean {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = (): void => setHolds(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return holds;
}
