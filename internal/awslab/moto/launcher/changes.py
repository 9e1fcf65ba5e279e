"""Tells the lab's data plane when EC2, Auto Scaling or the load balancer were changed.

GET /lab/changes?region=&since=N: waits a moment until a changing call was made after the N-th one
in the region; answers {"changes": M, "actions": [...]}.
POST /lab/applied {"region", "changes"}: the data plane does all that was asked for up to then.

Once a data plane says what it has applied, calls that move traffic or end instances answer when it has
followed them, at the latest after WAIT seconds. AWS answers before that; the emulator has ended an
instance, or moved a listener's traffic, by the time it answers, so what stands behind it does the same.
Calls with the header X-Switchyard-Lab are the data plane's own and do not wait.
"""

import io
import json
import re
import threading
from urllib.parse import parse_qs

HOLD, WAIT, KEPT = 2, 5, 500
ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z]+)")
REGION = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/")
READS = ("Describe", "Get", "List")
FOLLOWED = {
    "CreateListener", "ModifyListener", "CreateRule", "ModifyRule", "DeleteRule", "SetRulePriorities",
    "RegisterTargets", "DeregisterTargets", "TerminateInstances", "TerminateInstanceInAutoScalingGroup",
    "DeleteAutoScalingGroup", "UpdateAutoScalingGroup", "SetDesiredCapacity", "DetachInstances",
    "DetachLoadBalancerTargetGroups", "DetachTrafficSources",
}  # fmt: skip

changed = threading.Condition()
made, applied, actions = {}, {}, {}


def watch(app):
    def call(environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path == "/lab/changes":
            return answer(start_response, since(parse_qs(environ.get("QUERY_STRING", ""))))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if path == "/lab/applied":
            return answer(start_response, follow(json.loads(body)))
        environ["wsgi.input"] = io.BytesIO(body)
        out = app(environ, start_response)
        found, region = ACTION.search(body), REGION.search(environ.get("HTTP_AUTHORIZATION", ""))
        if found and region and not found[1].decode().startswith(READS):
            number = note(region[1], found[1].decode())
            if found[1].decode() in FOLLOWED and "HTTP_X_SWITCHYARD_LAB" not in environ:
                with changed:
                    changed.wait_for(lambda: applied.get(region[1], number) >= number, WAIT)
        return out

    return call


def answer(start_response, content):
    body = json.dumps(content).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def note(region, action):
    with changed:
        made[region] = made.get(region, 0) + 1
        actions[region] = (actions.get(region, []) + [(made[region], action)])[-KEPT:]
        changed.notify_all()
        return made[region]


def since(query):
    region, number = query["region"][0], int(query["since"][0])
    with changed:
        changed.wait_for(lambda: made.get(region, 0) > number, HOLD)
        return {
            "changes": made.get(region, 0),
            "actions": sorted({name for at, name in actions.get(region, []) if at > number}),
        }


def follow(body):
    with changed:
        applied[body["region"]] = body["changes"]
        changed.notify_all()
    return {}
