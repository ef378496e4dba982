/** Which proxy, if any, the usual environment names for an address; as undici's EnvHttpProxyAgent reads it. */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const secure = target.protocol === "https:";
  const named =
    (secure ? (env.https_proxy ?? env.HTTPS_PROXY) : undefined) ?? env.http_proxy ?? env.HTTP_PROXY ?? "";
  if (named === "" || !URL.canParse(named) || isExempt(target, env.no_proxy ?? env.NO_PROXY ?? "")) {
    return undefined;
  }
  return new URL(named);
}

function isExempt(target: URL, noProxy: string): boolean {
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  return noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      const [, host = "", wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      if (wantedPort && wantedPort !== port) return false;
      const bare = host.replace(/^\*?\./, "");
      return target.hostname === bare || target.hostname.endsWith(`.${bare}`);
    });
}
