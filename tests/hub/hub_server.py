#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub on this machine for the tests: it serves ROOT/<organisation>/<name>/<files> by the routes
of huggingface.co, and misbehaves as
ROOT/faults.json says, which is read anew at each request: {"organisation/name": {fault: value}}.

  cut            the body of a large file ends after so many bytes, the connection with it
  no_range       a Range is ignored and the whole is sent
  wrong_hash     the published hash of large files is another one
  wrong_size     the published size of large files is this much larger
  token          only this token opens the repository (401 without one or with another)
  gated          the files answer 403, the list does not
  elsewhere      large files redirect to the second port (another host, as the token sees it)
  downgrade      large files redirect to this address
  bare           the list says names only; a HEAD of a file says size and hash, as the hub does
  names          further names in the list, which no file stands behind
  slow           a large file is sent at so many bytes a second
  huge_answer    the list is followed by so many spaces
  raw_answer     the list is this text
  status         every route answers so

Prints its two ports and serves until it is ended. GET /requests of either port gives what was asked
so far: method, path, host, port, token, range.
Standard library only."""

import hashlib
import http.server
import json
import pathlib
import sys
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = pathlib.Path(sys.argv[1])
REQUESTS = []
PORTS = []


def faults(repository):
    try:
        return json.loads((ROOT / "faults.json").read_text()).get(repository, {})
    except FileNotFoundError:
        return {}


def is_large(path):
    return path.suffix == ".safetensors"


def blob_hash(path):
    data = path.read_bytes()
    return hashlib.sha256(data).hexdigest() if is_large(path) else hashlib.sha1(
        b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path)
        if path == "/requests":
            return self.say(200, json.dumps(REQUESTS).encode(),
                            {"Content-Type": "application/json"})
        REQUESTS.append({"method": self.command, "path": path, "query": url.query,
                         "host": self.headers.get("Host"), "port": self.server.server_port,
                         "token": self.headers.get("Authorization"),
                         "range": self.headers.get("Range")})
        parts = path.strip("/").split("/")
        if parts[0] == "datasets":  # a dataset's repository lies under the same name
            parts = parts[1:]
        if parts[:2] in (["api", "models"], ["api", "datasets"]) and len(parts) >= 6 and parts[4] == "revision":
            return self.listing("/".join(parts[2:4]), "/".join(parts[5:]))
        if len(parts) >= 5 and parts[2] == "resolve":
            return self.resolve("/".join(parts[:2]), "/".join(parts[4:]))
        if parts[0] == "store":
            return self.send("/".join(parts[1:3]), "/".join(parts[3:]))
        return self.say(404)

    def say(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refused(self, repository, fault):
        if "status" in fault:
            self.say(fault["status"])
        elif "token" in fault and self.headers.get("Authorization") != "Bearer " + fault["token"]:
            self.say(401, b"{}", {"X-Error-Code": "GatedRepo"})
        elif not (ROOT / repository).is_dir():
            self.say(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        else:
            return False
        return True

    def listing(self, repository, revision):
        fault = faults(repository)
        if self.refused(repository, fault):
            return None
        if revision not in ("main", COMMIT, "refs/pr/1"):
            return self.say(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        siblings = []
        for file in sorted((ROOT / repository).rglob("*")):
            if not file.is_file():
                continue
            entry = {"rfilename": file.relative_to(ROOT / repository).as_posix()}
            size, digest = file.stat().st_size, blob_hash(file)
            if is_large(file):
                size += fault.get("wrong_size", 0)
                digest = digest[::-1] if fault.get("wrong_hash") else digest
                entry.update(size=size, blobId="0" * 40,
                             lfs={"sha256": digest, "size": size, "pointerSize": 130})
            else:
                entry.update(size=size, blobId=digest)
            siblings.append({"rfilename": entry["rfilename"]} if fault.get("bare") else entry)
        siblings += [{"rfilename": name, "size": 1, "blobId": "0" * 40}
                     for name in fault.get("names", [])]
        answer = json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()
        answer = fault.get("raw_answer", answer.decode()).encode() + b" " * fault.get(
            "huge_answer", 0)
        return self.say(200, answer, {"Content-Type": "application/json"})

    def resolve(self, repository, name):
        fault = faults(repository)
        if self.refused(repository, fault):
            return None
        if fault.get("gated"):
            return self.say(403, b"{}", {"X-Error-Code": "GatedRepo"})
        file = ROOT / repository / name
        if not file.is_file():
            return self.say(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        if is_large(file) and (fault.get("elsewhere") or fault.get("downgrade")):
            target = fault.get("downgrade") or f"http://127.0.0.1:{PORTS[1]}/store/{repository}/{name}?signature=x"
            return self.say(302, b"", {"Location": target, "X-Linked-Etag": f'"{blob_hash(file)}"',
                                       "X-Linked-Size": str(file.stat().st_size)})
        return self.send(repository, name)

    def send(self, repository, name):
        fault = faults(repository)
        file = ROOT / repository / name
        data, status = file.read_bytes(), 200
        headers = {"ETag": f'"{blob_hash(file)}"', "X-Repo-Commit": COMMIT}
        wanted = self.headers.get("Range")
        if wanted and not fault.get("no_range"):
            begin = int(wanted.removeprefix("bytes=").split("-")[0])
            status, headers["Content-Range"] = 206, f"bytes {begin}-{len(data) - 1}/{len(data)}"
            data = data[begin:]
        large = is_large(file)
        if not large or self.command == "HEAD" or not ("cut" in fault or "slow" in fault):
            return self.say(status, data, headers)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        body = data[: fault.get("cut", len(data))]
        piece = max(1, fault.get("slow", len(body) * 20) // 20)
        try:
            for begin in range(0, len(body), piece):
                self.wfile.write(body[begin : begin + piece])
                self.wfile.flush()
                if "slow" in fault:
                    time.sleep(0.05)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True
        return None


def main():
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) for _ in range(2)]
    PORTS.extend(server.server_port for server in servers)
    print(*PORTS, flush=True)
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()   # until the test, which holds the other end, is gone


if __name__ == "__main__":
    main()
