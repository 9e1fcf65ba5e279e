"""Instances of Auto Scaling groups that are not in service from their first moment."""

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.models import FakeAutoScalingGroup, InstanceState

import lab

lab.DEFAULTS["lifecycle"] = lab.state["lifecycle"] = "InService"

init_model = InstanceState.__init__


def init(self, *args, **kwargs):
    """docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html: launched instances begin as Pending.

    moto knows no other state than InService then; the lab says when an instance has come up.
    """
    init_model(self, *args, **kwargs)
    if self.lifecycle_state == "InService":
        self.lifecycle_state = lab.state["lifecycle"]


def active(self):
    """Pending instances count for the group's size."""
    return [s for s in self.instance_states if s.lifecycle_state in ("Pending", "InService")]


@lab.switch("/lab/default-lifecycle")
def default_lifecycle(body):
    lab.state["lifecycle"] = body["state"]


@lab.switch("/lab/lifecycle")
def lifecycle(body):
    for group in autoscaling_backends[lab.account(body)][body["region"]].autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == body["instance"] and state.lifecycle_state == "Pending":
                state.lifecycle_state = body["state"]


def install():
    InstanceState.__init__ = init
    FakeAutoScalingGroup.active_instances = active
