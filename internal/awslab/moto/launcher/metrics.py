"""CloudWatch: metrics by namespace and clock, and alarms by type."""

import calendar
from datetime import timedelta

from moto.cloudwatch.models import CloudWatchBackend, Dimension, Statistics
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

get_metric_data_of_moto = CloudWatchBackend.get_metric_data
describe_alarms_of_moto = CloudWatchResponse.describe_alarms


def seconds(at):
    return calendar.timegm(at.utctimetuple())


def get_metric_data(self, queries, start_time, end_time, scan_by="TimestampAscending"):
    """docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html

    Periods begin at whole multiples of their length; a metric is of its namespace, also with dimensions; percentiles
    such as p99 (moto: from the start time, of any namespace, none). Queries with expressions are moto's.
    """
    if start_time >= end_time or not all("MetricStat" in q for q in queries):
        return get_metric_data_of_moto(self, queries, start_time, end_time, scan_by)
    start_time = start_time.replace(microsecond=0)
    data = [d for d in self.get_all_metrics() if start_time <= d.timestamp < end_time]
    return [answer(query, data, start_time, scan_by) for query in queries if query.get("ReturnData", True)]


def answer(query, data, start, scan_by):
    wanted = query["MetricStat"]
    metric, period, stat = wanted["Metric"], int(wanted["Period"]), wanted["Stat"]
    dimensions = sorted(Dimension(name=d["Name"], value=d["Value"]) for d in metric.get("Dimensions", []))
    periods = {}
    for d in data:
        if d.namespace != metric["Namespace"] or d.name != metric["MetricName"] or sorted(d.dimensions) != dimensions:
            continue
        if wanted.get("Unit") and d.unit != wanted["Unit"]:
            continue
        periods.setdefault(seconds(d.timestamp) // period * period, []).append(d)
    order = sorted(periods, reverse=scan_by == "TimestampDescending")
    return {
        "id": query["Id"],
        "label": query.get("Label") or f"{metric['MetricName']} {stat}",
        "values": [statistic(periods[at], stat) for at in order],
        "timestamps": [start + timedelta(seconds=at - seconds(start)) for at in order],
        "status_code": "Complete",
    }


def statistic(data, stat):
    """docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html"""
    s = Statistics([stat], None)
    s.metric_data = data
    if stat[0] == "p":
        values = sorted(s.metric_single_values_list)
        return values[min(len(values) - 1, int(len(values) * float(stat[1:]) / 100))]
    return s.get_statistics_for_type(stat)


def describe_alarms(self):
    """docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html: without types metric alarms alone (moto: all)."""
    types = self._get_param("AlarmTypes") or ["MetricAlarm"]
    found = describe_alarms_of_moto(self).result
    return ActionResult(
        {
            "MetricAlarms": found["MetricAlarms"] if "MetricAlarm" in types else [],
            "CompositeAlarms": found["CompositeAlarms"] if "CompositeAlarm" in types else [],
        }
    )


def put_composite_alarm(self):
    """docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html (moto: not there). SetAlarmState says its state."""
    return self.put_metric_alarm()


def install():
    CloudWatchBackend.get_metric_data = get_metric_data
    CloudWatchResponse.describe_alarms = describe_alarms
    CloudWatchResponse.put_composite_alarm = put_composite_alarm
