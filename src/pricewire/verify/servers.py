"""Which server answered, as far as its head tells, and what to do there by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pricewire.verify.exchange import Head

MARKS: Mapping[str, tuple[str, str]] = {
    "nginx": ("server", "nginx"),
    "OpenResty": ("server", "openresty"),
    "Caddy": ("server", "caddy"),
    "Caddy ": ("via", "caddy"),
    "HAProxy": ("server", "haproxy"),
    "Cloudflare": ("server", "cloudflare"),
    "Envoy": ("server", "envoy"),
    "Apache": ("server", "apache"),
    "nchan": ("access-control-allow-headers", "x-eventsource-event"),
    # No other server is known to send a header of this name.
    "Centrifugo": ("expire", "0"),
    "CloudFront": ("via", "cloudfront"),
    "uvicorn": ("server", "uvicorn"),
    "Hypercorn": ("server", "hypercorn"),
    "Daphne": ("server", "daphne"),
    "Granian": ("server", "granian"),
    "gunicorn": ("server", "gunicorn"),
    "Werkzeug": ("server", "werkzeug"),
    "Kestrel": ("server", "kestrel"),
    "Express": ("x-powered-by", "express"),
}
"""For each server a header, and what its value holds in lower case."""

ASGI = ("uvicorn", "Hypercorn", "Daphne", "Granian")
"""Servers of ASGI applications, behind which FastAPI, Starlette or Django stand."""

GENERAL: Mapping[str, str] = {
    "tls": "Renew the certificate, send its whole chain, or serve over https://.",
    "http2": "Have the proxy that ends TLS speak HTTP/2 to browsers; to the server it may go on with HTTP/1.1.",
    "status": "Answer 200 at the address that clients are given; what is wrong for now is 503 with Retry-After. "
    "Where no answer comes, look for what holds the response until more of it is there.",
    "media-type": "Set Content-Type: text/event-stream.",
    "charset": "Encode the stream as UTF-8, and leave the charset out or name utf-8.",
    "caching": "Set Cache-Control: no-store on the response of the stream.",
    "framing": "Leave Content-Length out and let the server frame the body (chunked).",
    "compression": "Compress only for requests whose Accept-Encoding allows it.",
    "first-byte": "Send the head before the first event is there; a comment line (`:`) right after it makes every server and proxy do so.",
    "buffering": "Flush after each event, and switch buffering off in each proxy on the way.",
    "compressed": "Flush the compressor after each event (Z_SYNC_FLUSH), or leave text/event-stream out of what is compressed.",
    "keeps-open": "Keep the response open until the client goes; raise the timeouts of proxies above the heartbeat.",
    "heartbeat": "Send a comment line (`:` and a line end) whenever nothing was sent for 15 seconds.",
    "dispatch": "End each event with an empty line, in the same write as the event.",
    "encoding": "Encode text as UTF-8; cut long texts between characters, never between bytes.",
    "byte-order-mark": "Write UTF-8 without a mark (`utf-8`, not `utf-8-sig`).",
    "line-ends": "End every line with LF.",
    "fields": "Write `data: ` before each line of the data, also after a line break within it; names in small letters, no space before.",
    "empty-messages": "Send a comment (`:`) as heartbeat, or an event of a type of its own.",
    "retry": "Send a number of milliseconds, for instance `retry: 3000`.",
    "ids": "Give each event an id that grows with the order of events and is the same for every client.",
    "resume": "Keep the last events, and begin with those after Last-Event-ID.",
    "resume-after-cut": "Go by Last-Event-ID alone, not by what the server believes to have sent.",
    "resume-later": "Keep events for as long as clients may be away, minutes at least; where they are gone, say so by an event.",
    "same-ids": "Number events where they are made, not for each connection.",
    "unknown-id": "Answer an unknown Last-Event-ID with a fresh stream.",
    "head-request": "Answer HEAD with the head alone, or 405; do not begin a stream for it.",
    "accept": "Do not demand `Accept: text/event-stream`; answer 406 at most where a request excludes it.",
    "cors-preflight": "Answer OPTIONS, without a token, by Access-Control-Allow-Headers: Authorization, Cache-Control, Last-Event-ID.",
    "cors": "Allow a list of origins, or any without credentials.",
    "authorization": "Answer 401 with `WWW-Authenticate: Bearer`, not 200, 403 or a redirection.",
    "token-in-address": "Take tokens from the Authorization header only; EventSource has cookies, or a ticket that is good once.",
    "token-expiry": "End the stream when its token ends; the client comes back with a new one.",
    "refusals": "Add Retry-After to 429 and 503.",
    "slow-reader": "Give each stream a bounded buffer of its own; leave out or end what cannot follow.",
    "reconnections": "Answer what is too much with 503 and Retry-After, and raise the listen backlog and the limit of files.",
    "shutdown": "On SIGTERM end each stream by the end of its response (the last chunk) before the process goes.",
}
"""What to do about each rule, whatever the server."""

NGINX = {
    "buffering": "nginx: `proxy_buffering off;` in the location, or the header `X-Accel-Buffering: no` from the application.",
    "compressed": "nginx: leave text/event-stream out of `gzip_types`, or `gzip off;` in the location.",
    "first-byte": "nginx: `proxy_buffering off;` in the location.",
    "keeps-open": "nginx: `proxy_read_timeout` is 60 s by default; have heartbeats come sooner, or raise it.",
    "heartbeat": "nginx: `proxy_read_timeout` closes after 60 s of silence.",
    "http2": "nginx: `http2 on;` in the server that ends TLS.",
    "framing": "nginx: `proxy_http_version 1.1;`.",
}

SSE_STARLETTE = "sse-starlette: "
FASTAPI = "FastAPI: "

BY_SERVER: Mapping[str, Mapping[str, str]] = {
    "nginx": NGINX,
    "OpenResty": NGINX,
    "Caddy": {
        "buffering": "Caddy: `flush_interval -1` in reverse_proxy.",
        "compressed": "Caddy: leave text/event-stream out of `encode` by its `match`.",
    },
    "HAProxy": {
        "buffering": "HAProxy: `option http-no-delay`.",
        "compressed": "HAProxy: leave text/event-stream out of `compression type`.",
        "keeps-open": "HAProxy: `timeout server` closes silent streams; have heartbeats come sooner, or raise it.",
        "heartbeat": "HAProxy: `timeout server` closes silent streams.",
    },
    "nchan": {
        "caching": "nchan: `add_header Cache-Control no-store;` in the location of the subscriber.",
        "accept": "nchan: it streams for `Accept: text/event-stream` alone; have clients send that.",
        "cors-preflight": "nchan: answer OPTIONS by nginx: `if ($request_method = OPTIONS)` with `add_header` lines and `return 204;`.",
        "cors": "nchan: `nchan_access_control_allow_credentials off;`.",
    },
    "Centrifugo": {
        "ids": "Centrifugo: its unidirectional streams have no ids and cannot be resumed; its own clients recover what they missed.",
        "line-ends": "Centrifugo: it begins each stream with CRLF, which a client of the standard reads as any other blank line.",
    },
    "Cloudflare": {
        "compressed": "Cloudflare: `Cache-Control: no-transform` on the response keeps it from compressing.",
        "caching": "Cloudflare: add `no-transform` to Cache-Control as well.",
        "heartbeat": "Cloudflare: it closes connections whose server is silent; a heartbeat every 15 s prevents that.",
    },
    "Apache": {
        "buffering": "Apache: `flushpackets=on` at ProxyPass.",
        "compressed": "Apache: `SetEnv no-gzip 1` for the location of the stream.",
        "keeps-open": "Apache: `ProxyTimeout` closes silent streams.",
    },
    "Express": {
        "first-byte": "Express: `res.flushHeaders()` right after the headers are set.",
        "buffering": "Express: with the compression middleware, `res.flush()` after each event, or leave the route out by its `filter`.",
        "compressed": "Express: with the compression middleware, `res.flush()` after each event, or leave the route out by its `filter`.",
        "media-type": "Express: `res.set('Content-Type', 'text/event-stream')` before the first write.",
        "caching": "Express: `res.set('Cache-Control', 'no-store')`.",
        "heartbeat": "Express: `setInterval(() => res.write(':\\n\\n'), 15000)`, cleared at `req.on('close')`.",
        "resume": "Express: the id is in `req.get('Last-Event-ID')`.",
        "shutdown": "Express: keep the open responses in a set, and `res.end()` each of them before `server.close()`.",
    },
    "Werkzeug": {
        "reconnections": "Werkzeug is a server for development, with a thread for each stream; serve by an asynchronous server.",
    },
    "gunicorn": {
        "keeps-open": "gunicorn: its sync workers are killed after `--timeout` (30 s); use an asynchronous worker class.",
        "slow-reader": "gunicorn: a sync worker holds one stream at a time; use an asynchronous worker class.",
    },
    "FastAPI or Starlette": {
        "media-type": FASTAPI + "`response_class=EventSourceResponse` of fastapi.sse, or EventSourceResponse of sse-starlette.",
        "caching": FASTAPI + "set the header `Cache-Control: no-store` on the response.",
        "heartbeat": SSE_STARLETTE
        + "`EventSourceResponse(…, ping=15)`. "
        + FASTAPI
        + "EventSourceResponse of fastapi.sse sends one every 15 s.",
        "first-byte": "Starlette: a middleware of BaseHTTPMiddleware, or one that reads the body, holds the head back.",
        "buffering": "Starlette: a middleware that reads the body holds the stream back; GZipMiddleware did in earlier versions.",
        "dispatch": FASTAPI + "yield ServerSentEvent objects instead of texts of your own.",
        "fields": FASTAPI + "yield ServerSentEvent objects instead of texts of your own; they put `data: ` before each line.",
        "line-ends": SSE_STARLETTE + '`EventSourceResponse(…, sep="\\n")`.',
        "ids": FASTAPI + "`yield ServerSentEvent(data=…, id=…)`, with sse-starlette too.",
        "resume": FASTAPI + "take `last_event_id: Annotated[str | None, Header()] = None` in the function, and begin after it.",
        "same-ids": FASTAPI + "number events where they are published, not in the generator of a connection.",
        "head-request": "Starlette: a route for GET answers HEAD too; sse-starlette sends the head alone, StreamingResponse streams.",
        "cors-preflight": "Starlette: `CORSMiddleware(allow_headers=['Authorization', 'Cache-Control', 'Last-Event-ID'])`.",
        "cors": "Starlette: CORSMiddleware with a list of origins where `allow_credentials=True`.",
        "authorization": FASTAPI + "`HTTPException(401, headers={'WWW-Authenticate': 'Bearer'})`.",
        "token-expiry": FASTAPI + "a dependency is asked once, at the beginning; end the generator at the token's `exp`.",
        "shutdown": "uvicorn waits for streams to end: sse-starlette ends its own, others need `--timeout-graceful-shutdown`.",
        "slow-reader": SSE_STARLETTE
        + "`send_timeout` ends what cannot follow; never await one client's queue in the loop that serves all.",
    },
}
"""What to do about some rules on some servers, by name."""


def recognise(heads: Iterable[Head]) -> tuple[str, ...]:
    """Return the servers and proxies that some heads name."""
    found: dict[str, None] = {}
    for head in heads:
        if any(name.startswith("pricewire-") for name, _ in head.fields):
            found["Pricewire"] = None
        for name, (field, mark) in MARKS.items():
            if mark in (head.get(field) or "").lower():
                found[name.strip()] = None
    if any(name in found for name in ASGI) and "Pricewire" not in found:
        found["FastAPI or Starlette"] = None
    return tuple(found)


def advise(rule: str, servers: Iterable[str]) -> tuple[str, ...]:
    """Return what to do about a rule: in general, and on each of some servers."""
    named = [BY_SERVER[server][rule] for server in servers if rule in BY_SERVER.get(server, {})]
    return (GENERAL[rule], *named)
