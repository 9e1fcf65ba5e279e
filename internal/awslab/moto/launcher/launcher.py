"""Runs moto in server mode with what it lacks of AWS; usage: launcher.py PORT.

Every addition names the AWS page it follows. docs/aws-testing.md lists them all.
"""

import os
import sys
import threading

# As AWS does, refuse images and instance types that are not there.
# docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "true")
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")

from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple  # noqa: E402

import cbor  # noqa: E402
import changes  # noqa: E402
import groups  # noqa: E402
import images  # noqa: E402
import instances  # noqa: E402
import lab  # noqa: E402
import lifecycle  # noqa: E402
import metrics  # noqa: E402
import quotas  # noqa: E402
import targets  # noqa: E402
import templates  # noqa: E402


class QuietHandler(MotoRequestHandler):
    """Logs nothing per request: tests and the lab make thousands of them."""

    def log_request(self, code="-", size="-"):
        pass


def one_at_a_time(app):
    """Lets one request act at a time: moto's models are not made for threads, and an AWS call is atomic."""
    lock = threading.RLock()

    def call(environ, start_response):
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else b""
        environ["wsgi.input"] = cbor.Body(body)
        with lock:
            return list(app(environ, start_response))

    return call


def main(port):
    for additions in (images, templates, instances, groups, lifecycle, targets, quotas, metrics):
        additions.install()
    app = lab.routes(cbor.translate(DomainDispatcherApplication(create_backend_app)))
    run_simple("127.0.0.1", port, changes.watch(one_at_a_time(app)), threaded=True, request_handler=QuietHandler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
