"""A server with the price list's API (JSON 1.1, GetProducts) and products in its documented shape."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


def offer(usage: str, amount: float, *, free: float = 0, currency: str = "USD", **attributes: str) -> dict[str, Any]:
    """Return one product; with `free` so many units cost nothing, as the list writes steps."""
    steps = [{"beginRange": str(free), "endRange": "Inf", "unit": "x", "pricePerUnit": {currency: f"{amount:.10f}"}}]
    if free:
        steps.append(
            {"beginRange": "0", "endRange": str(free), "unit": "x", "pricePerUnit": {currency: "0.0000000000"}}
        )
    return {
        "product": {"productFamily": "x", "attributes": {"usagetype": usage, **attributes}, "sku": usage},
        "serviceCode": "x",
        "terms": {"OnDemand": {f"{usage}.T": {"priceDimensions": {str(at): step for at, step in enumerate(steps)}}}},
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


class PriceList:
    """Answers each question with `offers` of its service, two on a page; `refusal` is an error's code instead."""

    def __init__(self) -> None:
        self.offers: dict[str, list[dict[str, Any]]] = {}
        self.refusal = ""
        self.asked: list[Mapping[str, Any]] = []
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, content = answer(self.headers["X-Amz-Target"], question)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _answer(self, target: str, question: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        assert target == "AWSPriceListService.GetProducts"
        self.asked.append(question)
        if self.refusal:
            return 400, {"__type": f"com.amazonaws.pricing#{self.refusal}", "message": "no"}
        wanted = {term["Field"]: term["Value"] for term in question["Filters"]}
        found = [
            each
            for each in self.offers.get(question["ServiceCode"], [])
            if wanted.items() <= each["product"]["attributes"].items()
        ]
        start = int(question.get("NextToken", 0))
        content: dict[str, Any] = {
            "FormatVersion": "aws_v1",
            "PriceList": [json.dumps(each) for each in found[start : start + 2]],
        }
        if start + 2 < len(found):
            content["NextToken"] = str(start + 2)
        return 200, content

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
