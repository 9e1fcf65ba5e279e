package route

import "strings"

// Forms of names: docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
//
//	…:listener/app/NAME/BALANCER/LISTENER
//	…:listener-rule/app/NAME/BALANCER/LISTENER/RULE
//	…:targetgroup/NAME/ID

// IsRule says whether the name is a rule's, not a listener's.
func IsRule(arn string) bool { return strings.Contains(arn, ":listener-rule/") }

// listenerOf is the listener that a rule belongs to; a listener is its own.
func listenerOf(arn string) string {
	if !IsRule(arn) {
		return arn
	}
	arn = arn[:max(strings.LastIndex(arn, "/"), 0)]
	return strings.Replace(arn, ":listener-rule/", ":listener/", 1)
}

// balancerDimension is how metrics name the load balancer of a listener: app/NAME/BALANCER.
func balancerDimension(listener string) string {
	_, path, _ := strings.Cut(listenerOf(listener), ":listener/")
	return path[:max(strings.LastIndex(path, "/"), 0)]
}

// groupDimension is how metrics name a target group: targetgroup/NAME/ID.
func groupDimension(targetGroup string) string {
	return targetGroup[strings.LastIndex(targetGroup, ":")+1:]
}

// GroupName is the name of a target group.
func GroupName(targetGroup string) string {
	if parts := strings.Split(groupDimension(targetGroup), "/"); len(parts) == 3 {
		return parts[1]
	}
	return targetGroup
}
