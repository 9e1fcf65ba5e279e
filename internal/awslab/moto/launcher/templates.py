"""Launch templates."""

import copy

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data


def no_such_id(template_id):
    return EC2ClientError(
        "InvalidLaunchTemplateId.NotFound", f"The specified launch template, with template ID {template_id}, does not exist."
    )


def no_such_name(name):
    return EC2ClientError(
        "InvalidLaunchTemplateName.NotFoundException",
        f"The specified launch template, with template name {name}, does not exist.",
    )


def find(self):
    """The template that the request names. docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html"""
    backend, name, tid = self.ec2_backend, self._get_param("LaunchTemplateName"), self._get_param("LaunchTemplateId")
    if name and name not in backend.launch_template_name_to_ids:
        raise no_such_name(name)
    tid = tid or backend.launch_template_name_to_ids.get(name)
    if tid not in backend.launch_templates:
        raise no_such_id(tid)
    return backend.launch_templates[tid]


def shown(self, template):
    return {
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:{self.partition}:iam::{self.current_account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Tags": template.get_tags() and [{"Key": t["key"], "Value": t["value"]} for t in template.get_tags()],
    }


def template_data(self):
    """moto wants user data wrapped in a class of its own and fails on a plain string at launch."""
    data = self._get_param("LaunchTemplateData", {})
    if "UserData" in data:
        data["UserData"] = parse_user_data(data["UserData"])
    return data


def once(self, action, make):
    """docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html: the same client token gives the same answer."""
    tokens = self.ec2_backend.__dict__.setdefault("template_tokens", {})
    token = self._get_param("ClientToken")
    if not token:
        return make()
    asked = repr({k: v for k, v in self._get_params().items()})
    known = tokens.setdefault((action, token), (asked, None))
    if known[0] != asked:
        raise EC2ClientError(
            "IdempotentParameterMismatch", "The request uses the same client token as a previous, but non-identical request."
        )
    if known[1] is None:
        try:
            tokens[(action, token)] = (asked, make())
        except Exception:
            del tokens[(action, token)]
            raise
    return tokens[(action, token)][1]


def create_launch_template(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html

    The template's own tags are no part of its data; ClientToken makes it idempotent.
    """
    self.error_on_dryrun()

    def make():
        tags = self._parse_tag_specification()
        template = self.ec2_backend.create_launch_template(
            self._get_param("LaunchTemplateName"), self._get_param("VersionDescription"), template_data(self), tags
        )
        return shown(self, template)

    return ActionResult({"LaunchTemplate": once(self, "create", make)})


def create_launch_template_version(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html

    SourceVersion gives what the request leaves out; ClientToken makes it idempotent.
    """
    self.error_on_dryrun()
    template = find(self)

    def make():
        data = template_data(self)
        source = self._get_param("SourceVersion")
        if source:
            data = {**copy.deepcopy(template.get_version(source).data), **data}
        return template.create_version(data, self._get_param("VersionDescription"))

    version = once(self, "version", make)
    return ActionResult(
        {
            "LaunchTemplateVersion": {
                "CreateTime": version.create_time,
                "CreatedBy": f"arn:{self.partition}:iam::{self.current_account}:root",
                "DefaultVersion": template.is_default(version),
                "LaunchTemplateData": version.data,
                "LaunchTemplateId": template.id,
                "LaunchTemplateName": template.name,
                "VersionDescription": version.description,
                "VersionNumber": version.number,
            }
        }
    )


def delete_launch_template(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplate.html"""
    self.error_on_dryrun()
    template = find(self)
    answer = shown(self, template)
    self.ec2_backend.delete_launch_template(None, template.id)
    return ActionResult({"LaunchTemplate": answer})


def describe_launch_templates(self):
    """docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplates.html

    Pages of 200 with a token (moto: the first 15, no token); an unknown id or name is an error.
    """
    self.error_on_dryrun()
    backend = self.ec2_backend
    ids, names = self._get_param("LaunchTemplateIds", []), self._get_param("LaunchTemplateNames", [])
    for tid in ids:
        if tid not in backend.launch_templates:
            raise no_such_id(tid)
    for name in names:
        if name not in backend.launch_template_name_to_ids:
            raise no_such_name(name)
    all_of_them = backend.describe_launch_templates(names, ids, self._filters_from_querystring())
    start = int(self._get_param("NextToken") or 0)
    end = start + (self._get_int_param("MaxResults") or 200)
    return ActionResult(
        {
            "LaunchTemplates": [shown(self, t) for t in all_of_them[start:end]],
            "NextToken": str(end) if end < len(all_of_them) else None,
        }
    )


def install():
    LaunchTemplates.create_launch_template = create_launch_template
    LaunchTemplates.create_launch_template_version = create_launch_template_version
    LaunchTemplates.delete_launch_template = delete_launch_template
    LaunchTemplates.describe_launch_templates = describe_launch_templates
