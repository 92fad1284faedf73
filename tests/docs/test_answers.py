"""The answers about an account's books that the documentation shows have exactly the members that the server sends, in their order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pricewire.protocol.accounting_messages import ClosedContractsPage, ProfitAndLossBody, StatementBody
from pricewire.protocol.messages import Data
from pricewire.protocol.trading_messages import Amount
from support.doc_blocks import blocks

ANSWERS: dict[str, Any] = {
    '{"data":{"entries":': Data[StatementBody[Amount]],
    '{"data":{"results":': Data[ProfitAndLossBody[Amount]],
    '{"data":{"contracts":[{"contract_id":"5f': Data[ClosedContractsPage[Amount]],
}
"""What an answer is, by its beginning."""


@pytest.mark.parametrize("beginning", ANSWERS)
def test_an_answer_is_what_the_server_sends(beginning: str) -> None:
    (shown,) = [block.code.strip() for block in blocks("json") if block.page.name == "http.md" and block.code.startswith(beginning)]
    assert msgspec.json.encode(msgspec.json.decode(shown, type=ANSWERS[beginning])).decode() == shown
