"""Auto Scaling groups: what they keep, what they refuse, and how they launch and end instances."""

from functools import wraps

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import ASG_NAME_TAG, AutoScalingBackend, FakeAutoScalingGroup, InstanceState, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random

import lab
import quotas

# What Create and Update take and Describe gives back, and moto drops.
# docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html
KEPT = {
    "AvailabilityZoneDistribution": "availability_zone_distribution",
    "AvailabilityZoneImpairmentPolicy": "availability_zone_impairment_policy",
    "CapacityReservationSpecification": "capacity_reservation_specification",
    "Context": "context",
    "DefaultInstanceWarmup": "default_instance_warmup",
    "DeletionProtection": "deletion_protection",
    "DesiredCapacityType": "desired_capacity_type",
    "InstanceLifecyclePolicy": "instance_lifecycle_policy",
    "InstanceMaintenancePolicy": "instance_maintenance_policy",
    "MaxInstanceLifetime": "max_instance_lifetime",
    "ServiceLinkedRoleARN": "service_linked_role_arn",
}
# What Update takes as well, and moto keeps only from Create.
# docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
KEPT_BY_UPDATE = {
    "CapacityRebalance": "capacity_rebalance",
    "DefaultCooldown": "default_cooldown",
    "PlacementGroup": "placement_group",
    "TerminationPolicies": "termination_policies",
}

create = AutoScalingResponse.create_auto_scaling_group
update = AutoScalingResponse.update_auto_scaling_group
update_model = AutoScalingBackend.update_auto_scaling_group
scale = FakeAutoScalingGroup.set_desired_capacity
detach = AutoScalingBackend.detach_instances


def not_found(name):
    return ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")


def group_of(self):
    name = self._get_param("AutoScalingGroupName")
    if name not in self.autoscaling_backend.autoscaling_groups:
        raise not_found(name)
    return self.autoscaling_backend.autoscaling_groups[name]


def of_a_known_group(method):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html: an unknown group is a ValidationError (moto: 500)."""

    @wraps(method)
    def checked(self):
        if self._get_param("AutoScalingGroupName"):
            group_of(self)
        return method(self)

    return checked


def keep(self, group, names):
    for parameter, attribute in names.items():
        value = self._get_param(parameter)
        if value is not None:
            setattr(group, attribute, value)


def check_sizes(low, high, desired):
    """docs.aws.amazon.com/autoscaling/ec2/userguide/asg-capacity-limits.html"""
    if low is not None and high is not None and low > high:
        raise ValidationError("Min bound must be less than or equal to max bound")
    if desired is not None and not low <= desired <= high:
        raise ValidationError(
            f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}"
        )


def create_auto_scaling_group(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html

    A name in use is AlreadyExists (moto replaces the group and forgets its instances). Lifecycle hooks and
    traffic sources of the request are kept, and all that KEPT lists.
    """
    backend, name = self.autoscaling_backend, self._get_param("AutoScalingGroupName")
    if name in backend.autoscaling_groups:
        raise AutoscalingClientError("AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists")
    if len(backend.autoscaling_groups) >= group_quota(backend):
        raise AutoscalingClientError("LimitExceeded", f"You have reached the limit of {group_quota(backend)} Auto Scaling groups")
    check_sizes(self._get_int_param("MinSize"), self._get_int_param("MaxSize"), self._get_int_param("DesiredCapacity"))
    create(self)
    group = backend.autoscaling_groups[name]
    keep(self, group, KEPT)
    for hook in self._get_param("LifecycleHookSpecificationList", []):
        put_hook(backend, name, hook)
    attach(backend, group, self._get_param("TrafficSources", []))
    return EmptyResult()


