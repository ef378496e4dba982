/** The vocabulary of generated prose. Small on purpose: real feeds repeat themselves just as much. */
import type { Random } from "./random.ts";

const list = (text: string): readonly string[] => text.split("|");

export const vendors = list(
  "acme|northwind|contoso|initech|globex|umbra|hooli|vandelay|stark|wayne|tyrell|cyberdyne|soylent|wonka|oscorp|aperture|" +
    "blackmesa|massive-dynamic|gringotts|monsters",
);
export const products = list(
  "gateway|mail_server|router_os|cms|image_library|pdf_reader|vpn_client|scheduler|browser|database|kernel|hypervisor|" +
    "ticket_system|forum|theme_pack|calendar|player|firmware|agent",
);
const flaws = list(
  "A buffer overflow|An SQL injection|Cross-site scripting|A use-after-free|An out-of-bounds read|Improper access control|" +
    "A race condition|Path traversal|Deserialization of untrusted data|An integer overflow|A hard-coded credential|" +
    "Missing authorization|Server-side request forgery",
);
const results = list(
  "execute arbitrary code|cause a denial of service|read sensitive files|bypass authentication|escalate privileges|" +
    "inject arbitrary web script|corrupt memory|obtain session tokens|write outside the intended directory|" +
    "impersonate another user",
);
const spanishResults = list(
  "ejecutar código de su elección|provocar una denegación de servicio|leer ficheros sensibles|evitar la autenticación|" +
    "escalar privilegios|inyectar secuencias de comandos web",
);
const endings = list(
  "via a crafted request.|via an unspecified vector.|when parsing malformed headers.|via the 'id' parameter.|" +
    "because input is not validated before use.|as demonstrated by a long file name.|" +
    "NOTE: the vendor disputes the severity of this issue.|related to the handling of temporary files.|" +
    "aka Bug ID 48151623.|a different vulnerability than the one fixed in the previous release.",
);
const clauses = list(
  "The issue is present in the default configuration|No user interaction is required|" +
    "Exploitation requires network access to the management interface|The fix validates the length of the field|" +
    "Earlier releases are believed to be affected as well|A proof of concept has been published|" +
    "Administrators are advised to restrict access until an update is applied",
);
const attackers = list("remote|local|adjacent|authenticated");

export function sentence(random: Random): string {
  const version = `${random.int(0, 19)}.${random.int(0, 30)}.${random.int(0, 99)}`;
  return (
    `${random.pick(flaws)} in ${random.pick(vendors)} ${random.pick(products)} before ${version} ` +
    `allows ${random.pick(attackers)} attackers to ${random.pick(results)} ${random.pick(endings)}`
  );
}

const repeat = (times: number, make: () => string): string => Array.from({ length: times }, make).join("");

export const paragraph = (random: Random, extra: number): string =>
  sentence(random) +
  repeat(extra, () => ` ${random.pick(clauses)} (${random.pick(vendors)}-${random.int(100, 9999)}).`);

export const spanishParagraph = (random: Random, extra: number): string =>
  `Una vulnerabilidad en ${random.pick(vendors)} ${random.pick(products)} anterior a ${random.int(1, 19)}.${random.int(0, 30)} ` +
  `permite a atacantes remotos ${random.pick(spanishResults)} mediante una petición manipulada.` +
  repeat(extra, () => ` Según el análisis, la versión ${random.int(1, 40)} también está afectada.`);
