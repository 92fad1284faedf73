"""Other requests than a client's usual one: HEAD, Accept, other origins, tokens, and refusals."""

from __future__ import annotations

from pricewire.verify.checks.timing import HEAD_S
from pricewire.verify.exchange import Exchange
from pricewire.verify.facts import Facts
from pricewire.verify.verdicts import Needs, Outcome, failed, passed, rule, show, unknown, warned

ORIGIN = "https://verify.invalid"
"""The origin of the page that is said to ask: one that no server can know."""

SENT_HEADERS = ("authorization", "cache-control", "last-event-id")
"""What clients that use `fetch` send, and a page of another origin has to be allowed to."""

IN_ADDRESS = {
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "auth_token",
    "authorization",
    "bearer",
    "id_token",
    "jwt",
    "key",
    "secret",
    "token",
}
"""Names of parameters that hold secrets."""

EXPIRED_S = 5.0
"""A stream may live for so many seconds longer than its token."""

BUSY = (429, 503)

AWAY = (*BUSY, 502, 504)
"""What is answered by a server, or what is before it, that cannot answer now."""


def first_line(exchange: Exchange) -> str:
    """Return the first line of a response, as it is shown."""
    return show(exchange.head.raw.split(b"\r\n")[0]) if exchange.head is not None else ""


def no_answer(facts: Facts, exchange: Exchange, to: str) -> Outcome:
    """Return what there is to say where no head came."""
    if exchange.is_unanswered and exchange.size:
        return unknown(f"the answer to {to} was still coming: the line carries little")
    opened_s = facts.watch.head_at - facts.watch.started
    if exchange.is_unanswered and opened_s > HEAD_S:
        return unknown(f"no answer came to {to} yet; the stream itself opened after {opened_s:.1f} s")
    if exchange.is_unanswered:
        return failed(f"no answer came to {to}", is_timed=True)
    if exchange.problem:
        return failed(f"{to}: {exchange.problem}")
    what = f"the connection was {exchange.end.value}, each time it was tried"
    # Where connections break that others are answered on, this one may have had bad luck.
    return unknown(f"{to}: {what}; others broke too, and were answered later") if facts.recovered else failed(f"{to}: {what}")


@rule("head-request", "HEAD gets the head, and nothing more", "RFC 9110, section 9.3.2", needs=Needs.HEAD)
def head_request(facts: Facts) -> Outcome:
    """Look at what HEAD gets, and whether the connection is of use afterwards."""
    exchange, second = facts.requests.get("HEAD"), facts.requests.get("HEAD again")
    if exchange is None:
        return unknown("it was not tried")
    if exchange.head is None:
        return no_answer(facts, exchange, "HEAD")
    if exchange.head.status in AWAY:
        return unknown("the server was too busy to answer", first_line(exchange))
    if exchange.pieces:
        return failed("a body came after the head", show(exchange.body))
    if exchange.head.status >= 500 and exchange.head.status != 501:
        return failed(f"the status is {exchange.head.status}", first_line(exchange))
    if second is not None and second.head is None and second.is_unanswered:
        return warned(
            "the connection answers no more afterwards: the server is still making a stream that nobody gets",
            first_line(exchange),
            is_timed=True,
        )
    if second is not None and second.is_broken:
        return unknown("the connection ended before it could answer again", first_line(exchange))
    return passed(f"the status is {exchange.head.status}, and no body came", first_line(exchange))


