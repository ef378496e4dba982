import { expect, test } from "@jest/globals";
import { Texts } from "../../../src/outlets/nvd/packed.ts";

test("texts that are replaced until they are compacted are found by their last words alone", () => {
  const texts = new Texts();
  const filler = "lorem ipsum ".repeat(20_000);
  const last = new Map<number, string>();
  for (let round = 0; round < 12; round++) {
    // A text stays, a text goes, the others are replaced.
    for (let ordinal = round === 0 ? 0 : 1; ordinal < 20; ordinal++) {
      const word = ordinal === 2 && round > 3 ? "" : `word${ordinal}round${round}`;
      texts.set(ordinal, word === "" ? "" : `${word} ${filler}`);
      last.set(ordinal, word);
    }
  }
  for (const [ordinal, word] of last) {
    if (word !== "") expect([...texts.search([word], true)]).toEqual([ordinal]);
  }
  expect(texts.search(["lorem"], true).size).toBe(19);
  expect([...texts.search(["word5round3"], false)]).toEqual([]);
});
