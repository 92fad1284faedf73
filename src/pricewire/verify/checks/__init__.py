"""The rules, by what they look at; each is a pure function of what was recorded."""

from __future__ import annotations

from pricewire.verify.checks import form, head, load, requests, resuming, timing, transport
from pricewire.verify.verdicts import Rule

RULES: tuple[Rule, ...] = (
    transport.tls,
    transport.http2,
    head.status,
    head.media_type,
    head.charset,
    head.caching,
    head.framing,
    head.compression,
    timing.first_byte,
    timing.buffering,
    timing.compressed,
    timing.keeps_open,
    timing.heartbeat,
    form.dispatch,
    form.encoding,
    form.byte_order_mark,
    form.line_ends,
    form.fields,
    form.empty_messages,
    form.retry,
    form.ids,
    resuming.same_ids,
    resuming.resume,
    resuming.after_a_cut,
    resuming.later,
    resuming.unknown_id,
    requests.head_request,
    requests.accept,
    requests.preflight,
    requests.cross_origin,
    requests.authorization,
    requests.token_in_address,
    requests.token_expiry,
    requests.refusals,
    load.slow_reader,
    load.reconnections,
    load.shutdown,
)
"""All of them, in the order of the report."""
