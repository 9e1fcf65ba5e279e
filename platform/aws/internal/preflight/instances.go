package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform/aws/internal/account"
)

func (x *examination) instanceType(ctx context.Context) error {
	subject := fmt.Sprintf("instance type %s in %s", x.instance, x.acc.Region)
	kind, err := x.acc.InstanceType(ctx, x.instance)
	if err != nil {
		return x.failed(subject, "choose an instance type that the region has", err)
	}
	x.kind = &kind
	return nil
}

// image compares the architecture of an image that is known with the instance type's.
func (x *examination) image(ctx context.Context) error {
	if x.fleet.Image == "" {
		return nil
	}
	subject := fmt.Sprintf("image %s in %s", x.fleet.Image, x.acc.Region)
	found, err := x.acc.Images(ctx, x.fleet.Image)
	if err != nil {
		return x.unread(subject, err)
	}
	image, ok := found[x.fleet.Image]
	switch {
	case !ok:
		x.blocks(subject, "copy the image to the region, or bake it again", "it is not there")
	case image.State != "" && image.State != ec2types.ImageStateAvailable:
		x.blocks(subject, "make it available, or bake it again", "it is %s, not available", image.State)
	case x.kind != nil && x.kind.ProcessorInfo != nil && !runsOn(image, x.kind.ProcessorInfo.SupportedArchitectures):
		x.blocks(subject, "choose another instance type, or bake for its architecture",
			"it is made for %s, which %s is not", image.Architecture, x.instance)
	default:
		x.well(subject)
	}
	return nil
}

func runsOn(image ec2types.Image, architectures []ec2types.ArchitectureType) bool {
	return len(architectures) == 0 || image.Architecture == "" || slices.Contains(architectures, ec2types.ArchitectureType(image.Architecture))
}

// subnets looks for free addresses and for zones that have the instance type.
func (x *examination) subnets(ctx context.Context) error {
	subject := "subnets in " + x.acc.Region
	nets, err := x.acc.Subnets(ctx, x.subnetIDs...)
	if err != nil {
		return x.failed(subject, "name subnets that are there", err)
	}
	x.nets = nets
	free, vpcs := 0, map[string]bool{}
	for _, n := range x.nets {
		free += int(deref(n.AvailableIpAddressCount))
		vpcs[deref(n.VpcId)] = true
	}
	adds := x.adds()
	switch {
	case len(vpcs) > 1:
		x.blocks(subject, "name subnets of one VPC", "they are in %d VPCs", len(vpcs))
	case free < adds:
		x.blocks("free addresses in "+x.acc.Region, "name further subnets, or free addresses", "%d instances are to come, and %d addresses are free", adds, free)
	default:
		x.well(fmt.Sprintf("free addresses in %s: %d for %d instances to come", x.acc.Region, free, adds))
	}
	return nil
}

// offered asks in which of the subnets' zones the instance type is to be had.
// docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
func (x *examination) offered(ctx context.Context) error {
	if len(x.nets) == 0 {
		return nil // said of the subnets already
	}
	subject := fmt.Sprintf("instance type %s in the zones of the subnets", x.instance)
	var have []string
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(x.acc.EC2, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone,
		Filters:      []ec2types.Filter{{Name: aws.String("instance-type"), Values: []string{x.instance}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return x.unread(subject, account.Classify("read offerings of instance type", x.instance, false, err))
		}
		for _, o := range page.InstanceTypeOfferings {
			have = append(have, deref(o.Location))
		}
	}
	var with, without []string
	for _, zone := range zonesOf(x.nets) {
		if slices.Contains(have, zone) {
			with = append(with, zone)
		} else {
			without = append(without, zone)
		}
	}
	const advice = "choose another instance type, or subnets in zones that offer it"
	switch {
	case len(with) == 0:
		x.blocks(subject, advice, "none of %s offers it", strings.Join(without, ", "))
	case len(without) > 0:
		x.doubts(subject, advice, "%s offers it not, so all instances will be in %s", strings.Join(without, ", "), strings.Join(with, ", "))
	default:
		x.well(subject)
	}
	return nil
}

func zonesOf(nets []ec2types.Subnet) []string {
	var zones []string
	for _, n := range nets {
		zones = append(zones, deref(n.AvailabilityZone))
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// zones says whether the loss of one zone would be survived.
func (x *examination) zones(context.Context) error {
	subject := "zones of the subnets in " + x.acc.Region
	switch zones := zonesOf(x.nets); len(zones) {
	case 0:
	case 1:
		x.doubts(subject, "name subnets in two zones at least", "all are in %s: its loss is the loss of the application", zones[0])
	default:
		x.well(subject)
	}
	return nil
}

func (x *examination) securityGroups(ctx context.Context) error {
	subject := "security groups in " + x.acc.Region
	out, err := x.acc.EC2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: x.cfg.SecurityGroups})
	if err != nil {
		return x.failed(subject, "name security groups that are there",
			account.Classify("read security groups", strings.Join(x.cfg.SecurityGroups, ", "), false, err))
	}
	for _, g := range out.SecurityGroups {
		if len(x.nets) > 0 && deref(g.VpcId) != deref(x.nets[0].VpcId) {
			x.blocks(subject, "name security groups of the subnets' VPC", "%s is in %s, and the subnets are in %s",
				deref(g.GroupId), deref(g.VpcId), deref(x.nets[0].VpcId))
			return nil
		}
	}
	x.well(subject)
	return nil
}

// already reads what there is of the fleet already, after a retry.
func (x *examination) already(ctx context.Context) error {
	found, err := x.acc.Groups(ctx, x.fleet.Name)
	if err != nil {
		return x.unread("Auto Scaling groups in "+x.acc.Region, err)
	}
	group, there := found[x.fleet.Name]
	x.exists, x.present = there, len(group.Instances)
	return nil
}

// adds is how many instances are to come: those of a fleet that runs already are there.
func (x *examination) adds() int { return max(0, x.fleet.Instances-x.present) }
