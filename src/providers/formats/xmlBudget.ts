/**
 * What saxes itself would hold without bound: the token it is reading (text, attribute values and comments lie in one
 * place, names in others), the attributes of the tag that is open, the tags that are open, and the work of looking up
 * their namespaces, which costs a step an open tag.
 */
import type { SaxesParser } from "saxes";
import { bounds } from "../../core/bounds.ts";
import { UeeError } from "../../core/errors.ts";

/** Fields of saxes 6 that its types keep private. */
interface Innards {
  text: string;
  name: string;
  piTarget: string;
  entity: string;
  attribList: unknown[];
}

/** Attributes of one tag that are held; a record with more fields is refused anyway. */
const TAG_ATTRIBUTES = 10_000;
const NAMESPACES = 1_000;
/** Namespaces of a tag that its children are given to begin with. */
const INHERITED = 8;
/** Steps of looking up namespaces: seconds. */
const MOST_WORK = 20_000_000;

export class XmlBudget {
  readonly #innards: Innards;
  readonly #namespacesOf: Record<string, string>[] = [];
  #elements = 0;
  #namespaces = 0;
  #work = 0;
  #tagAttributes = 0;
  /** Something of the tag or token that is open was let go: whatever it belongs to is not whole. */
  #cut = false;

  constructor(parser: SaxesParser<{ xmlns: true }>) {
    this.#innards = parser as unknown as Innards;
  }

  attribute(name: string, depth: number): void {
    if (name.includes(":")) this.#work += depth;
    if (name.startsWith("xmlns") && ++this.#namespaces > NAMESPACES) {
      throw new UeeError("PROV_BAD_XML", `The XML declares more than ${NAMESPACES} namespaces.`);
    }
    if (++this.#tagAttributes <= TAG_ATTRIBUTES) return;
    this.#innards.attribList.length = 0;
    this.#cut = true;
  }

  /**
   * saxes looks a namespace up through all open tags; a tag that has its parent's from the start ends that at once. Its own
   * declarations come later and replace them.
   */
  inherit(namespaces: Record<string, string>): void {
    const parent = this.#namespacesOf.at(-1);
    this.#namespacesOf.push(namespaces);
    if (!parent) return;
    let count = 0;
    for (const prefix in parent) {
      if (++count > INHERITED) break;
      namespaces[prefix] = parent[prefix]!;
    }
  }

  closeTag(): void {
    this.#namespacesOf.pop();
  }

  /** A tag is open; true when something of it was let go. Throws PROV_BAD_XML, PROV_BODY_TOO_LARGE. */
  openTag(depth: number): boolean {
    const { elements, depth: deepest } = bounds.xml;
    if (++this.#elements > elements) {
      throw new UeeError("PROV_BODY_TOO_LARGE", `The XML has more than ${elements} elements.`);
    }
    if (depth > deepest || this.#work > MOST_WORK) {
      throw new UeeError(
        "PROV_BAD_XML",
        `The XML is nested too deep: more than ${deepest} levels, or too much at great depth.`,
      );
    }
    this.#tagAttributes = 0;
    return this.tokenEnds();
  }

  /** True when something of the token that ends was let go. */
  tokenEnds(): boolean {
    const cut = this.#cut;
    this.#cut = false;
    return cut;
  }

  /** After each piece. `unwanted`: the text that is being read belongs to nothing that is kept. */
  check(unwanted: boolean): void {
    const innards = this.#innards;
    const { tokenLength } = bounds.xml;
    if (Math.max(innards.name.length, innards.piTarget.length, innards.entity.length) > NAME_LENGTH) {
      throw new UeeError("PROV_BAD_XML", `A name in the XML has more than ${NAME_LENGTH} characters.`);
    }
    if (innards.text.length > tokenLength || (unwanted && innards.text.length > NAME_LENGTH)) {
      innards.text = "";
      this.#cut = true;
    }
  }
}

const NAME_LENGTH = 64 * 1024;
