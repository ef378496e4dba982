"""Opens a run from Python with the official BullMQ package, and waits for its result.

    open_run.py [provider] [incremental|full]          default: cve incremental

The job goes into the queue `runs`; a worker takes it and answers with the run's id. How the run ends is asked of the HTTP
API. Needs a running `uee up` (or workers and `uee dashboard`), and:

    REDIS_URL        the mirror's Redis                    default redis://127.0.0.1:6379
    UEE_PREFIX       its prefix                            default uee
    API_URL          where the API listens                 default http://127.0.0.1:8330
    UEE_API_TOKEN    its token, where it has one
"""

import asyncio
import json
import os
import sys
import urllib.request

from bullmq import Job, Queue

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
PREFIX = os.environ.get("UEE_PREFIX", "uee")
API = os.environ.get("API_URL", "http://127.0.0.1:8330")
TOKEN = os.environ.get("UEE_API_TOKEN")


async def open_run(provider: str, mode: str) -> str:
    """The id of the run that was opened or joined; raises with UEE's code when it was refused."""
    queue = Queue("runs", {"prefix": "{%s}" % PREFIX, "connection": REDIS_URL})
    try:
        job = await queue.add("run", {"provider": provider, "mode": mode})
        while True:
            state = await queue.getJobState(job.id)
            if state in ("completed", "failed"):
                break
            await asyncio.sleep(0.2)
        done = await Job.fromId(queue, job.id)
        if state == "failed":
            raise RuntimeError(done.failedReason)
        return done.returnvalue["runId"]
    finally:
        await queue.close()


def runs_of(provider: str) -> list:
    request = urllib.request.Request(f"{API}/api/runs?provider={provider}&limit=20")
    if TOKEN:
        request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["runs"]


async def result_of(provider: str, run_id: str) -> dict:
    while True:
        run = next(run for run in runs_of(provider) if run["runId"] == run_id)
        if run["state"] != "running":
            return run
        print(f'{run["fetched"]} of {run["expected"] or "?"}', file=sys.stderr)
        await asyncio.sleep(1)


async def main() -> int:
    provider, mode = (sys.argv[1:] + ["cve", "incremental"][len(sys.argv) - 1 :])[:2]
    try:
        run_id = await open_run(provider, mode)
    except RuntimeError as refused:
        print(refused, file=sys.stderr)
        return 1
    print(f"run {run_id}", file=sys.stderr)
    run = await result_of(provider, run_id)
    print(json.dumps({key: run[key] for key in ("provider", "mode", "state", "created", "updated", "removed", "error")}))
    return 0 if run["state"] == "complete" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