def update_auto_scaling_group(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html

    What the request leaves out stays as it is (moto loses the mixed instances policy).
    """
    group = group_of(self)
    low = self._get_int_param("MinSize")
    high = self._get_int_param("MaxSize")
    check_sizes(group.min_size if low is None else low, group.max_size if high is None else high, self._get_int_param("DesiredCapacity"))
    update(self)
    keep(self, group, KEPT | KEPT_BY_UPDATE)
    return EmptyResult()


def keep_mixed_instances_policy(self, name, **kwargs):
    group = self.autoscaling_groups[name]
    if not kwargs.get("launch_template") and not kwargs.get("launch_config_name"):
        kwargs["mixed_instances_policy"] = kwargs.get("mixed_instances_policy") or group.mixed_instances_policy
    return update_model(self, name=name, **kwargs)


def delete_auto_scaling_group(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html

    Without ForceDelete a group with instances is ResourceInUse; with it protected instances go too.
    Policies, scheduled actions and hooks go with the group.
    docs.aws.amazon.com/autoscaling/ec2/userguide/resource-deletion-protection.html: a protected group is a ValidationError.
    """
    group, backend = group_of(self), self.autoscaling_backend
    force = self._get_bool_param("ForceDelete", False)
    protection = getattr(group, "deletion_protection", "none")
    if protection == "prevent-all-deletion" or (protection == "prevent-force-deletion" and force):
        raise ValidationError(
            f"The Auto Scaling group {group.name} cannot be deleted because its deletion protection is set to {protection}"
        )
    if group.instance_states and not force:
        raise AutoscalingClientError(
            "ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group."
        )
    ids = [s.instance.id for s in group.instance_states]
    group.instance_states, group.desired_capacity = [], 0
    del backend.autoscaling_groups[group.name]
    if ids:
        backend.ec2_backend.terminate_instances(ids)
    for i in ids:
        tell(group, f"Terminating EC2 instance: {i}", "the group was deleted")
    for kept in (backend.policies, backend.scheduled_actions, backend.lifecycle_hooks):
        for key in [k for k, v in kept.items() if v.auto_scaling_group_name == group.name]:
            del kept[key]
    return EmptyResult()


def set_desired_capacity(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html: within the group's bounds."""
    group, desired = group_of(self), self._get_int_param("DesiredCapacity")
    if desired > group.max_size:
        raise ValidationError(f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the AutoScalingGroup.")
    if desired < group.min_size:
        raise ValidationError(f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the AutoScalingGroup.")
    self.autoscaling_backend.set_desired_capacity(group.name, desired)
    return EmptyResult()


# Launches and terminations.


def tell(group, description, cause, status="Successful", message=None):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html"""
    now = utcnow()
    activity = {
        "ActivityId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": description,
        "Cause": f"At {now.strftime('%Y-%m-%dT%H:%M:%SZ')} {cause}.",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": status,
        "StatusMessage": message,
        "Progress": 100,
        "AutoScalingGroupState": None,
    }
    group.autoscaling_backend.__dict__.setdefault("activities", []).insert(0, activity)


def describe_scaling_activities(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html: newest first (moto: none)."""
    backend, name = self.autoscaling_backend, self._get_param("AutoScalingGroupName")
    known = backend.__dict__.setdefault("activities", [])
    if name:
        known = [a for a in known if a["AutoScalingGroupName"] == name]
    if not self._get_bool_param("IncludeDeletedGroups", False):
        known = [a for a in known if a["AutoScalingGroupName"] in backend.autoscaling_groups]
    ids = self._get_param("ActivityIds", [])
    known = [a for a in known if not ids or a["ActivityId"] in ids]
    start = int(self._get_param("NextToken") or 0)
    end = start + (self._get_int_param("MaxRecords") or 100)
    return ActionResult({"Activities": known[start:end], "NextToken": str(end) if end < len(known) else None})


def suspended(group, *processes):
    return any(p in group._suspended_processes for p in processes)


def scale_group(self, new_capacity):
    """docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html

    With Launch suspended nothing is launched, with Terminate suspended nothing ends; the desired capacity is set all the same.
    """
    wanted = self.min_size if new_capacity is None else new_capacity
    delta = wanted - len(self.active_instances())
    if (delta > 0 and suspended(self, "Launch")) or (delta < 0 and suspended(self, "Terminate")):
        self.desired_capacity = wanted
        return
    before = {s.instance.id for s in self.instance_states}
    scale(self, new_capacity)
    for gone in sorted(before - {s.instance.id for s in self.instance_states}):
        tell(self, f"Terminating EC2 instance: {gone}", f"the desired capacity is {wanted}")


def launch(self, count_needed, propagated_tags):
    """docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html: instances are spread over the subnets.

    They are of the version that the group names (moto: of the template's default version) and of the first
    override's type. A launch that fails is a Failed activity and no error of the caller
    (docs.aws.amazon.com/autoscaling/ec2/userguide/CHAP_Troubleshooting.html).
    """
    tags = {**propagated_tags, ASG_NAME_TAG: self.name, **self.instance_tags}
    template = None
    if self.ec2_launch_template:
        template = {"LaunchTemplateId": self.ec2_launch_template.id, "Version": self.launch_template_version}
    overrides = (self.mixed_instances_policy or {}).get("LaunchTemplate", {}).get("Overrides") or [{}]
    for _ in range(count_needed):
        try:
            refuse_if_asked()
            reservation = self.ec2_backend.run_instances(
                self.image_id,
                1,
                self.user_data,
                self.security_groups,
                instance_type=overrides[0].get("InstanceType") or self.instance_type,
                tags={"instance": dict(tags)},
                launch_config=self.launch_config,
                launch_template=template,
                is_instance_type_default=False,
                associate_public_ip=self.launch_config.associate_public_ip_address if self.launch_config else None,
                **place(self),
            )
        except ServiceException as err:
            tell(self, "Launching a new EC2 instance", "the group was below its desired capacity", "Failed",
                 f"{err.message} ({err.code}). Launching EC2 instance failed.")
            continue
        for instance in reservation.instances:
            instance.autoscaling_group = self
            state = InstanceState(instance, protected_from_scale_in=self.new_instances_protected_from_scale_in)
            if self.ec2_launch_template:
                version = self.ec2_launch_template.get_version(self.launch_template_version).number
                state.launched_from_version = {
                    "LaunchTemplateId": self.ec2_launch_template.id,
                    "LaunchTemplateName": self.ec2_launch_template.name,
                    "Version": str(version),
                }
            self.instance_states.append(state)
            tell(self, f"Launching a new EC2 instance: {instance.id}", "the group was below its desired capacity")


def refuse_if_asked():
    failure = lab.state["launch_failure"]
    if failure:
        raise AutoscalingClientError(failure["code"], failure.get("message", ""))


def place(group):
    """The subnet, or without subnets the zone, with the fewest instances of the group."""
    subnets = (group.vpc_zone_identifier or "").split(",") if group.vpc_zone_identifier else []
    if subnets:
        used = [s.instance.subnet_id for s in group.instance_states]
        subnet = min(subnets, key=used.count)
        return {"subnet_id": subnet, "placement": None}
    used = [s.availability_zone for s in group.instance_states]
    return {"subnet_id": None, "placement": min(group.availability_zones, key=used.count)}


def launched_from(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Instance.html: the version the instance was launched from."""
    return self.__dict__.get("launched_from_version")


def notify_terminate_instances(self, instance_ids):
    """docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html

    An instance ended from outside is replaced, unless the processes for that are suspended, and its
    replacement is registered in the target groups (moto: not).
    """
    for group in self.autoscaling_groups.values():
        gone = [s for s in group.instance_states if s.instance.id in instance_ids]
        if not gone:
            continue
        group.instance_states = [s for s in group.instance_states if s not in gone]
        for state in gone:
            tell(group, f"Terminating EC2 instance: {state.instance.id}",
                 "an instance was taken out of service in response to an EC2 health check that indicated it had been terminated")
        if not suspended(group, "HealthCheck", "ReplaceUnhealthy"):
            group.set_desired_capacity(group.desired_capacity)
        self.update_attached_elbs(group.name)
        self.update_attached_target_groups(group.name)


def detach_instances(self, group_name, instance_ids, should_decrement):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html: they leave the target groups too."""
    group = self.autoscaling_groups[group_name]
    for state in group.instance_states:
        if state.instance.id in instance_ids:
            state.instance.autoscaling_group = group
    activities = detach(self, group_name, instance_ids, should_decrement)
    for arn in group.target_group_arns:
        self.elbv2_backend.deregister_targets(arn, [{"Id": i} for i in instance_ids])
    return activities


def state_of(self):
    wanted = self._get_param("InstanceId")
    for group in self.autoscaling_backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == wanted:
                return group, state
    raise ValidationError(f"Instance Id not found - No managed instance found for instance ID: {wanted}")


def terminate_instance_in_auto_scaling_group(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html

    It ends the instance, and replaces it unless the desired capacity is decremented, which must not fall below the minimum.
    """
    group, state = state_of(self)
    decrement = self._get_bool_param("ShouldDecrementDesiredCapacity", False)
    if decrement and group.desired_capacity - 1 < group.min_size:
        raise ValidationError(
            f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement will violate group's min size constraint."
        )
    before = group.desired_capacity
    activity = self.autoscaling_backend.terminate_instance(state.instance.id, decrement)
    tell(group, f"Terminating EC2 instance: {state.instance.id}", f"it was taken out of service at a user's request (capacity {before})")
    return ActionResult({"Activity": activity})


def set_instance_health(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html: an unhealthy instance is replaced (moto: only marked)."""
    status = self._get_param("HealthStatus")
    if status not in ("Healthy", "Unhealthy"):
        raise ValidationError("Valid instance health states are: [Healthy, Unhealthy]")
    group, state = state_of(self)
    state.health_status = status
    if status == "Unhealthy" and not suspended(group, "HealthCheck", "ReplaceUnhealthy"):
        replace(self.autoscaling_backend, group, [state], "it was marked unhealthy")
    return EmptyResult()


def replace(backend, group, states, why):
    group.instance_states = [s for s in group.instance_states if s not in states]
    backend.ec2_backend.terminate_instances([s.instance.id for s in states])
    for state in states:
        tell(group, f"Terminating EC2 instance: {state.instance.id}", why)
    group.set_desired_capacity(group.desired_capacity)


@lab.switch("/lab/launch-failure")
def launch_failure(body):
    lab.state["launch_failure"] = body if body.get("code") else None
    for account in autoscaling_backends.values():
        for backend in account.values():
            for group in backend.autoscaling_groups.values():
                group.set_desired_capacity(group.desired_capacity)


# Traffic sources, refreshes, hooks, policies, schedules, notifications, metrics, limits.


def attach(backend, group, sources):
    arns = [s["Identifier"] for s in sources if s.get("Type", "elbv2") == "elbv2"]
    others = [s for s in sources if s.get("Type", "elbv2") != "elbv2"]
    group.__dict__.setdefault("other_sources", []).extend(s for s in others if s not in group.other_sources)
    if arns:
        backend.attach_load_balancer_target_groups(group.name, arns)


def traffic_sources(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TrafficSourceIdentifier.html"""
    return [{"Identifier": a, "Type": "elbv2"} for a in self.target_group_arns] + self.__dict__.get("other_sources", [])


def attach_traffic_sources(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachTrafficSources.html"""
    attach(self.autoscaling_backend, group_of(self), self._get_param("TrafficSources", []))
    return EmptyResult()


def detach_traffic_sources(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachTrafficSources.html"""
    group, sources = group_of(self), self._get_param("TrafficSources", [])
    arns = [s["Identifier"] for s in sources if s["Identifier"] in group.target_group_arns]
    group.other_sources = [s for s in group.__dict__.get("other_sources", []) if s not in sources]
    self.autoscaling_backend.detach_load_balancer_target_groups(group.name, arns)
    return EmptyResult()


def describe_traffic_sources(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeTrafficSources.html"""
    kind = self._get_param("TrafficSourceType")
    sources = [s for s in group_of(self).traffic_sources if not kind or s["Type"] == kind]
    return ActionResult({"TrafficSources": [{"TrafficSource": s["Identifier"], "State": "InService", **s} for s in sources]})


def start_instance_refresh(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StartInstanceRefresh.html: all instances are replaced at once."""
    group, backend = group_of(self), self.autoscaling_backend
    target = (self._get_param("DesiredConfiguration") or {}).get("LaunchTemplate")
    if target:
        group._set_launch_configuration(None, target, None)
    if group.instance_states:
        replace(backend, group, list(group.instance_states), "an instance refresh was started")
    now = utcnow()
    refresh = {
        "InstanceRefreshId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "Status": "Successful",
        "StartTime": now,
        "EndTime": now,
        "PercentageComplete": 100,
        "InstancesToUpdate": 0,
        "Preferences": self._get_param("Preferences"),
        "DesiredConfiguration": self._get_param("DesiredConfiguration"),
    }
    group.__dict__.setdefault("refreshes", []).insert(0, refresh)
    return ActionResult({"InstanceRefreshId": refresh["InstanceRefreshId"]})


def describe_instance_refreshes(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeInstanceRefreshes.html"""
    ids = self._get_param("InstanceRefreshIds", [])
    known = group_of(self).__dict__.get("refreshes", [])
    return ActionResult({"InstanceRefreshes": [r for r in known if not ids or r["InstanceRefreshId"] in ids]})


def put_hook(backend, group_name, hook):
    kept = LifecycleHook(
        hook["LifecycleHookName"], group_name, hook.get("LifecycleTransition"), hook.get("HeartbeatTimeout"), hook.get("DefaultResult")
    )
    kept.role_arn, kept.notification_target_arn = hook.get("RoleARN"), hook.get("NotificationTargetARN")
    kept.notification_metadata = hook.get("NotificationMetadata")
    kept.global_timeout = min(172800, 100 * kept.heartbeat_timeout)
    backend.lifecycle_hooks[f"{group_name}_{hook['LifecycleHookName']}"] = kept


def put_lifecycle_hook(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html: role, target and metadata are kept (moto: constants)."""
    group = group_of(self)
    names = ("LifecycleHookName", "LifecycleTransition", "DefaultResult", "RoleARN", "NotificationTargetARN", "NotificationMetadata")
    hook = {n: self._get_param(n) for n in names}
    put_hook(self.autoscaling_backend, group.name, hook | {"HeartbeatTimeout": self._get_int_param("HeartbeatTimeout")})
    return EmptyResult()


class ByGroup(dict):
    """Policies or scheduled actions by group and name: two groups may use one name (moto: the second replaces the first).

    docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html,
    docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html
    """

    def __setitem__(self, name, value):
        super().__setitem__((value.auto_scaling_group_name, name), value)


def init(self, region_name, account_id):
    init_model(self, region_name, account_id)
    self.policies, self.scheduled_actions = ByGroup(), ByGroup()


init_model = AutoScalingBackend.__init__


def put_scaling_policy(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html: answers with the PolicyARN (moto: PolicyArn, which no SDK reads)."""
    put_policy(self)
    policy = self.autoscaling_backend.policies[(self._get_param("AutoScalingGroupName"), self._get_param("PolicyName"))]
    policy.enabled = self._get_bool_param("Enabled", True)
    policy.alarms = []
    return ActionResult({"PolicyARN": policy.arn})


put_policy = AutoScalingResponse.put_scaling_policy


def policy_key(self):
    """A policy by name and group, or by ARN alone."""
    group, name = self._get_param("AutoScalingGroupName"), self._get_param("PolicyName")
    for key, policy in self.autoscaling_backend.policies.items():
        if policy.arn == name or key == (group, name):
            return key
    raise ValidationError(f"PolicyName not found - {name}")


def delete_policy(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeletePolicy.html"""
    del self.autoscaling_backend.policies[policy_key(self)]
    return EmptyResult()


def execute_policy(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ExecutePolicy.html"""
    self.autoscaling_backend.policies[policy_key(self)].execute()
    return EmptyResult()


def delete_scheduled_action(self, auto_scaling_group_name, scheduled_action_name):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteScheduledAction.html"""
    if self.scheduled_actions.pop((auto_scaling_group_name, scheduled_action_name), None) is None:
        raise ValidationError("Scheduled action name not found")


def put_notification_configuration(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutNotificationConfiguration.html"""
    group = group_of(self)
    group.__dict__.setdefault("notifications", {})[self._get_param("TopicARN")] = self._get_param("NotificationTypes", [])
    return EmptyResult()


def delete_notification_configuration(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteNotificationConfiguration.html"""
    group_of(self).__dict__.setdefault("notifications", {}).pop(self._get_param("TopicARN"), None)
    return EmptyResult()


def describe_notification_configurations(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeNotificationConfigurations.html"""
    names = self._get_param("AutoScalingGroupNames", [])
    groups = [g for g in self.autoscaling_backend.autoscaling_groups.values() if not names or g.name in names]
    found = [
        {"AutoScalingGroupName": g.name, "TopicARN": topic, "NotificationType": kind}
        for g in groups
        for topic, kinds in g.__dict__.get("notifications", {}).items()
        for kind in kinds
    ]
    return ActionResult({"NotificationConfigurations": found})


ALL_METRICS = [
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances", "GroupPendingInstances",
    "GroupStandbyInstances", "GroupTerminatingInstances", "GroupTotalInstances",
]  # fmt: skip


def enable_metrics_collection(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html: none named means all; they add up."""
    group = group_of(self)
    more = self._get_param("Metrics") or ALL_METRICS
    group.metrics = group.metrics + [m for m in more if m not in group.metrics]
    return EmptyResult()


def disable_metrics_collection(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DisableMetricsCollection.html"""
    group, fewer = group_of(self), self._get_param("Metrics")
    group.metrics = [m for m in group.metrics if fewer and m not in fewer]
    return EmptyResult()


def group_quota(backend):
    return int(quotas.value(quotas.servicequotas_backends[backend.account_id][backend.region_name], "autoscaling", "L-CDE20ADC"))


def describe_account_limits(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAccountLimits.html"""
    backend = self.autoscaling_backend
    return ActionResult(
        {
            "MaxNumberOfAutoScalingGroups": group_quota(backend),
            "MaxNumberOfLaunchConfigurations": 200,
            "NumberOfAutoScalingGroups": len(backend.autoscaling_groups),
            "NumberOfLaunchConfigurations": len(backend.launch_configurations),
        }
    )


RESPONSES = (
    create_auto_scaling_group, update_auto_scaling_group, delete_auto_scaling_group, set_desired_capacity,
    describe_scaling_activities, terminate_instance_in_auto_scaling_group, set_instance_health,
    attach_traffic_sources, detach_traffic_sources, describe_traffic_sources, start_instance_refresh,
    describe_instance_refreshes, put_lifecycle_hook, put_scaling_policy, delete_policy, execute_policy,
    put_notification_configuration, delete_notification_configuration, describe_notification_configurations,
    enable_metrics_collection, disable_metrics_collection, describe_account_limits,
)  # fmt: skip

OF_ONE_GROUP = (
    "attach_instances", "detach_instances", "attach_load_balancer_target_groups", "detach_load_balancer_target_groups",
    "describe_load_balancer_target_groups", "suspend_processes", "resume_processes", "set_instance_protection",
    "put_warm_pool", "describe_warm_pool", "delete_warm_pool", "put_scheduled_update_group_action",
    "batch_put_scheduled_update_group_action", "put_scaling_policy", "enter_standby", "exit_standby",
)  # fmt: skip


def create_or_update_tags(self):
    """docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateOrUpdateTags.html: a group that is not there is an error (moto: 500)."""
    for tag in self._get_param("Tags", []):
        if tag["ResourceId"] not in self.autoscaling_backend.autoscaling_groups:
            raise not_found(tag["ResourceId"])
    return tag_groups(self)


tag_groups = AutoScalingResponse.create_or_update_tags


def install():
    for method in RESPONSES:
        setattr(AutoScalingResponse, method.__name__, method)
    for name in OF_ONE_GROUP:
        setattr(AutoScalingResponse, name, of_a_known_group(getattr(AutoScalingResponse, name)))
    AutoScalingResponse.create_or_update_tags = create_or_update_tags
    AutoScalingBackend.__init__ = init
    AutoScalingBackend.update_auto_scaling_group = keep_mixed_instances_policy
    AutoScalingBackend.notify_terminate_instances = notify_terminate_instances
    AutoScalingBackend.detach_instances = detach_instances
    AutoScalingBackend.delete_scheduled_action = delete_scheduled_action
    FakeAutoScalingGroup.set_desired_capacity = scale_group
    FakeAutoScalingGroup.replace_autoscaling_group_instances = launch
    FakeAutoScalingGroup.traffic_sources = property(traffic_sources)
    FakeAutoScalingGroup.deletion_protection = "none"
    InstanceState.launch_template = property(launched_from)
