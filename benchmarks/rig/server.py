"""The loopback server that answers every peer alike: nginx, else a small one in a process.

It must be no bottleneck and must not share the interpreter of what is measured. It checks nothing:
constant, valid answers to the two calls, told apart by their target.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REGION = "us-west-2"
POOL_ID = f"{REGION}:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
IDENTITY_ID = f"{REGION}:12345678-1234-1234-1234-123456789012"
CONTENT_TYPE = "application/x-amz-json-1.1"
LIFETIME = 3_600  # seconds, as Cognito's


def answers() -> dict[str, str]:
    """Return the JSON answer of each operation; the session token has a real one's length."""
    credentials = {
        "AccessKeyId": "ASIAEXAMPLEEXAMPLE00",
        "SecretKey": "s" * 40,
        "SessionToken": "t" * 1_400,
        "Expiration": int(time.time()) + LIFETIME,
    }
    return {
        "GetId": json.dumps({"IdentityId": IDENTITY_ID}),
        "GetCredentialsForIdentity": json.dumps(
            {"IdentityId": IDENTITY_ID, "Credentials": credentials}
        ),
    }


_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type {content_type};
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map_hash_bucket_size 128;
    map $http_x_amz_target $answer {{
        default '{{"__type":"UnknownOperationException"}}';
        {cases}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        add_header x-amzn-RequestId 6f0c5f0a-4f8c-4a53-a6a5-7d3bcd1c0b5e;
        location / {{ return 200 $answer; }}
    }}
}}
"""


@contextmanager
def running_server(*, embedded: bool = False, delay: float = 0) -> Iterator[tuple[str, str]]:
    """Run the server; yield its URL and its name. The embedded one can answer `delay` s later."""
    nginx = None if embedded else shutil.which("nginx")
    with reserved_port() as port, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if nginx:
            config = Path(folder, "nginx.conf")
            config.write_text(_nginx_config(folder, port))
            command = [nginx, "-c", str(config), "-p", folder]
        else:
            command = [sys.executable, "-m", "benchmarks.rig.embedded_server"]
            command += [str(port), str(delay)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}", "nginx" if nginx else "embedded"
        finally:
            process.terminate()
            process.wait(10)


def _nginx_config(folder: str, port: int) -> str:
    cases = "\n".join(
        f"AWSCognitoIdentityService.{name} '{answer}';" for name, answer in answers().items()
    )
    return _NGINX.format(folder=folder, port=port, cases=cases, content_type=CONTENT_TYPE)


@contextmanager
def reserved_port() -> Iterator[int]:
    """Reserve a loopback port for a server that binds with SO_REUSEPORT; nobody else gets it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a process listens on a port of loopback."""
    for _ in range(200):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = "The loopback server did not start."
    raise RuntimeError(message)
