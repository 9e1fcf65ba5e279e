"""Switches for what a test or the lab wants AWS to do next. They are no part of any AWS API.

POST a JSON object; POST /moto-api/reset sets every switch back.

/lab/target-health          {"target_group", "id", "state", "reason", "description"}: what DescribeTargetHealth says
/lab/default-target-health  {"state"}: what a newly registered target gets; moto's own is healthy
/lab/draining               {"keep"}: true keeps deregistered targets draining, false lets them all go
/lab/image-state            {"region", "image", "state"}: pending, available or failed
/lab/default-image-state    {"state"}: what CreateImage and CopyImage begin with; moto's own is available
/lab/quota                  {"region", "service", "code", "value"}: what Service Quotas says
/lab/default-lifecycle      {"state"}: what an instance of a group begins with; moto's own is InService
/lab/lifecycle              {"region", "instance", "state"}: what a pending instance of a group becomes
/lab/launch-failure         {"code", "message"}: Auto Scaling launches fail so; an empty code ends it, and groups catch up
"""

import json

from moto.core import DEFAULT_ACCOUNT_ID

DEFAULTS = {"target_health": "healthy", "draining": False, "image_state": "available", "launch_failure": None}
state = dict(DEFAULTS)
switches = {}


def switch(path):
    """Registers a function as what a POST of the path does."""

    def register(act):
        switches[path] = act
        return act

    return register


def account(body):
    return body.get("account", DEFAULT_ACCOUNT_ID)


@switch("/lab/default-image-state")
def default_image_state(body):
    state["image_state"] = body["state"]


@switch("/lab/default-target-health")
def default_target_health(body):
    state["target_health"] = body["state"]


def routes(app):
    """Answers the lab's paths and leaves all others to moto."""

    def call(environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path == "/moto-api/reset":
            state.clear()
            state.update(DEFAULTS)
        if not path.startswith("/lab/"):
            return app(environ, start_response)
        status, answer = act(path, environ["wsgi.input"].read())
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return call


def act(path, raw):
    if path not in switches:
        return "404 Not Found", {"error": f"no such switch: {path}", "switches": sorted(switches)}
    try:
        switches[path](json.loads(raw))
    except Exception as err:  # the caller is a test: tell it everything
        return "400 Bad Request", {"error": f"{type(err).__name__}: {err}"}
    return "200 OK", {}
