"""Speaks Smithy RPC v2 CBOR to clients and AWS JSON 1.0 to moto, which knows no CBOR.

smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

import datetime
import gzip
import io
import json
import re

from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer
from moto.core.utils import get_service_model

PATH = re.compile(r"^/service/(?P<target>[^/]+)/operation/(?P<operation>[^/]+)$")
SERVICES = {"GraniteServiceVersion20100801": "cloudwatch"}
Body = io.BytesIO


def decode(body):
    parser = RpcV2CBORParser()
    return parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}


def plain(value):
    """CBOR values as JSON knows them: times become seconds since the epoch."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"no JSON form of {type(value)}")


def typed(value, shape):
    """A JSON answer with the times and numbers that its shape asks for."""
    if shape.type_name == "structure":
        return {k: typed(v, shape.members[k]) for k, v in value.items() if k in shape.members and v is not None}
    if shape.type_name == "list":
        return [typed(v, shape.member) for v in value]
    if shape.type_name == "map":
        return {k: typed(v, shape.value) for k, v in value.items()}
    if shape.type_name == "timestamp":
        return datetime.datetime.fromtimestamp(value, tz=datetime.timezone.utc)
    if shape.type_name in ("float", "double"):
        return float(value)
    return value


def encode(value, shape):
    body = bytearray()
    RpcV2CBORSerializer()._serialize_data_item(body, typed(value, shape), shape)
    return bytes(body)


def text(value):
    """A CBOR text string of less than 64 KiB."""
    raw = value.encode()[:65535]
    return b"\x79" + len(raw).to_bytes(2, "big") + raw


def translate(app):
    def call(environ, start_response):
        found = PATH.match(environ.get("PATH_INFO", ""))
        if not found or found["target"] not in SERVICES:
            return app(environ, start_response)
        operation = get_service_model(SERVICES[found["target"]]).operation_model(found["operation"])
        raw = environ["wsgi.input"].read()
        if environ.pop("HTTP_CONTENT_ENCODING", "") == "gzip":  # the SDK compresses PutMetricData
            raw = gzip.decompress(raw)
        body = json.dumps(decode(raw), default=plain).encode()
        environ.update(
            {
                "PATH_INFO": "/",
                "RAW_URI": "/",
                "REQUEST_URI": "/",
                "CONTENT_TYPE": "application/x-amz-json-1.0",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_X_AMZ_TARGET": f"{found['target']}.{found['operation']}",
                "wsgi.input": Body(body),
            }
        )
        answered = {}

        def started(status, headers, exc_info=None):
            answered.update(status=status, headers=headers)

        raw = b"".join(app(environ, started))
        status = answered["status"]
        kept = [h for h in answered["headers"] if h[0].lower() not in ("content-type", "content-length")]
        if status.startswith("2"):
            shape = operation.output_shape
            out = encode(json.loads(raw or b"{}"), shape) if shape is not None else b"\xa0"
        else:
            out = failure(raw)
        start_response(
            status,
            kept
            + [
                ("Content-Type", "application/cbor"),
                ("Content-Length", str(len(out))),
                ("smithy-protocol", "rpc-v2-cbor"),
            ],
        )
        return [out]

    return call


def failure(raw):
    """A Smithy error in CBOR: its type and its message."""
    try:
        error = json.loads(raw)
    except ValueError:
        error = {"__type": "InternalFailure", "message": raw.decode(errors="replace")[:500]}
    message = error.get("message") or error.get("Message") or ""
    return b"\xa2" + text("__type") + text(error.get("__type", "")) + text("message") + text(message)
