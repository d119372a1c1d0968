"""Turn nouns into bytes and back; text and numbers that JSON cannot hold are made to fit."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from aiops.model import Incident, Notification

# Stands in for an infinite surprise; JSON has no infinity and null would mean "don't know".
LARGEST = 1e300


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no plain value; put it into an array or drop it")


_json = msgspec.json.Encoder(enc_hook=_plain_number)
_msgpack = msgspec.msgpack.Encoder(enc_hook=_plain_number)
_incident = msgspec.json.Decoder(Incident)
_notification = msgspec.json.Decoder(Notification)


def encode_incident(incident: Incident) -> bytes:
    """Return the picture as JSON, safe for hostile text."""
    return _encode(incident)


def decode_incident(data: bytes) -> Incident:
    """Return the picture; raise ``msgspec.MsgspecError`` when it is none."""
    return _incident.decode(data)


def encode_notification(notification: Notification) -> bytes:
    """Return the message with all its channel needs as JSON."""
    return _encode(notification)


def decode_notification(data: bytes) -> Notification:
    """Return the message; raise ``msgspec.MsgspecError`` when it is none."""
    return _notification.decode(data)


def encode_values(values: object) -> bytes:
    """Return plain values as MessagePack; text with lone surrogates is replaced, not refused."""
    try:
        return _msgpack.encode(values)
    except UnicodeEncodeError:
        return _msgpack.encode(
            _fitting(msgspec.to_builtins(values, enc_hook=_plain_number), json=False)
        )


def _encode(noun: Incident | Notification) -> bytes:
    incident = noun if isinstance(noun, Incident) else noun.transition.incident
    if all(math.isfinite(a.surprise) and math.isfinite(a.threshold) for a in incident.anomalies):
        try:
            return _json.encode(noun)
        except UnicodeEncodeError:
            pass
    return _json.encode(_fitting(msgspec.to_builtins(noun, enc_hook=_plain_number), json=True))


def _fitting(value: Any, *, json: bool) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if json and isinstance(value, float) and math.isinf(value):
        return math.copysign(LARGEST, value)
    if isinstance(value, dict):
        return {_fitting(k, json=json): _fitting(v, json=json) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_fitting(v, json=json) for v in value]
    return value
