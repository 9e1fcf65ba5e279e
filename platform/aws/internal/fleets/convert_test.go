package fleets

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	astypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"
)

func TestWhatAWSAnswersBecomesWhatItTakes(t *testing.T) {
	from := ec2types.ResponseLaunchTemplateData{
		KeyName: aws.String("ops"), EbsOptimized: aws.Bool(true), DisableApiStop: aws.Bool(false),
		CreditSpecification: &ec2types.CreditSpecification{CpuCredits: aws.String("unlimited")},
		CapacityReservationSpecification: &ec2types.LaunchTemplateCapacityReservationSpecificationResponse{
			CapacityReservationTarget: &ec2types.CapacityReservationTargetResponse{CapacityReservationId: aws.String("cr-1")}},
		LicenseSpecifications: []ec2types.LaunchTemplateLicenseConfiguration{{LicenseConfigurationArn: aws.String("arn")}},
		NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: aws.Bool(true), Groups: []string{"sg-1"},
			ConnectionTrackingSpecification: &ec2types.ConnectionTrackingSpecification{UdpTimeout: aws.Int32(30)}}},
		InstanceMarketOptions: &ec2types.LaunchTemplateInstanceMarketOptions{MarketType: ec2types.MarketTypeSpot,
			SpotOptions: &ec2types.LaunchTemplateSpotMarketOptions{MaxPrice: aws.String("0.1")}},
		Placement: &ec2types.LaunchTemplatePlacement{Tenancy: ec2types.TenancyDedicated},
	}
	var to ec2types.RequestLaunchTemplateData
	require.NoError(t, convert(&to, &from))
	require.Equal(t, "ops", *to.KeyName)
	require.False(t, *to.DisableApiStop, "false is not the same as not set")
	require.Equal(t, "unlimited", *to.CreditSpecification.CpuCredits)
	require.Equal(t, "cr-1", *to.CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId)
	require.Equal(t, "arn", *to.LicenseSpecifications[0].LicenseConfigurationArn)
	require.Equal(t, int32(30), *to.NetworkInterfaces[0].ConnectionTrackingSpecification.UdpTimeout)
	require.Equal(t, []string{"sg-1"}, to.NetworkInterfaces[0].Groups)
	require.Equal(t, "0.1", *to.InstanceMarketOptions.SpotOptions.MaxPrice)
	require.Equal(t, ec2types.TenancyDedicated, to.Placement.Tenancy)
}

func TestWhatAWSDoesNotTakeBackIsAnError(t *testing.T) {
	from := ec2types.ResponseLaunchTemplateData{
		NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{{
			Ipv6Addresses: []ec2types.InstanceIpv6Address{{Ipv6Address: aws.String("::1"), IsPrimaryIpv6: aws.Bool(true)}}}},
	}
	err := convert(&ec2types.RequestLaunchTemplateData{}, &from)
	require.ErrorContains(t, err, "NetworkInterfaces[0].Ipv6Addresses[0].IsPrimaryIpv6")
}

func TestWhatSpeaksOfTheLiveGroupSpeaksOfTheCandidate(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:"
	c := carryOver{name: "live", to: "one", was: arn + "targetgroup/a/111", is: arn + "targetgroup/b/222"}
	config := &astypes.TargetTrackingConfiguration{
		PredefinedMetricSpecification: &astypes.PredefinedMetricSpecification{ResourceLabel: aws.String("app/lb/999/targetgroup/a/111")},
		CustomizedMetricSpecification: &astypes.CustomizedMetricSpecification{Dimensions: []astypes.MetricDimension{
			{Name: aws.String("AutoScalingGroupName"), Value: aws.String("live")},
			{Name: aws.String("Stage"), Value: aws.String("live")},
			{Name: aws.String("TargetGroup"), Value: aws.String("targetgroup/a/111")},
			{Name: aws.String("TargetGroup"), Value: aws.String("targetgroup/other/333")},
		}, Metrics: []astypes.TargetTrackingMetricDataQuery{{Expression: aws.String(`SEARCH('{AWS/EC2,AutoScalingGroupName} AutoScalingGroupName="live"', 'Sum')`)}}},
	}
	rewrite(config, c.ours)
	require.Equal(t, "app/lb/999/targetgroup/b/222", *config.PredefinedMetricSpecification.ResourceLabel)
	var values []string
	for _, d := range config.CustomizedMetricSpecification.Dimensions {
		values = append(values, *d.Value)
	}
	require.Equal(t, []string{"one", "live", "targetgroup/b/222", "targetgroup/other/333"}, values)
	require.Contains(t, *config.CustomizedMetricSpecification.Metrics[0].Expression, `AutoScalingGroupName="one"`)
}

func TestNamesOfCopiedAlarmsDoNotGrow(t *testing.T) {
	require.Equal(t, "cpu/high", originalName("cpu/high"))
	require.Equal(t, "cpu/high", originalName(alarmPrefix("one")+"cpu/high"))
	require.Equal(t, "switchyard/", originalName("switchyard/"))
}
