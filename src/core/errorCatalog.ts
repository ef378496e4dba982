/**
 * Every error UEE can show, by code. The code is the identity: match on it, never on the text.
 *
 * The class decides how a batch proceeds (see workers/outcome.ts).
 */
export const errorClasses = {
  throttle: "the upstream requested a wait: deferred, no attempt spent",
  overload: "the upstream is overloaded: deferred, no attempt spent",
  deferred: "a temporary condition of UEE itself: deferred, no attempt spent",
  transient: "may work next time: one of eight attempts is spent, with growing waits between them",
  corrupt: "the answer is damaged: one attempt spent, as with transient",
  configuration: "an operator must change a setting: the run fails at once",
  permanent: "no attempt can succeed: dead letter",
  refused: "the request cannot be fulfilled: nothing changes",
} as const;

export type ErrorClass = keyof typeof errorClasses;

export interface ErrorEntry {
  /** One sentence for the operator. */
  readonly message: string;
  /** What the operator can do about it. */
  readonly remedy: string;
  readonly class: ErrorClass;
}

/** Classes of errors that may go away without any action. */
const passing: ReadonlySet<ErrorClass> = new Set([
  "throttle",
  "overload",
  "deferred",
  "transient",
  "corrupt",
]);

export const retryable = (cls: ErrorClass): boolean => passing.has(cls);

const entry = (cls: ErrorClass, message: string, remedy: string): ErrorEntry => ({
  class: cls,
  message,
  remedy,
});

/**
 * Remedies are shown when UEE has given up or never began: under a failed run, a dead letter, a command that ended.
 * No remedy promises another attempt: `errorClasses` says how a batch handles a class, and an attempt in progress is
 * shown with its number and the time of the next (`retrying` of a run).
 */
const whenWell =
  "See what the address answers. When the upstream is well, run the provider again, or replay its dead letters: `uee dlq replay`.";

