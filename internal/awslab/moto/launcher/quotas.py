"""Service quotas that a release looks at.

docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html; the codes and the values of groups
and templates are those of docs.aws.amazon.com/general/latest/gr/ec2-service.html and
docs.aws.amazon.com/general/latest/gr/as.html. A new account has 5 vCPUs there; here it is 256, so that fleets fit.
moto knows quotas of VPC alone.
"""

import json

from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse

import lab

KNOWN = {
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 256.0),
    ("ec2", "L-FB451C26"): ("Launch templates per Region", 5000.0),
    ("autoscaling", "L-CDE20ADC"): ("Auto Scaling groups per region", 500.0),
}
original = ServiceQuotasBackend.get_service_quota


def value(backend, service, code):
    return backend.__dict__.setdefault("lab_quotas", {}).get((service, code), KNOWN[(service, code)][1])


def get_service_quota(self, service_code, quota_code):
    if (service_code, quota_code) not in KNOWN:
        return original(self, service_code, quota_code)
    return {
        "ServiceCode": service_code,
        "QuotaCode": quota_code,
        "QuotaName": KNOWN[(service_code, quota_code)][0],
        "QuotaArn": f"arn:aws:servicequotas:{self.region_name}:{self.account_id}:{service_code}/{quota_code}",
        "Value": value(self, service_code, quota_code),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def list_service_quotas(self):
    """docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html"""
    service = json.loads(self.body).get("ServiceCode")
    return json.dumps({"Quotas": [self.backend.get_service_quota(s, c) for s, c in KNOWN if s == service]})


@lab.switch("/lab/quota")
def quota(body):
    key = (body["service"], body["code"])
    if key not in KNOWN:
        raise ValueError(f"no quota {key}; known: {sorted(KNOWN)}")
    backend = servicequotas_backends[lab.account(body)][body["region"]]
    backend.__dict__.setdefault("lab_quotas", {})[key] = float(body["value"])


def install():
    ServiceQuotasBackend.get_service_quota = get_service_quota
    ServiceQuotasResponse.list_service_quotas = list_service_quotas
