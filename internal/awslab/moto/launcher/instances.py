"""Instances as their launch template says they are."""

import copy

from moto.ec2.exceptions import InvalidAMIIdError, MissingParameterError
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import convert_tag_spec
from moto.elbv2 import elbv2_backends

run = InstanceBackend.run_instances
terminate = InstanceBackend.terminate_instances


def devices(backend, ami, asked):
    """The volumes of an instance: those of its image, changed by those asked for.

    docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html: an entry for a device
    of the image overrides it. docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html: a volume of an
    encrypted snapshot is encrypted. moto makes a second volume beside its own default instead.
    """
    snapshot = ami.ebs_snapshot
    wanted = {
        ami.root_device_name: {
            "SnapshotId": snapshot.id,
            "VolumeSize": snapshot.volume_size,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        }
    }
    for device in asked or []:
        if "NoDevice" in device:
            wanted.pop(device["DeviceName"], None)
        elif "Ebs" in device:
            given = {k: v for k, v in device["Ebs"].items() if v is not None}
            wanted[device["DeviceName"]] = {**wanted.get(device["DeviceName"], {}), **given}
    for ebs in wanted.values():
        if not ebs.get("VolumeSize") and not ebs.get("SnapshotId"):
            raise MissingParameterError("size or snapshotId")
        source = backend.snapshots.get(ebs.get("SnapshotId"))
        ebs["Encrypted"] = bool(ebs.get("Encrypted")) or bool(source and source.encrypted)
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in wanted.items()]


def run_instances(self, image_id, count, user_data, security_group_names, **kwargs):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html: the request overrides its launch template.

    Adds to moto: metadata options, volumes, volume tags, instance profile, monitoring and network
    interfaces of the template; the primary network interface ends with its instance; ClientToken is idempotent.
    """
    token = kwargs.get("client_token")
    tokens = self.__dict__.setdefault("run_tokens", {})
    if token and token != "ABCDE" and token in tokens:  # ABCDE is what moto puts in for none
        return tokens[token]
    data = {}
    if kwargs.get("launch_template"):
        data = copy.deepcopy(self._get_template_from_args(kwargs["launch_template"]).data)
    image_id = image_id or data.get("ImageId")
    if image_id not in self.amis:
        raise InvalidAMIIdError(image_id)
    kwargs["metadata_options"] = kwargs.get("metadata_options") or data.get("MetadataOptions") or {}
    kwargs["block_device_mappings"] = devices(
        self, self.amis[image_id], kwargs.get("block_device_mappings") or data.get("BlockDeviceMappings")
    )
    if data.get("Monitoring", {}).get("Enabled"):
        kwargs["monitoring_state"] = "enabled"
    if not kwargs.get("nics") and data.get("NetworkInterfaces"):
        kwargs["nics"] = data["NetworkInterfaces"]
    tags = copy.deepcopy(kwargs.get("tags") or {})
    for kind, more in convert_tag_spec(data.get("TagSpecifications", [])).items():
        tags[kind] = {**more, **tags.get(kind, {})}
    kwargs["tags"] = tags
    reservation = run(self, image_id, count, user_data, security_group_names, **kwargs)
    for instance in reservation.instances:
        asked = [n for n in kwargs.get("nics") or [] if str(n.get("DeviceIndex", 0)) == "0"]
        if not asked or asked[0].get("DeleteOnTermination", True):
            instance.nics[0].delete_on_termination = True
    give_profile(self, reservation, data, kwargs)
    if token and token != "ABCDE":
        tokens[token] = reservation
    return reservation


def give_profile(self, reservation, data, kwargs):
    """Every instance gets its profile (moto: the first one, when the request itself names it)."""
    named = kwargs.get("iam_instance_profile_name") or kwargs.get("iam_instance_profile_arn")
    template = data.get("IamInstanceProfile", {})
    for number, instance in enumerate(reservation.instances):
        if named and number > 0:
            self.associate_iam_instance_profile(
                instance.id, kwargs.get("iam_instance_profile_name"), kwargs.get("iam_instance_profile_arn")
            )
        if not named and template:
            self.associate_iam_instance_profile(instance.id, template.get("Name"), template.get("Arn"))


def terminate_instances(self, instance_ids):
    """docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-register-targets.html

    A terminated instance leaves its target groups, whoever terminated it (moto: only by the EC2 API).
    """
    result = terminate(self, instance_ids)
    elbv2_backends[self.account_id][self.region_name].notify_terminate_instances(instance_ids)
    return result


def asked_devices(self):
    """As the request has them: what an entry leaves out comes from the image (moto: wants size or snapshot of each)."""
    return self._get_param("BlockDeviceMappings", [])


def install():
    InstanceResponse._parse_block_device_mapping = asked_devices
    InstanceBackend.run_instances = run_instances
    InstanceBackend.terminate_instances = terminate_instances
