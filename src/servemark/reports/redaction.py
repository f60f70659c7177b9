"""Clears a run of secrets before it leaves the machine in a report."""

from __future__ import annotations

import re

import msgspec

from servemark.domain.run import Run

HIDDEN = "***"
_VALUE = r"(?:'[^']*'|\"[^\"]*\"|\S+)"
_SECRET = r"(?:key|token(?!s)|secret|password|authorization)"
_OPTION = re.compile(rf"(--?[\w-]*(?:{_SECRET}|header)[\w-]*)(=|\s+){_VALUE}", re.I)
_VARIABLE = re.compile(rf"(?<![?&\w])(\w*{_SECRET})={_VALUE}", re.I)
_USER = re.compile(r"(\w+://)[^/@\s]+@")
_QUERY = re.compile(rf"([?&][\w-]*(?:{_SECRET}|sig)[\w-]*=)[^&\s'\"]+", re.I)
_BEARER = re.compile(r"\b(Bearer\s+)[^\s'\"]+", re.I)
_NAME = re.compile(rf"(?:^|[_-])(?:api)?{_SECRET}$", re.I)


def without_secrets(run: Run) -> Run:
    """The same run with keys, tokens and passwords in title, command line, address and settings hidden."""
    provenance = msgspec.structs.replace(run.provenance, command=hide_secrets(run.provenance.command))
    endpoint = run.endpoint
    if endpoint is not None:
        settings = {
            name: HIDDEN if _NAME.search(name) else hide_secrets(value)
            for name, value in endpoint.settings.items()
        }
        endpoint = msgspec.structs.replace(endpoint, url=hide_secrets(endpoint.url), settings=settings)
    return msgspec.structs.replace(
        run, title=hide_secrets(run.title), provenance=provenance, endpoint=endpoint
    )


def hide_secrets(text: str) -> str:
    """Options, variables, query fields and user parts that carry a credential become `***`."""
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(rf"\1\2{HIDDEN}", text)
    return _VARIABLE.sub(rf"\1={HIDDEN}", text)
