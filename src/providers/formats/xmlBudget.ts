/**
 * What saxes itself would hold without bound: the token it is reading (text, attribute values and comments lie in one
 * place, names in others), the attributes of the tag that is open and the tags that are open. And the time in which it looks
 * a namespace up, which is a step an open tag.
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
/** Namespaces that are declared at one place. MITRE's catalogues have four. */
const NAMESPACES = 64;
const XML = "http://www.w3.org/XML/1998/namespace";

export class XmlBudget {
  readonly #innards: Innards;
  readonly #namespacesOf: Record<string, string>[] = [];
  #elements = 0;
  #tagAttributes = 0;
  /** Something of the tag or token that is open was let go: whatever it belongs to is not whole. */
  #cut = false;

  constructor(parser: SaxesParser<{ xmlns: true }>) {
    this.#innards = parser as unknown as Innards;
  }

  attribute(): void {
    if (++this.#tagAttributes <= TAG_ATTRIBUTES) return;
    this.#innards.attribList.length = 0;
    this.#cut = true;
  }

  /**
   * saxes looks a namespace up through all open tags; a tag that has its parent's from the start ends that at once. Its own
   * declarations come later and replace them. Throws PROV_BAD_XML.
   */
  inherit(namespaces: Record<string, string>): void {
    const parent = this.#namespacesOf.at(-1) ?? { xml: XML };
    this.#namespacesOf.push(namespaces);
    let count = 0;
    for (const prefix in parent) {
      if (++count > NAMESPACES) {
        throw new UeeError("PROV_BAD_XML", `The XML declares more than ${NAMESPACES} namespaces at once.`);
      }
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
    if (depth > deepest) {
      throw new UeeError("PROV_BAD_XML", `The XML is nested too deep: more than ${deepest} levels.`);
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