@rule("accept", "Clients that accept anything get the stream", "RFC 9110, section 12.5.1", needs=Needs.HEAD)
def accept(facts: Facts) -> Outcome:
    """Look at what `Accept: */*` and a wrong one get."""
    anything, wrong = facts.requests.get("any Accept"), facts.requests.get("wrong Accept")
    if anything is None or wrong is None:
        return unknown("it was not tried")
    for exchange, to in ((anything, "Accept: */*"), (wrong, "Accept: application/json")):
        if exchange.head is None:
            return no_answer(facts, exchange, to)
        if exchange.head.status in AWAY:
            return unknown("the server was too busy to answer", first_line(exchange))
    if not anything.is_stream:
        return failed(f"`Accept: */*`, which curl and many libraries send, gets {anything.response.status}", first_line(anything))
    if wrong.response.status >= 500:
        return failed(f"`Accept: application/json` gets {wrong.response.status}", first_line(wrong))
    return passed(f"`*/*` gets the stream, `application/json` the status {wrong.response.status}", first_line(anything))


@rule(
    "cors-preflight",
    "Pages of other origins may send what clients send",
    "WHATWG Fetch, section 3.3: CORS-preflight request",
    needs=Needs.HEAD,
)
def preflight(facts: Facts) -> Outcome:
    """Look at the answer to OPTIONS."""
    exchange, stream = facts.requests.get("preflight"), facts.requests.get("compressed")
    if exchange is None or stream is None or stream.head is None:
        return unknown("it was not tried")
    if exchange.head is None:
        return no_answer(facts, exchange, "OPTIONS")
    head, allowed = exchange.head, exchange.head.get("access-control-allow-origin")
    if head.status in AWAY:
        return unknown("the server was too busy to answer", first_line(exchange))
    if allowed is None or not 200 <= head.status < 300:
        if stream.head.get("access-control-allow-origin") is None and allowed is None:
            return unknown("pages of other origins are not allowed at all, which may be what is wanted", first_line(exchange))
        return failed(
            f"the stream allows other origins, and the preflight gets {head.status}: clients that send headers fail in every browser",
            f"{first_line(exchange)} {head.line('access-control-allow-origin')}",
        )
    names = head.words("access-control-allow-headers")
    # The star stands for all but Authorization, and not where credentials are allowed.
    missing = [name for name in SENT_HEADERS if name not in names and ("*" not in names or name == "authorization")]
    if missing:
        return failed(f"it does not allow {', '.join(missing)}", head.line("access-control-allow-headers"))
    return passed("all headers that clients send are allowed", head.line("access-control-allow-headers"))


@rule(
    "cors",
    "Pages of other origins get what they are meant to get",
    "WHATWG Fetch, section 3.3.5: credentials and the star",
    needs=Needs.HEAD,
)
def cross_origin(facts: Facts) -> Outcome:
    """Look at the stream that a page of an unknown origin gets."""
    exchange, asked = facts.requests.get("compressed"), facts.requests.get("preflight")
    if exchange is None or exchange.head is None:
        return unknown("it was not tried")
    allowed = exchange.head.get("access-control-allow-origin")
    line = exchange.head.line("access-control-allow-origin")
    credentials = (exchange.head.get("access-control-allow-credentials") or "").lower() == "true"
    if allowed is None:
        if asked is not None and asked.head is not None and asked.head.get("access-control-allow-origin") in ("*", ORIGIN):
            return failed("the preflight allows any origin, and the stream itself does not: no page of another origin can read it", line)
        return unknown("pages of other origins are not allowed, which may be what is wanted", line)
    if credentials and allowed == ORIGIN:
        return failed("any page may read the stream with its visitor's cookies", f"{line}, Access-Control-Allow-Credentials: true")
    if credentials and allowed == "*":
        return failed("the star and credentials exclude each other: browsers refuse it", f"{line}, Access-Control-Allow-Credentials: true")
    if allowed in ("*", ORIGIN):
        return passed("any page may read the stream, without cookies", line)
    return passed("some origins may read the stream", line)


