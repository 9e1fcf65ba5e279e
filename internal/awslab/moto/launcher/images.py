"""AMIs and their snapshots."""

import re

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError, InvalidTaggableResourceType, MalformedAMIIdError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id

import lab

AMI_ID = re.compile(r"^ami-([0-9a-f]{8}|[0-9a-f]{17})$")

describe = AmiBackend.describe_images
deregister = AmiBackend.deregister_image
attribute = AmiBackend.describe_image_attribute
register = AmiBackend.register_image
mappings = Ami.block_device_mappings


def tags_of(specifications, kind):
    return {t["Key"]: t["Value"] for s in specifications if s["ResourceType"] == kind for t in s.get("Tags", [])}


def check_tag_types(specifications):
    for s in specifications:
        if s["ResourceType"] not in ("image", "snapshot"):
            raise InvalidTaggableResourceType(s["ResourceType"])


def check_name_is_free(backend, name):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html InvalidAMIName.Duplicate"""
    for ami in backend.amis.values():
        if ami.name == name and ami.owner_id == backend.account_id:
            raise EC2ClientError(
                "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {ami.id}"
            )


def create_image(self, instance_id, name, description, tag_specifications):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html: TagSpecification for image and snapshot.

    The snapshot is encrypted when the volume it is taken of is.
    """
    check_tag_types(tag_specifications)
    check_name_is_free(self, name)
    instance = self.get_instance(instance_id)
    ami_id = random_ami_id()
    ami = Ami(
        self,
        ami_id,
        instance=instance,
        name=name,
        description=description,
        state=lab.state["image_state"],
        root_device_name=instance.root_device_name,
        root_device_type="ebs",
        snapshot_description=f"Created by CreateImage({instance_id}) for {ami_id}",
    )
    root = instance.block_device_mapping.get(instance.root_device_name)
    if root is not None:
        volume = self.volumes[root.volume_id]
        ami.ebs_snapshot.encrypted, ami.ebs_snapshot.kms_key_id = volume.encrypted, volume.kms_key_id
    ami.add_tags(tags_of(tag_specifications, "image"))
    ami.ebs_snapshot.add_tags(tags_of(tag_specifications, "snapshot"))
    self.amis[ami_id] = ami
    return ami


def copy_image(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html

    ClientToken makes it idempotent, Encrypted encrypts the copy's snapshot (an encrypted
    source stays so), CopyImageTags brings the image's own tags, TagSpecification tags image and snapshot.
    """
    self.error_on_dryrun()
    backend = self.ec2_backend
    tokens = backend.__dict__.setdefault("copy_tokens", {})
    token = self._get_param("ClientToken")
    if token and token in tokens:
        return ActionResult({"ImageId": tokens[token]})
    specifications = self._get_param("TagSpecifications", [])
    check_tag_types(specifications)
    name, region = self._get_param("Name"), self._get_param("SourceRegion")
    found = ec2_backends[self.current_account][region].describe_images(ami_ids=[self._get_param("SourceImageId")])
    if not found:
        raise InvalidAMIIdError(self._get_param("SourceImageId"))
    source = found[0]
    check_name_is_free(backend, name)
    ami = Ami(
        backend,
        random_ami_id(),
        source_ami=source,
        name=name,
        description=self._get_param("Description"),
        state=lab.state["image_state"],
        root_device_name=source.root_device_name,
        root_device_type=source.root_device_type,
        snapshot_description=f"Copied for DestinationAmi from SourceAmi {source.id} for SourceSnapshot {source.ebs_snapshot.id}",
    )
    ami.source_image_id, ami.source_image_region = source.id, region
    ami.ebs_snapshot.encrypted = bool(self._get_param("Encrypted", False)) or source.ebs_snapshot.encrypted
    ami.ebs_snapshot.kms_key_id = self._get_param("KmsKeyId") if ami.ebs_snapshot.encrypted else None
    if self._get_param("CopyImageTags", False):
        ami.add_tags({t["key"]: t["value"] for t in source.get_tags() if not t["key"].startswith("aws:")})
    ami.add_tags(tags_of(specifications, "image"))
    ami.ebs_snapshot.add_tags(tags_of(specifications, "snapshot"))
    backend.amis[ami.id] = ami
    if token:
        tokens[token] = ami.id
    return ActionResult({"ImageId": ami.id})


def describe_images(self, ami_ids=None, filters=None, exec_users=None, owners=None):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html

    One malformed or unknown id among known ones is an error too. A deregistered id gives an empty answer
    (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html).
    """
    malformed = [i for i in ami_ids or [] if i not in self.amis and not AMI_ID.match(i)]
    if malformed:
        raise MalformedAMIIdError(malformed)
    unknown = [i for i in ami_ids or [] if i not in self.amis and i not in self.deleted_amis]
    if unknown:
        raise InvalidAMIIdError(unknown)
    return describe(self, ami_ids, filters, exec_users, owners)


def describe_image_attribute(self, ami_id, attribute_name):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html InvalidAMIID.NotFound"""
    if ami_id not in self.amis:
        raise InvalidAMIIdError(ami_id)
    return attribute(self, ami_id, attribute_name)


def register_image(self, name=None, description=None):
    check_name_is_free(self, name)
    return register(self, name, description)


def deregister_image(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html

    Snapshots stay unless DeleteAssociatedSnapshots is true; the answer then says what became of each.
    """
    self.error_on_dryrun()
    backend, image = self.ec2_backend, self._get_param("ImageId")
    snapshot = backend.amis[image].ebs_snapshot.id if image in backend.amis else None
    deregister(backend, image)
    answer = {"Return": True}
    if snapshot in backend.snapshots and self._get_param("DeleteAssociatedSnapshots", False):
        backend.snapshots.pop(snapshot)
        answer["DeleteSnapshotResults"] = [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    return ActionResult(answer)


def enable_image_deprecation(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html"""
    return set_deprecation(self, self._get_param("DeprecateAt"))


def disable_image_deprecation(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImageDeprecation.html"""
    return set_deprecation(self, None)


def set_deprecation(self, when):
    self.error_on_dryrun()
    backend, image = self.ec2_backend, self._get_param("ImageId")
    if image not in backend.amis:
        raise InvalidAMIIdError(image)
    if when is not None and when.replace(tzinfo=None) < utcnow():
        raise EC2ClientError("InvalidParameterValue", "DeprecateAt must be in the future")
    # Rounded to the minute, as the page says.
    backend.amis[image].deprecation_time = when and when.replace(second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return ActionResult({"Return": True})


def block_device_mappings(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html: Encrypted tells of the snapshot."""
    answer = mappings.fget(self)
    answer[0]["Ebs"]["Encrypted"] = self.ebs_snapshot.encrypted
    return answer


@lab.switch("/lab/image-state")
def image_state(body):
    ec2_backends[lab.account(body)][body["region"]].amis[body["image"]].state = body["state"]


def install():
    AmiBackend.create_image = create_image
    AmiBackend.describe_images = describe_images
    AmiBackend.describe_image_attribute = describe_image_attribute
    AmiBackend.register_image = register_image
    AmisResponse.copy_image = copy_image
    AmisResponse.deregister_image = deregister_image
    AmisResponse.enable_image_deprecation = enable_image_deprecation
    AmisResponse.disable_image_deprecation = disable_image_deprecation
    Ami.block_device_mappings = property(block_device_mappings)
