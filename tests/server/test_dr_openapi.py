"""What `/dr/openapi.json` says is what the server does: schemathesis asks for all that it describes, and for what is wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.server.responding import NOON, place
from trex_market.server.dr_openapi import openapi
from trex_market.server.dr_rest import ROUTES

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


def test_every_route_is_described() -> None:
    described = json.loads(openapi(ROUTES))
    assert {(method.upper(), path) for path, ways in described["paths"].items() for method in ways} == {
        (route.method, route.path) for route in ROUTES
    }
    fields = described["components"]["schemas"]["NewEvent"]["properties"]
    assert fields["load_kwh"]["anyOf"][0] == {"type": "number", "description": "kWh"}


@pytest.mark.slow
async def test_the_description_is_true(tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        await market.invites(event_id="first", start=NOON)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            f"{market.server.own_url}/dr/openapi.json",
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            "15",
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "1",
            "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(150):
            said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()[-8000:]
        assert b"12" in said