@rule(
    "authorization",
    "Without a valid token the answer is 401, and says what is wanted",
    "RFC 9110, sections 11.6.1 and 15.5.2",
    needs=Needs.NOTHING,
)
def authorization(facts: Facts) -> Outcome:
    """Look at what a request without a token, and one with a wrong one, get."""
    without, wrong = facts.requests.get("no token"), facts.requests.get("wrong token")
    if without is None or wrong is None:
        return unknown("no token was given; --token-command or --header 'Authorization: Bearer …' gives one")
    for exchange, what in ((without, "a request without a token"), (wrong, "a wrong token")):
        if exchange.head is None:
            return no_answer(facts, exchange, what)
        head, line = exchange.head, first_line(exchange)
        if head.status in AWAY:
            return unknown("the server was too busy to answer", line)
        if exchange.is_stream and exchange is without:
            return unknown("the stream opens without a token too", line)
        if exchange.is_stream:
            return failed(f"{what} opens the stream", line)
        if head.status == 401 and head.get("www-authenticate") is None:
            return failed(f"{what} gets 401 without WWW-Authenticate", line)
        if head.status == 403:
            return warned(f"{what} gets 403: clients ask for a new token at 401 only", line)
        if head.status != 401:
            return failed(f"{what} gets {head.status}: clients take it for something else than a missing token", line)
    return passed("401", without.response.line("www-authenticate"))


@rule("token-in-address", "No token travels in the address", "RFC 6750, section 2.3: addresses are logged and kept", needs=Needs.NOTHING)
def token_in_address(facts: Facts) -> Outcome:
    """Look at the address, and at what one with a token in it gets."""
    found = sorted(name for name in facts.query if name.lower().replace("-", "_") in IN_ADDRESS)
    if found:
        return warned(f"the address has the parameter {found[0]}; servers and proxies on the way log it", f"…?{found[0]}=…")
    exchange = facts.requests.get("token in address")
    if exchange is None:
        return unknown("it was not tried; with --token-command it is, as the token is then logged somewhere")
    if exchange.is_stream and not facts.requests["no token"].is_stream:
        return warned("the server takes a token from the address, so somebody will put one there, and it is logged", first_line(exchange))
    return passed("the server takes none from there", first_line(exchange))


@rule("token-expiry", "A stream ends with its token", "Whoever may no longer read must not go on reading", needs=Needs.HEAD)
def token_expiry(facts: Facts) -> Outcome:
    """Look at what came after the token's end."""
    expiring = facts.expiring
    if expiring is None:
        return unknown("no token that ends while the test lasts; --token-command that prints one does it")
    exchange, end = expiring.exchange, expiring.expires_at
    if not exchange.is_stream:
        return unknown("the stream with the token did not open")
    late = [piece for piece in exchange.pieces if piece.at > end + EXPIRED_S]
    if late:
        return failed(f"{late[-1].at - end:.0f} s after the end of its token the stream still brings something", show(late[-1].data))
    if exchange.is_left:
        if expiring.watched_until < end + EXPIRED_S:
            return unknown("the test ended before it could be seen")
        return failed(f"{expiring.watched_until - end:.0f} s after the end of its token the stream is still open")
    again = facts.requests.get("again")
    if exchange.is_broken_off and (exchange.ended < end - 1 or (again is not None and not again.is_broken_off)):
        return unknown("it broke off, which may have other reasons")
    return passed(f"it ended {max(0.0, exchange.ended - end):.1f} s after its token", show(exchange.body[-80:]))


@rule("refusals", "Who is refused learns when to come back", "RFC 9110, section 10.2.3, and RFC 6585, section 4", needs=Needs.NOTHING)
def refusals(facts: Facts) -> Outcome:
    """Look at all that was answered by 429 or 503."""
    refused = [exchange for exchange in facts.exchanges if exchange.head is not None and exchange.head.status in BUSY]
    if not refused:
        return unknown("nothing was refused; --load asks for many streams at once")
    for exchange in refused:
        if exchange.head is not None and exchange.head.get("retry-after") is None:
            return failed("a refusal has no Retry-After: clients come back when they like, all at once", first_line(exchange))
    return passed(f"{len(refused)} refusals have Retry-After", refused[0].response.line("retry-after"))
