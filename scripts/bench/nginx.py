"""nginx: the upstream of every gateway, and itself a gateway for work without tokens."""
from workloads import CLAIMS

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
SIZES = (1_000, 100_000, 10_000_000)


def command(place, config):
    return ["nginx", "-c", config, "-p", place.folder]


def frame(workers, place, body):
    paths = " ".join(f"{name}_temp_path {place.folder}/{name};" for name in TEMPORARY)
    return f"""daemon off;
worker_processes {workers};
pid {place.folder}/nginx-{place.port}.pid;
error_log stderr crit;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  {paths}
{body}
}}
"""


def config(duty, place):
    """A gateway that passes everything on."""
    listen = f"listen 127.0.0.1:{place.port}"
    more = ""
    if duty.http2:
        listen += " http2"
        more += "\n    http2_max_concurrent_streams 128;"
    if duty.tls:
        listen += " ssl"
        more += f"\n    ssl_certificate {place.certificate};\n    ssl_certificate_key {place.key};"
    return frame(place.workers, place, f"""  client_max_body_size 0;
  upstream up {{
    server 127.0.0.1:{place.upstream};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  server {{
    {listen};{more}
    location / {{
      proxy_pass http://up;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }}
  }}""")


shown = config


def upstream(place):
    """Answers `hello`, files of three sizes, and 200 once an upload is read; `/check` shows the headers it got."""
    seen = "|".join(f"$http_{header.replace('-', '_')}" for _, header in CLAIMS)
    return frame(1, place, f"""  client_max_body_size 0;
  client_body_buffer_size 11m;
  server {{
    listen 127.0.0.1:{place.port} backlog=4096;
    root {place.folder};
    location / {{ return 200 "hello\\n"; }}
    location /check {{ add_header x-seen "{seen}"; return 200 "hello\\n"; }}
    location /files/ {{ default_type application/octet-stream; }}
    # What answers before it has read an upload would end the connection; a proxied request is read first.
    location /upload {{
      proxy_pass http://127.0.0.1:{place.port}/done;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
  }}""")


def files(folder):
    (folder / "files").mkdir()
    for size in SIZES:
        (folder / "files" / str(size)).write_bytes(b"countersign benchmark body, zero-free, plain text.\n"[:50] * (size // 50))
