"""Target health, registration and deregistration."""

from moto.elbv2 import elbv2_backends
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup

import lab

register_targets = FakeTargetGroup.register
health = FakeTargetGroup.health_for

# docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
REASONS = {
    "initial": ("Elb.RegistrationInProgress", "Target registration is in progress"),
    "unhealthy": ("Target.FailedHealthChecks", "Health checks failed"),
    "draining": ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unused": ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"),
}


def shown(group, target_id, port, state, reason=None, description=None):
    known = REASONS.get(state, (None, None))
    return FakeHealthStatus(target_id, port, group.health_check_port, state, reason or known[0], description or known[1])


def kept(group, name):
    return group.__dict__.setdefault(name, {})


def register(self, targets):
    """docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html

    A new target begins with the lab's default health; one that is registered already keeps what it has.
    """
    new = [t["Id"] for t in targets if t["Id"] not in self.targets]
    register_targets(self, targets)
    for target_id in new:
        kept(self, "lab_draining").pop(target_id, None)
        kept(self, "lab_health").pop(target_id, None)
        if lab.state["target_health"] != "healthy":
            kept(self, "lab_health")[target_id] = (lab.state["target_health"], None, None)


def leave(self, target_id):
    target = self.targets.pop(target_id, None)
    if target is None:
        return
    kept(self, "lab_health").pop(target_id, None)
    self.deregistered_targets[target_id] = target
    if lab.state["draining"]:
        kept(self, "lab_draining")[target_id] = target


def deregister(self, targets):
    """docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html

    A target that is not registered is no error. Targets leave at once unless the lab keeps them draining.
    """
    for target in targets:
        leave(self, target["Id"])


def deregister_terminated_instances(self, instance_ids):
    for target_id in instance_ids:
        leave(self, target_id)


def health_for(self, target, ec2_backend):
    """docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html"""
    registered = self.targets.get(target["Id"])
    if registered is None and target["Id"] in kept(self, "lab_draining"):
        return shown(self, target["Id"], kept(self, "lab_draining")[target["Id"]]["Port"], "draining")
    if registered is not None and target["Id"] in kept(self, "lab_health"):
        return shown(self, target["Id"], registered["Port"], *kept(self, "lab_health")[target["Id"]])
    return health(self, target, ec2_backend)


describe = ELBv2Backend.describe_target_health


def describe_target_health(self, target_group_arn, targets):
    """Without a list of targets, those that drain are told too, as on AWS."""
    answer = describe(self, target_group_arn, targets)
    group = self.target_groups[target_group_arn]
    if not targets:
        answer += [group.health_for({"Id": i}, self.ec2_backend) for i in kept(group, "lab_draining")]
    return answer


def group_of(arn):
    _, _, _, region, account, _ = arn.split(":", 5)
    group = elbv2_backends[account][region].target_groups.get(arn)
    if group is None:
        raise ValueError(f"no target group {arn}")
    return group


@lab.switch("/lab/target-health")
def target_health(body):
    group = group_of(body["target_group"])
    if body["id"] not in group.targets:
        raise ValueError(f"{body['id']} is not registered in {group.name}; registered: {sorted(group.targets)}")
    if body["state"] not in ("healthy", *REASONS):
        raise ValueError(f"state {body['state']} is none of healthy, {', '.join(REASONS)}")
    kept(group, "lab_health")[body["id"]] = (body["state"], body.get("reason"), body.get("description"))


@lab.switch("/lab/draining")
def draining(body):
    lab.state["draining"] = bool(body["keep"])
    if not body["keep"]:
        for account in elbv2_backends.values():
            for backend in account.values():
                for group in backend.target_groups.values():
                    kept(group, "lab_draining").clear()


def install():
    FakeTargetGroup.register = register
    FakeTargetGroup.deregister = deregister
    FakeTargetGroup.deregister_terminated_instances = deregister_terminated_instances
    FakeTargetGroup.health_for = health_for
    ELBv2Backend.describe_target_health = describe_target_health
