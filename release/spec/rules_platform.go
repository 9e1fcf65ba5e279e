package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// platformRule refuses settings of a platform that is not the spec's, and images
// of another platform's kind.
func platformRule(c *checker, s Spec) {
	if !c.sound("platform", "aws") {
		return
	}
	onAWS := s.Platform == PlatformAWS
	switch {
	case onAWS && s.AWS == nil:
		c.report("platform", "aws together with platform aws", "the field aws is missing; it says how fleets run on AWS")
	case !onAWS && s.AWS != nil:
		c.report("aws", "aws only with platform: aws", "the settings would not be used, because the platform is %s", s.Platform)
	}
	for i, r := range s.Regions {
		path := fmt.Sprintf("regions[%d]", i)
		switch {
		case !c.sound(path + ".aws"):
		case onAWS && r.AWS == nil:
			c.report(path, "aws in every region with platform aws", "the field aws is missing; it names the load balancer and the network of %s", r.Name)
		case !onAWS && r.AWS != nil:
			c.report(path+".aws", "aws only with platform: aws", "the settings would not be used, because the platform is %s", s.Platform)
		}
	}
	c.ofPlatform("image.existing", s.Image.Existing, onAWS)
	if s.Image.Packer != nil {
		c.ofPlatform("image.packer.parent", s.Image.Packer.Parent, onAWS)
	}
}

// ofPlatform refuses a digest on AWS and an AMI elsewhere.
func (c *checker) ofPlatform(path, ref string, onAWS bool) {
	switch {
	case ref == "" || !c.sound(path) || strings.HasPrefix(ref, "ami-") == onAWS:
	case onAWS:
		c.report(path, "the id of an AMI", "a digest names an image of the local platform, not an AMI")
	default:
		c.report(path, `"sha256:" and 64 lower-case hexadecimal digits`, "an AMI exists on platform aws only")
	}
}

// awsRule refuses settings of AWS that contradict each other.
func awsRule(c *checker, s Spec) {
	if s.AWS == nil {
		return
	}
	a := *s.AWS
	if a.MinInstances > 0 && a.MaxInstances > 0 && a.MinInstances > a.MaxInstances && c.sound("aws.minInstances", "aws.maxInstances") {
		c.report("aws.minInstances", fmt.Sprintf("at most %d, which maxInstances is", a.MaxInstances), "the smallest number of instances is larger than the largest")
	}
	if a.ExternalID != "" && a.Role == "" && c.sound("aws.role", "aws.externalId") {
		c.report("aws.externalId", "externalId with role", "the external id would not be used, because no role is assumed")
	}
	for i, r := range s.Regions {
		if r.AWS == nil {
			continue
		}
		path := fmt.Sprintf("regions[%d]", i)
		if a.MaxInstances > 0 && r.Instances > a.MaxInstances && c.sound("aws.maxInstances", path+".instances", "fleet.instances") {
			c.report(path, fmt.Sprintf("at most %d instances, which aws.maxInstances is", a.MaxInstances), "%s starts with %d instances, more than scaling may ever have", r.Name, r.Instances)
		}
		c.inRegion(path+".aws.listener", r.AWS.Listener, r.Name)
		for j, arn := range r.AWS.TargetGroups {
			c.inRegion(fmt.Sprintf("%s.aws.targetGroups[%d]", path, j), arn, r.Name)
		}
		c.inRegion(path+".aws.kmsKey", r.AWS.KMSKey, r.Name)
	}
}

// inRegion refuses an ARN of another region, the likeliest slip in copied settings.
func (c *checker) inRegion(path, arn, region string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[3] != region && c.sound(path) {
		c.report(path, "an ARN of "+region, "the ARN is one of region %s, not of %s", quote(parts[3]), region)
	}
}

// referencesRule refuses references that the platform can't resolve.
func referencesRule(c *checker, s Spec) {
	for _, name := range slices.Sorted(maps.Keys(s.Fleet.Secrets)) {
		path, ref := join("fleet.secrets", name), s.Fleet.Secrets[name]
		cloud := strings.HasPrefix(ref, "ssm:") || strings.HasPrefix(ref, "secretsmanager:")
		switch {
		case !c.sound(path, "platform") || cloud == (s.Platform == PlatformAWS):
		case cloud:
			c.report(path, "env:NAME or file:/path", "the local platform can't read parameters and secrets of AWS")
		default:
			c.report(path, "ssm:/parameter or secretsmanager:name", "an instance on AWS has neither the environment nor the files of the worker")
		}
	}
}
