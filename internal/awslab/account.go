package awslab

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Base is what an account has in one region before any application: what the Terraform
// module in deployments/terraform would make or be given.
type Base struct {
	Region          string
	VPC             string
	Subnets         []string // in two zones
	BalancerGroup   string   // security group of load balancers
	InstanceGroup   string   // security group of instances
	InstanceProfile string   // name
	SourceAMI       string   // to bake from
}

const profile = "switchyard-lab-instance"

func makeBase(ctx context.Context, c clients, region string, n network) (Base, error) {
	b := Base{Region: region, InstanceProfile: profile}
	vpc, err := c.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(n.cidr())})
	if err != nil {
		return b, fmt.Errorf("make the VPC: %w", err)
	}
	b.VPC = aws.ToString(vpc.Vpc.VpcId)
	for k, zone := range []string{"a", "b"} {
		s, err := c.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &b.VPC, CidrBlock: aws.String(n.subnet(k)), AvailabilityZone: aws.String(region + zone)})
		if err != nil {
			return b, fmt.Errorf("make a subnet: %w", err)
		}
		b.Subnets = append(b.Subnets, aws.ToString(s.Subnet.SubnetId))
	}
	for name, id := range map[string]*string{"balancer": &b.BalancerGroup, "instance": &b.InstanceGroup} {
		g, err := c.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
			VpcId: &b.VPC, GroupName: aws.String("switchyard-lab-" + name), Description: aws.String("of the lab's " + name + "s")})
		if err != nil {
			return b, fmt.Errorf("make a security group: %w", err)
		}
		*id = aws.ToString(g.GroupId)
	}
	if err := makeProfile(ctx, c); err != nil {
		return b, err
	}
	b.SourceAMI, err = sourceAMI(ctx, c)
	return b, err
}

// sourceAMI is one of the images of Amazon's that moto comes with.
func sourceAMI(ctx context.Context, c clients) (string, error) {
	const name = "amzn2-ami-hvm-2.0.20180810-x86_64-gp2"
	found, err := c.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{
		Owners: []string{"amazon"}, Filters: []ec2types.Filter{{Name: aws.String("name"), Values: []string{name}}},
	})
	if err != nil {
		return "", fmt.Errorf("find the source AMI: %w", err)
	}
	if len(found.Images) == 0 {
		return "", fmt.Errorf("find the source AMI: moto has no image %s", name)
	}
	return aws.ToString(found.Images[0].ImageId), nil
}

// makeProfile makes the instance profile. It is the account's, not the region's.
func makeProfile(ctx context.Context, c clients) error {
	// What is there already may be of an attempt whose answer was lost: go on.
	var exists *iamtypes.EntityAlreadyExistsException
	var full *iamtypes.LimitExceededException // it has its one role
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(profile), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("make the instances' role: %w", err)
	}
	if _, err = c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String(profile)}); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("make the instance profile: %w", err)
	}
	_, err = c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String(profile), RoleName: aws.String(profile)})
	if err != nil && !errors.As(err, &full) && !errors.As(err, &exists) {
		return fmt.Errorf("give the instance profile its role: %w", err)
	}
	return nil
}