export const errorCatalog = {
  // SYS: this process, its machine, its configuration, its Redis
  SYS_CONFIG_INVALID: entry(
    "configuration",
    "The configuration is not valid.",
    "Correct the fields named; `uee config` shows every field with its origin.",
  ),
  SYS_USAGE: entry("configuration", "The command was used wrongly.", "See `uee help` for the usage."),
  SYS_REDIS_REQUIRED: entry(
    "configuration",
    "This command needs REDIS_URL.",
    "Set REDIS_URL, for example redis://localhost:6379, or use `uee up` for everything on one machine.",
  ),
  SYS_REDIS_UNREACHABLE: entry(
    "deferred",
    "Redis cannot be reached.",
    "Check REDIS_URL, the network and that the server runs.",
  ),
  SYS_REDIS_AUTH: entry(
    "configuration",
    "Redis refused the credentials or the permissions of the user.",
    "Check user and password in REDIS_URL and the ACL; docs/redis.md has a tested ACL line.",
  ),
  SYS_REDIS_UNFIT: entry(
    "configuration",
    "This Redis is not fit to hold the mirror.",
    "Change the setting named, or override the check with UEE_REDIS_CHECKS=off if you accept the risk.",
  ),
  SYS_REDIS_TROUBLE: entry(
    "deferred",
    "Redis refuses writes at present.",
    "Work goes on by itself when Redis is well; see its memory, disk and replication.",
  ),
  SYS_REDIS_MISSING: entry(
    "configuration",
    "No REDIS_URL is set and no redis-server is installed.",
    "Install it (`apt-get install redis-server`) or set REDIS_URL.",
  ),
  SYS_REDIS_LOCAL_FAILED: entry(
    "transient",
    "The local Redis server did not start.",
    "Read its log under UEE_DATA_DIR and free the disk, the memory or the socket that it names.",
  ),
  SYS_DATA_DIR: entry(
    "configuration",
    "The data directory cannot be used.",
    "Set UEE_DATA_DIR to a directory of this user that can be written and is on this machine, or set REDIS_URL.",
  ),
  SYS_NO_STORE: entry(
    "refused",
    "There is no local store yet.",
    "Run `uee run all --wait` first, or set REDIS_URL or UEE_DATA_DIR to where the store is.",
  ),
  SYS_SCHEMA_NEWER: entry(
    "configuration",
    "The store was written by a newer UEE.",
    "Upgrade this process; an older one never touches a newer layout.",
  ),
  STOR_MIGRATING: entry(
    "deferred",
    "The store moves to a new layout; runs wait until it is done.",
    "Nothing while the number of records falls. If workers of an older version are named, stop them.",
  ),
  SYS_FLEET_DISAGREES: entry(
    "configuration",
    "A live process of this fleet uses another rate, key or address for this upstream.",
    "Give every process the same settings, or stop the others first.",
  ),
  SYS_WEBHOOK_AWAY: entry(
    "transient",
    "The receiver of the webhook did not take a message.",
    "Check that the receiver is well and that this machine reaches it, through its proxy too; `uee webhook test` tries it.",
  ),
  SYS_WEBHOOK_REFUSED: entry(
    "configuration",
    "The receiver of the webhook refused a message.",
    "Check UEE_WEBHOOK_URL: the receiver may have revoked or moved it; `uee webhook test` tries it.",
  ),
  SYS_SHUTDOWN: entry(
    "deferred",
    "This process is shutting down.",
    "Ask another process, or this one when it is up again; batches go on in other workers.",
  ),
  SYS_CRASH_LOOP: entry(
    "refused",
    "A worker process died repeatedly and is no longer restarted.",
    "Its last log lines say why; correct the cause and start `uee up` again. The other workers continue meanwhile.",
  ),
  SYS_STOP_LATE: entry(
    "refused",
    "Some work did not stop within the stop deadline.",
    "Other workers continue the named work once its locks and leases expire; UEE_STOP_DEADLINE gives more time.",
  ),
  SYS_DISK: entry(
    "transient",
    "A file could not be read or written.",
    "Check the path, its rights and the disk.",
  ),
  SYS_DISK_FULL: entry("transient", "The disk is full.", "Free the disk that the message names."),
  SYS_FILE_MISSING: entry(
    "configuration",
    "A file or folder is not there.",
    "Check the path that the message names.",
  ),
  SYS_FILE_DENIED: entry(
    "configuration",
    "A file or folder may not be read or written.",
    "Check its owner and rights, and whether its file system is mounted read-only.",
  ),
  SYS_FILES_EXHAUSTED: entry(
    "transient",
    "Too many files are open.",
    "Raise the limit (`ulimit -n`, or LimitNOFILE of the service).",
  ),
  SYS_NETWORK: entry(
    "transient",
    "A connection of this process failed.",
    "Check network, DNS and proxy if it lasts: `uee doctor`.",
  ),
  SYS_MEMORY: entry(
    "transient",
    "This process is out of memory.",
    "Give it more, or lower UEE_INFLIGHT_BYTES and UEE_CONCURRENCY.",
  ),
  SYS_TIMEOUT: entry(
    "transient",
    "An operation took too long.",
    "Repeat it; if it lasts, see what is slow: `uee status`, `uee doctor`.",
  ),
  SYS_ABORTED: entry(
    "deferred",
    "The operation was cancelled.",
    "Repeat the request; the next worker continues a batch.",
  ),
  SYS_INTERRUPTED: entry("refused", "Interrupted.", "The same command continues where it stopped."),
  SYS_WAIT_TIMEOUT: entry(
    "refused",
    "The run did not end within the given time; it stays open.",
    "The same command continues where it stopped; give it more time with --timeout.",
  ),
  SYS_INTERNAL: entry(
    "transient",
    "An unexpected error occurred.",
    "Please report it with the log lines around it.",
  ),

  // RPC: jobs and messages between our processes
  RPC_JOB_INVALID: entry(
    "permanent",
    "The job's data is not valid.",
    'Send {"provider":"cve","mode":"incremental"|"full"|"reconcile"} as job `run` to the queue `runs`.',
  ),
  RPC_JOB_UNKNOWN: entry(
    "permanent",
    "No such job is known.",
    "See docs/architecture.md for the job catalogue.",
  ),
  RPC_LOCK_LOST: entry(
    "deferred",
    "The job's lock was lost.",
    "No action is needed: another attempt has the batch.",
  ),
  RPC_JOB_GONE: entry(
    "deferred",
    "The job is no longer in its queue.",
    "No action is needed: it was removed, or its run is over.",
  ),
  RPC_REENTRY: entry(
    "deferred",
    "This process still runs an older copy of the batch.",
    "No action is needed: the batch comes back when the copy has settled.",
  ),
  RPC_BATCH_KILLS_WORKER: entry(
    "permanent",
    "The processes that worked on this batch died.",
    "Look into the workers' logs and memory limit at the times of these deaths: usually what the upstream sent needs more memory than a worker may have. Then `uee dlq replay <id>`; the count starts again.",
  ),
  RPC_PAYLOAD_TOO_LARGE: entry(
    "permanent",
    "A batch's payload exceeds 16 KB.",
    "Let the provider stage its data and refer to it.",
  ),

  // PROV: upstreams and providers
  PROV_UNKNOWN: entry(
    "refused",
    "No such provider.",
    "Use one of the names in the message; `uee status` lists the providers.",
  ),
  PROV_THROTTLED: entry(
    "throttle",
    "The upstream told us to wait.",
    "Leave the upstream alone for as long as it says. Runs wait by themselves; an API key allows more where there is one.",
  ),
  PROV_RATE_WAIT: entry(
    "throttle",
    "The rate limit of the current window is used up.",
    "Ask when the window allows. Runs wait by themselves; an API key allows more where there is one.",
  ),
  PROV_FORBIDDEN: entry(
    "throttle",
    "The upstream's firewall refused the request.",
    "Usually a throttle; if it lasts, check the API key and the address you come from.",
  ),
  PROV_OVERLOADED: entry(
    "overload",
    "The upstream is overloaded.",
    "Ask later. Runs wait by themselves; `uee breakers` shows how the upstream does.",
  ),
  PROV_TIMEOUT: entry(
    "overload",
    "The upstream did not answer in time.",
    "Ask later, or give it more time (UEE_HEADERS_TIMEOUT). Runs wait by themselves and ask for less at a time.",
  ),
  PROV_STALLED: entry("transient", "The upstream's answer stalled.", whenWell),
  PROV_CONNECTION: entry(
    "transient",
    "The connection to the upstream failed.",
    "Check network, DNS and proxy if it lasts: `uee doctor`.",
  ),
  PROV_TLS: entry(
    "configuration",
    "The upstream's certificate was refused.",
    "Set NODE_EXTRA_CA_CERTS to your proxy's CA, or check the system's clock.",
  ),
  PROV_PROXY: entry(
    "configuration",
    "The proxy cannot be used.",
    "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY (http://user:password@host:port, special characters as %xx), or exempt the upstream in NO_PROXY.",
  ),
  PROV_BAD_KEY: entry("configuration", "The upstream refused the API key.", "Check NVD_API_KEY or unset it."),
  PROV_BAD_REQUEST: entry(
    "configuration",
    "The upstream refused the request as wrong.",
    "Check the provider's URL; `uee config` shows it.",
  ),
  PROV_NOT_FOUND: entry(
    "configuration",
    "The upstream has nothing at this address.",
    "Check the provider's URL.",
  ),
  PROV_PAGE_CAP: entry(
    "deferred",
    "The upstream wants smaller pages.",
    "Set the page size of the provider to what the message names; runs learn it by themselves.",
  ),
  PROV_PAGE_TOO_LARGE: entry(
    "deferred",
    "A page is larger than the memory bound.",
    "Raise UEE_INFLIGHT_BYTES, or set a smaller page size; runs ask for smaller pages by themselves.",
  ),
  PROV_BODY_TOO_LARGE: entry(
    "corrupt",
    "The answer is larger than its bound.",
    "If the feed really grew that much, raise the bound in the configuration.",
  ),
  PROV_REDIRECTS: entry(
    "configuration",
    "The upstream redirects too often or elsewhere.",
    "Check the provider's URL.",
  ),
  PROV_TRUNCATED: entry("corrupt", "The answer ended too early.", whenWell),
  PROV_BAD_ENCODING: entry("corrupt", "The answer's compression is broken.", whenWell),
  PROV_HTML: entry("corrupt", "The upstream sent a web page instead of data.", whenWell),
  PROV_NOT_UTF8: entry("corrupt", "The answer is not valid UTF-8.", whenWell),
  PROV_BAD_JSON: entry("corrupt", "The answer is not valid JSON.", whenWell),
  PROV_BAD_XML: entry("corrupt", "The answer is not well-formed XML.", whenWell),
  PROV_BAD_ZIP: entry("corrupt", "The answer is not a valid zip file.", whenWell),
  PROV_BAD_TAR: entry("corrupt", "The answer is not a valid tar file.", whenWell),
  PROV_DAMAGED: entry(
    "transient",
    "Records of the upstream's file cannot be read.",
    "Run the provider again; what is wrong then too is set aside alone.",
  ),
  PROV_NOT_PUBLISHED: entry(
    "transient",
    "The upstream's newest file is not published yet.",
    "Run the provider again when the upstream has published it; a scheduled run gets it too.",
  ),
  PROV_BAD_CSV: entry("corrupt", "The answer is not valid CSV.", whenWell),
  PROV_WRONG_SHAPE: entry(
    "corrupt",
    "The answer does not have the expected structure.",
    "Check the provider's URL if it lasts.",
  ),
  PROV_FEED_MISMATCH: entry(
    "corrupt",
    "A feed is not the file that its metadata names.",
    "The feed and its .meta are of different editions, or the file is damaged. A full run walks the API instead; see what UEE_CVE_FEEDS_URL answers if it lasts.",
  ),
  PROV_FEEDS_UNUSABLE: entry(
    "refused",
    "The official feeds cannot be used; nothing was compared.",
    "See what UEE_CVE_FEEDS_URL answers, then `uee reconcile` again. Full runs walk the API meanwhile.",
  ),
  PROV_UNEXPLAINED: entry(
    "refused",
    "Records differ from the official feeds and were not repaired.",
    "Load everything again and let the upstream decide: `uee run cve --full --wait`; then `uee reconcile`.",
  ),
  PROV_PLAN_TOO_LARGE: entry(
    "corrupt",
    "The upstream's answer asks for more batches than a run may have.",
    "Check the provider's URL if it lasts.",
  ),
  PROV_SHORT_PAGE: entry("corrupt", "A page holds fewer records than it must.", whenWell),
  PROV_EMPTY_LIE: entry(
    "corrupt",
    "The upstream sent an empty answer where records must exist.",
    "The watermark has not moved. See what the address answers; when the upstream is well, run the provider again.",
  ),
  PROV_NOT_VERIFIED: entry(
    "transient",
    "The run could not be verified: the upstream's totals and what was received disagree.",
    "Run it again; the watermark has not moved.",
  ),
  PROV_SHRUNK: entry(
    "refused",
    "The upstream lost more records than the guard allows; nothing was removed.",
    "If the loss is real, run again with --allow-shrink.",
  ),
  PROV_OLDER_EDITION: entry(
    "refused",
    "The upstream served an older edition than the store is verified at; nothing was changed.",
    "A server or cache lags behind: run the provider again when it has caught up. If the upstream really withdrew the newer edition, run again with --allow-older.",
  ),
  PROV_BATCH_DEAD: entry(
    "refused",
    "Batches failed permanently and are in the dead letters.",
    "See `uee dlq list`.",
  ),
  PROV_BAD_RECORDS: entry("refused", "Bad records are in the dead letters.", "See `uee dlq list`."),
  PROV_UNVERIFIED: entry(
    "refused",
    "The provider was never verified complete.",
    "Finish a run first, or pass --allow-partial.",
  ),
  PROV_RUN_NOT_FOUND: entry("refused", "No such run.", "`uee status` shows the runs."),
  PROV_ILLEGAL_TRANSITION: entry(
    "refused",
    "The provider's or the fleet's state does not allow this.",
    "Wait for one of the states that allow it, or see docs/state-machines.md for all transitions.",
  ),
  PROV_PAUSED: entry(
    "deferred",
    "The provider is paused.",
    "`uee status` says why and by whom; `uee resume` goes on from the checkpoint.",
  ),
  PROV_ERROR_RATE: entry(
    "refused",
    "Too many of the provider's records failed for good; it was paused.",
    "See `uee dlq stats`, correct the cause, then `uee resume`.",
  ),
  PROV_DLQ_FULL: entry(
    "refused",
    "The provider's dead letters are at their cap; it was paused, and none was dropped.",
    "See `uee dlq stats`; replay, accept or purge some, then `uee resume`.",
  ),
  PROV_STOPPED: entry("refused", "An operator stopped the run.", "Open a new one: `uee run`."),
  PROV_BACKING_OFF: entry(
    "deferred",
    "The provider waits.",
    "`uee status` says for how long and why; its run goes on by itself.",
  ),
  PROV_CIRCUIT_OPEN: entry(
    "deferred",
    "The upstream failed repeatedly; its circuit breaker is open.",
    "`uee breakers` says what failed and when one request probes; if the cause is corrected, `uee breakers reset` closes it now.",
  ),
  PROV_RUN_OPEN: entry(
    "deferred",
    "A run of another mode is open.",
    "Wait for its end, or stop it: `uee stop`. `uee run --full` waits by itself.",
  ),

  // STOR: the store
  STOR_FENCED: entry(
    "deferred",
    "A newer attempt has this batch.",
    "No action is needed: the newer attempt goes on.",
  ),
  STOR_RUN_CLOSED: entry("deferred", "The run is closed.", "No action is needed: late results were refused."),
  STOR_CONTENDED: entry(
    "transient",
    "Records changed repeatedly during the commit.",
    "Repeat it; if it lasts, see which other process writes: `uee status`, `uee history`.",
  ),
  STOR_POSTGRES: entry(
    "configuration",
    "PostgreSQL refused.",
    "Correct UEE_POSTGRES_URL or the rights of its user (CREATE on the database for the first start), then start again.",
  ),
  STOR_BUNDLE_OLDER: entry(
    "refused",
    "The store is newer than the bundle.",
    "Load a newer bundle. To go back to this one: `uee bundle load FILE --older`.",
  ),
  STOR_BUNDLE_BASE: entry(
    "refused",
    "The bundle is a delta, and the store does not hold the bundle that it continues.",
    "Load the bundles since the last one in their order, or a full bundle (`uee bundle create FILE` without --since).",
  ),
  STOR_NOT_FOUND: entry("refused", "No such record.", "Check the id; `uee status` shows what is loaded."),
  STOR_REMOVED: entry(
    "refused",
    "The record was removed.",
    "The answer says when and why; the upstream no longer has it.",
  ),
  STOR_CURSOR_TRIMMED: entry(
    "refused",
    "The change feed no longer reaches back to this cursor.",
    "Export the provider again, then follow from the cursor that it prints.",
  ),
  STOR_CURSOR_INVALID: entry(
    "refused",
    "This is not a cursor of the change feed.",
    "Use one that `uee changes` printed.",
  ),
  STOR_STAGE_LOST: entry(
    "permanent",
    "A staged slice is gone.",
    "Run the provider again; it fetches everything again.",
  ),
  STOR_OUTDATED: entry(
    "permanent",
    "The dead letter's data is older than data that has been stored since.",
    "Run the provider: it fetches everything again. When the run is verified, a replay settles the dead letter.",
  ),
  STOR_CORRUPT: entry(
    "permanent",
    "A stored value cannot be read.",
    "Run the provider with --full; report it.",
  ),

  // PERM: permits
  PERM_NONE_FREE: entry(
    "deferred",
    "No permit is free.",
    "`uee permits show` tells who holds them; batches come back in their turn.",
  ),
  PERM_LEASE_LOST: entry(
    "deferred",
    "The permit's lease was lost.",
    "No action is needed: the batch goes back into its queue.",
  ),
  PERM_REVOKED: entry(
    "deferred",
    "The pool shrank and asked for this permit back.",
    "No action is needed: the batch comes back when a permit is free.",
  ),
  PERM_INVALID: entry(
    "refused",
    "The permit pool does not accept this value.",
    "A size is a whole number from 1 to 4096.",
  ),

  // VAL: records and values
  VAL_RECORD_SHAPE: entry("permanent", "The record is not an object.", "`uee dlq show` has the raw bytes."),
  VAL_RECORD_ID: entry("permanent", "The record has no valid id.", "`uee dlq show` has the raw bytes."),
  VAL_RECORD_FIELD: entry(
    "permanent",
    "A declared list or object of the record has another type.",
    "`uee dlq show` has the raw bytes and names the field.",
  ),
  VAL_RECORD_DEPTH: entry(
    "permanent",
    "The record is nested deeper than 256 levels.",
    "`uee dlq show` has the raw bytes; the upstream must change the record.",
  ),
  VAL_RECORD_TOO_LARGE: entry(
    "permanent",
    "The record is larger than the store takes: bytes, values, fields, names or aliases.",
    "`uee dlq show` says which bound and has the raw bytes, the first of them where they are too many.",
  ),
  VAL_RECORD_NUMBER: entry(
    "permanent",
    "A number of the record is beyond what JSON's readers can hold, such as 1e400.",
    "`uee dlq show` has the raw bytes; the upstream must change the record.",
  ),
  VAL_JSON: entry("corrupt", "A text is not valid JSON.", "See the log line for where it came from."),
  VAL_COMPRESSED: entry(
    "corrupt",
    "Compressed data cannot be unpacked.",
    "See the log line for where it came from.",
  ),
  VAL_SCHEMA: entry(
    "permanent",
    "A value does not have the required structure.",
    "`uee dlq show` has the raw bytes where it was a record's.",
  ),
  VAL_BUNDLE: entry(
    "refused",
    "This is not an intact bundle.",
    "Copy the file again and compare its SHA-256 with that of the original, or create the bundle again.",
  ),
  VAL_BUNDLE_NEWER: entry(
    "refused",
    "The bundle was made by a newer UEE and cannot be read by this one.",
    "Install the newer UEE here; the message names its version.",
  ),
  VAL_BUNDLE_SIGNATURE: entry(
    "refused",
    "The bundle is not signed with the key that was given.",
    "Ask who made the bundle which key signed it. Without --public-key the signature is not required.",
  ),
  VAL_BUNDLE_KEY: entry(
    "configuration",
    "The key file holds no Ed25519 key that can be used.",
    "`openssl genpkey -algorithm ed25519 -out key.pem` makes a key, `openssl pkey -in key.pem -pubout -out public.pem` its public half.",
  ),
  VAL_URN: entry(
    "refused",
    "This is neither a URN nor an id that UEE knows.",
    "Example: CVE-2021-44228 or CWE-79.",
  ),
  VAL_DATE: entry(
    "refused",
    "This is not a date UEE can read.",
    "Use ISO 8601, for example 2026-01-31T00:00:00Z.",
  ),

  // API: requests of operators and scripts
  API_NOT_FOUND: entry("refused", "The requested resource does not exist.", "Check the name."),
  API_UNCONFIRMED: entry("refused", "This action must be confirmed.", "Repeat the command with --yes."),
  API_BAD_INPUT: entry("refused", "The input is not valid.", "Correct the values named."),
  API_CLOSED: entry("refused", "This connection to the mirror was closed.", "Connect again: `connect()`."),
  API_UNAUTHORIZED: entry(
    "refused",
    "This needs the API token or a login.",
    "Send `Authorization: Bearer <UEE_API_TOKEN>`, or log in on the dashboard.",
  ),
  API_LOGIN_REFUSED: entry("refused", "This is not the token.", "Use the value of UEE_API_TOKEN."),
  API_CROSS_SITE: entry(
    "refused",
    "The request came from another site.",
    "Use the dashboard's own address; a proxy before it must pass the Host header on, or be named in UEE_TRUST_PROXY.",
  ),
  API_CSRF: entry(
    "refused",
    "The request lacks the session's CSRF token.",
    "Send X-CSRF-Token with the value that GET /api/session answers.",
  ),
  API_HOST_REFUSED: entry(
    "refused",
    "Without a token this answers only to the names of this machine.",
    "Use localhost or 127.0.0.1, or set UEE_API_TOKEN.",
  ),
  API_TOO_LARGE: entry("refused", "The request is too large.", "Send less at once."),
  API_MEDIA_TYPE: entry("refused", "Bodies must be JSON.", "Send `Content-Type: application/json`."),
  API_RATE_LIMITED: entry(
    "refused",
    "Too many requests.",
    "Ask again after the time in Retry-After; follow /events instead of polling.",
  ),
  API_READ_ONLY: entry(
    "refused",
    "Bull Board is read-only here.",
    "Use the dashboard, the API or `uee` for actions; `uee dlq replay` for failed jobs.",
  ),
  API_BUSY: entry(
    "deferred",
    "Too many clients follow the events.",
    "Close some of them, or ask another dashboard.",
  ),
  API_TOKEN_REQUIRED: entry(
    "configuration",
    "Without UEE_API_TOKEN the dashboard listens on this machine only.",
    "Set UEE_API_TOKEN, or a loopback host such as 127.0.0.1.",
  ),
  API_CANNOT_LISTEN: entry(
    "configuration",
    "This process cannot listen there.",
    "Give another --port or --host, or stop what uses it.",
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalog;
