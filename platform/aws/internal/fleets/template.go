package fleets

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/platform/aws/userdata"
)

const provision = "provision"

// templateData is what the candidate's instances are: the live fleet's settings, with
// what the spec and the rules say in their place.
func (f *Fleets) templateData(p place, s platform.FleetSpec, img ec2types.Image, l *live, liveRoot string) (ec2types.RequestLaunchTemplateData, error) {
	encrypt := p.aws.EncryptVolumes == nil || *p.aws.EncryptVolumes
	if !encrypt && !f.AllowUnencrypted {
		return ec2types.RequestLaunchTemplateData{}, platform.NewError(platform.KindInvalid, provision, in(s.Name, s.Region),
			"leave aws.encryptVolumes out, or let the worker's operator allow volumes that are not encrypted",
			errors.New("aws.encryptVolumes is false, and this worker allows encrypted volumes only"))
	}
	var data ec2types.RequestLaunchTemplateData
	var extra []byte
	if l != nil {
		data, extra = l.template, l.userData
	}
	text, err := userdata.Build(told(p, s), extra)
	if err != nil {
		return ec2types.RequestLaunchTemplateData{}, platform.NewError(platform.KindInvalid, provision, in(s.Name, s.Region), "", err)
	}
	data.UserData = aws.String(base64.StdEncoding.EncodeToString(text))
	data.ImageId = &s.Image
	// The spec names one instance type. Requirements would contradict it; those of a
	// mixed instances policy stand in the group and are carried over there.
	data.InstanceType, data.InstanceRequirements = ec2types.InstanceType(p.aws.InstanceType), nil
	data.IamInstanceProfile = nil
	if p.aws.InstanceProfile != "" {
		data.IamInstanceProfile = &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: aws.String(p.aws.InstanceProfile)}
	}
	network(&data, p.region.SecurityGroups)
	options := ec2types.LaunchTemplateInstanceMetadataOptionsRequest{}
	if data.MetadataOptions != nil {
		options = *data.MetadataOptions
	}
	// IMDSv2 only: docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-IMDS-new-instances.html.
	options.HttpTokens = ec2types.LaunchTemplateHttpTokensStateRequired
	// User data comes through the metadata service, so it has to be there.
	options.HttpEndpoint = ec2types.LaunchTemplateInstanceMetadataEndpointStateEnabled
	data.MetadataOptions = &options
	data.BlockDeviceMappings = devices(img, l, liveRoot, encryption{on: encrypt, key: p.region.KMSKey})
	data.TagSpecifications = instanceTags(data.TagSpecifications, facts(s))
	return data, nil
}

// told is what an instance is told at its start.
func told(p place, s platform.FleetSpec) userdata.Instance {
	environment := map[string]string{
		"HOST": "0.0.0.0", "PORT": fmt.Sprint(p.aws.Port), "VERSION": s.Version,
		"SWITCHYARD_FLEET": s.Name, "SWITCHYARD_REGION": s.Region,
	}
	maps.Copy(environment, s.Environment)
	return userdata.Instance{
		Fleet: s.Name, Region: s.Region, Command: s.Command, HealthPath: s.HealthPath, Port: p.aws.Port,
		Environment: environment, Secrets: s.Secrets,
	}
}

// network puts the security groups where they belong: with network interfaces in the
// template, AWS takes them there only. The subnet is the group's to choose.
func network(data *ec2types.RequestLaunchTemplateData, securityGroups []string) {
	data.SecurityGroups = nil
	if len(data.NetworkInterfaces) == 0 {
		data.SecurityGroupIds = securityGroups
		return
	}
	data.SecurityGroupIds = nil
	data.NetworkInterfaces = slices.Clone(data.NetworkInterfaces)
	for i := range data.NetworkInterfaces {
		data.NetworkInterfaces[i].Groups = securityGroups
		data.NetworkInterfaces[i].SubnetId = nil
	}
}

// instanceTags are the tags of the live fleet's instances and volumes, with this fleet's own.
func instanceTags(carried []ec2types.LaunchTemplateTagSpecificationRequest, own map[string]string) []ec2types.LaunchTemplateTagSpecificationRequest {
	by := map[ec2types.ResourceType]map[string]string{ec2types.ResourceTypeInstance: {}, ec2types.ResourceTypeVolume: {}}
	for _, s := range carried {
		if by[s.ResourceType] == nil {
			by[s.ResourceType] = map[string]string{}
		}
		for _, t := range s.Tags {
			if carriedTag(aws.ToString(t.Key)) {
				by[s.ResourceType][aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
	}
	maps.Copy(by[ec2types.ResourceTypeInstance], own)
	maps.Copy(by[ec2types.ResourceTypeVolume], own)
	var out []ec2types.LaunchTemplateTagSpecificationRequest
	for _, kind := range slices.Sorted(maps.Keys(by)) {
		if len(by[kind]) > 0 {
			out = append(out, ec2types.LaunchTemplateTagSpecificationRequest{ResourceType: kind, Tags: ec2Tags(by[kind])})
		}
	}
	return out
}

// makeTemplate makes the launch template and answers with its id. One that is there
// already is used when it was made from the same spec: the name makes the call
// repeatable. A client token would not: it gives the same answer as before for a
// template that was retired meanwhile.
func (p place) makeTemplate(ctx context.Context, s platform.FleetSpec, digest string, data ec2types.RequestLaunchTemplateData) (string, error) {
	tags := facts(s)
	maps.Copy(tags, marks(s, digest))
	out, err := p.EC2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &s.Name,
		LaunchTemplateData: &data,
		TagSpecifications:  []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeLaunchTemplate, Tags: ec2Tags(tags)}},
	})
	if err == nil {
		return aws.ToString(out.LaunchTemplate.LaunchTemplateId), nil
	}
	if !account.IsCode(err, "InvalidLaunchTemplateName.AlreadyExistsException") {
		return "", account.Classify("make the launch template of", in(s.Name, s.Region), true, err)
	}
	t, err := p.readTemplate(ctx, s.Name)
	if err != nil {
		return "", err
	}
	there := map[string]string{}
	for _, t := range t.Tags {
		there[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if there[tag.Spec] != digest {
		return "", platform.Conflict(provision, in(s.Name, s.Region), "there is a launch template of that name already: %s", difference(there, s))
	}
	return aws.ToString(t.LaunchTemplateId), nil
}

// readTemplate reads a launch template by name.
func (p place) readTemplate(ctx context.Context, name string) (ec2types.LaunchTemplate, error) {
	const op = "read launch template"
	out, err := p.EC2.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{name}})
	if err != nil {
		return ec2types.LaunchTemplate{}, account.Classify(op, in(name, p.Region), false, err)
	}
	if len(out.LaunchTemplates) == 0 {
		return ec2types.LaunchTemplate{}, platform.NotFound(op, in(name, p.Region))
	}
	return out.LaunchTemplates[0], nil
}
