# SPDX-License-Identifier: Apache-2.0
"""Plays the routes of the Hugging Face Hub that downloads use, with a fault for each first part of the path.

python3 server.py FOLDER serves FOLDER/OWNER/NAME/FILE on 127.0.0.1, prints its port, and ends with the process that started it.
Every request is noted in FOLDER.log, a line of JSON each.
"""
import collections
import hashlib
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse

ROOT = sys.argv[1]
PARENT = os.getppid()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Requests so far for a scenario, a path and a range.
SEEN = collections.Counter()
LOCK = threading.Lock()


def content(path):
    with open(path, "rb") as file:
        return file.read()


def is_large(path):
    return path.endswith((".safetensors", ".gguf"))


def entries(folder):
    """What /tree/ lists: the size and SHA-256 of large files, Git's id of others."""
    result = []
    for directory, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            path = os.path.join(directory, name)
            data = content(path)
            short = os.path.relpath(path, folder)
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            entry = {"type": "file", "path": short, "size": len(data), "oid": blob}
            if is_large(short):
                digest = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
            result.append(entry)
    return result + [{"type": "directory", "path": "onnx", "size": 0, "oid": "0" * 40}]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer_json(self, value, **headers):
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        token = self.headers.get("Authorization")
        wanted = self.headers.get("Range")
        with LOCK:
            with open(ROOT + ".log", "a", encoding="utf-8") as log:
                note = {"host": self.headers["Host"], "path": self.path, "range": wanted, "token": token}
                log.write(json.dumps(note) + "\n")
            SEEN[self.path, wanted] += 1
            count = SEEN[self.path, wanted]
        _, scenario, *parts = url.path.split("/")
        if parts[0] == "storage":
            # Storage networks refuse a second kind of credentials.
            if token:
                return self.answer(400, b"only one way to authenticate")
            with LOCK:
                SEEN[url.query] += 1
                # Four requests at once may share a signature, which serves three times.
                if scenario == "expiring" and SEEN[url.query] > 3:
                    return self.answer(403, b"expired")
            return self.send_file(scenario, "/".join(parts[1:]), wanted, count)
        if scenario == "token" and token != "Bearer secret":
            return self.answer(401, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted.")
        if scenario == "denied":
            return self.answer(403, X_Error_Code="GatedRepo")
        if scenario == "missing":
            return self.answer(404, X_Error_Code="RepoNotFound")
        if scenario == "down":
            return self.answer(503)
        if scenario == "paused":
            return self.answer(429, Retry_After="3600")
        if scenario == "limited" and count == 1:
            return self.answer(429, Retry_After="0")
        if scenario == "flaky" and count <= 2:
            return self.answer(500)
        if scenario == "loop":
            return self.answer(302, Location=self.path)
        if scenario == "downgrade":
            return self.answer(302, Location="ftp://127.0.0.1/x")
        if parts[:2] == ["api", "models"]:
            return self.describe(scenario, parts[2:], query)
        return self.resolve(scenario, parts, wanted, count)

    def describe(self, scenario, parts, query):
        owner, name, kind, revision = parts
        folder = os.path.join(ROOT, owner, name)
        if not os.path.isdir(folder):
            return self.answer(404, X_Error_Code="RepoNotFound")
        if kind == "revision":
            if urllib.parse.unquote(revision) not in ("main", "refs/pr/1"):
                return self.answer(404, X_Error_Code="RevisionNotFound")
            if scenario == "nonsense":
                return self.answer(200, b"<html>Please log in to this network</html>")
            return self.answer_json({"sha": COMMIT})
        files = entries(folder)
        if scenario == "escape":
            files += [dict(files[0], path=path) for path in ["../evil.json", "/evil.json", "a/../../evil.json"]]
        if scenario == "unlisted":
            for entry in files:
                entry.pop("size")
        if scenario != "pages":
            return self.answer_json(files)
        start = int(query.get("cursor", ["0"])[0])
        more = f"<{urllib.parse.urlsplit(self.path).path}?recursive=true&cursor={start + 2}>; rel=\"next\""
        headers = {"Link": more} if start + 2 < len(files) else {}
        self.answer_json(files[start:start + 2], **headers)

    def resolve(self, scenario, parts, wanted, count):
        owner, name, _, _, *rest = parts
        path = "/".join([owner, name] + rest)
        if scenario in ("redirect", "token", "expiring") and is_large(path):
            with LOCK:
                SEEN["signed"] += 1
                number = SEEN["signed"]
            port = self.server.server_port
            target = f"http://localhost:{port}/{scenario}/storage/{path}?n={number}"
            return self.answer(302, Location=target)
        if scenario == "redirect":
            # Small files move within the Hub.
            return self.answer(307, Location=f"/plain/{owner}/{name}/resolve/{COMMIT}/{'/'.join(rest)}")
        self.send_file(scenario, path, wanted, count)

    def send_file(self, scenario, path, wanted, count):
        data = content(os.path.join(ROOT, urllib.parse.unquote(path)))
        large = is_large(path)
        if scenario == "damaged" and large:
            data = bytes([data[0] ^ 1]) + data[1:]
        if scenario == "longer":
            data += b"more"
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
        if not match or scenario == "noranges":
            return self.send_part(200, data, scenario == "short" and large and count == 1)
        first, last = int(match[1]), int(match[2])
        shown = first + 1 if scenario == "wrongranges" else first
        # A request that goes on within a piece gets all of it.
        self.send_part(
            206, data[first:last + 1], scenario == "short" and count == 1 and first % 1000 == 0,
            Content_Range=f"bytes {shown}-{last}/{len(data)}")

    def send_part(self, status, data, is_broken, **headers):
        if is_broken:
            self.close_connection = True
            return self.answer(status, data[:len(data) // 2], Content_Length=str(len(data)), **headers)
        self.answer(status, data, **headers)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
while os.getppid() == PARENT:
    time.sleep(0.5)
