"""Runs Python clients of NVD against a server of ours: their host is built in, so it is replaced at run time.

Usage: nvdClients.py nvdlib BASE   queries as JSON on standard input: [{"name": value, ...}, ...]
       nvdClients.py vunnel BASE   [{"last_mod_start_date": ..., "last_mod_end_date": ...}, ...]
Prints a JSON list with the ids that each query found.
"""
import json
import sys
import time

import requests

HOST = "https://services.nvd.nist.gov"
client, base = sys.argv[1:]
# They wait for NVD's rate limit after each request; a mirror has none.
time.sleep = lambda seconds: None


def nvdlib_ids(query):
    import nvdlib

    return [cve.id for cve in nvdlib.searchCVE(key="any", **query)]


def vunnel_ids(query):
    from vunnel.providers.nvd.api import NvdAPI

    NvdAPI._cve_api_url_ = NvdAPI._cve_api_url_.replace(HOST, base)
    pages = NvdAPI(api_key="any").cve(**query)
    return [entry["cve"]["id"] for page in pages for entry in page["vulnerabilities"]]


real_get = requests.get
requests.get = lambda url, **more: real_get(url.replace(HOST, base), **more)
search = {"nvdlib": nvdlib_ids, "vunnel": vunnel_ids}[client]
json.dump([search(query) for query in json.load(sys.stdin)], sys.stdout)
