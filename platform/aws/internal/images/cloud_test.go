package images_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/account"
	"github.com/switchyard/switchyard/platform/aws/internal/images"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const (
	home  = "eu-west-1"
	other = "eu-central-1"
	bake  = "checkout/production/r1"
)

var (
	server *moto.Server
	proxy  *wire.Proxy
)

func TestMain(m *testing.M) {
	var err error
	if server, err = moto.Start(context.Background(), moto.Options{}); err == nil {
		proxy, err = wire.New(server.URL)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	actions.Note(proxy.Used())
	proxy.Close()
	server.Stop()
	os.Exit(actions.End("images", code))
}

// cloud is a fresh account, and the port that is tested on it.
type cloud struct {
	*testing.T
	ctx    context.Context
	images *images.Images
	pool   *account.Pool
	base   string
	count  int
}

func newCloud(t *testing.T, change ...func(*spec.Settings)) *cloud {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": proxy.URL(), "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	require.NoError(t, server.Reset(ctx))
	proxy.Reset()
	settings := spec.Settings{AWS: &spec.AWS{}, Regions: []spec.Region{
		{Name: home, AWS: &spec.AWSRegion{}}, {Name: other, AWS: &spec.AWSRegion{KMSKey: "arn:aws:kms:eu-central-1:123456789012:key/other"}},
	}}
	for _, c := range change {
		c(&settings)
	}
	c := &cloud{T: t, ctx: ctx, pool: account.NewPool(account.Options{
		Spacing: time.Millisecond, Burst: 100, Gather: time.Millisecond, Attempts: 1, Timeout: 10 * time.Second,
	})}
	c.images = images.New(images.Deps{Pool: c.pool, Settings: settings, Options: images.Options{Poll: 10 * time.Millisecond}})
	bases, err := c.ec2(home).DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{
		Name: aws.String("name"), Values: []string{"amzn2-ami-hvm-2.0.20180810-x86_64-gp2"},
	}}})
	require.NoError(t, err)
	require.NotEmpty(t, bases.Images)
	c.base = aws.ToString(bases.Images[0].ImageId)
	return c
}

// ec2 is the account as a test and Packer see it, past the proxy: what they call is no
// need of the port.
func (c *cloud) ec2(region string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// provenance is that of a bake of the version.
func (c *cloud) provenance(version string) map[string]string {
	c.count++
	return images.Tags(release.Image{
		Application: "checkout", Version: version, Commit: "abc", InputDigest: "sha256:" + version, Base: c.base,
		CreatedAt: time.Date(2026, 1, 1, 0, 0, c.count, 0, time.UTC),
	}, "r1", bake)
}

func specifications(tags map[string]string, kinds ...types.ResourceType) []types.TagSpecification {
	var out []types.TagSpecification
	for _, kind := range kinds {
		if len(tags) == 0 {
			break
		}
		s := types.TagSpecification{ResourceType: kind}
		for key, value := range tags {
			s.Tags = append(s.Tags, types.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
		out = append(out, s)
	}
	return out
}

// builder starts an instance, as a bake does.
func (c *cloud) builder(tags map[string]string) string {
	c.Helper()
	run, err := c.ec2(home).RunInstances(c.ctx, &ec2.RunInstancesInput{
		ImageId: aws.String(c.base), InstanceType: types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		TagSpecifications: specifications(tags, types.ResourceTypeInstance, types.ResourceTypeVolume),
	})
	require.NoError(c, err)
	return aws.ToString(run.Instances[0].InstanceId)
}

func (c *cloud) terminate(id string) {
	c.Helper()
	_, err := c.ec2(home).TerminateInstances(c.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	require.NoError(c, err)
}

// made makes an AMI at home as a bake does, with these tags, not accepted yet.
func (c *cloud) made(tags map[string]string) string {
	c.Helper()
	builder := c.builder(nil)
	defer c.terminate(builder)
	name := fmt.Sprintf("checkout-%d-%d", c.count, time.Now().UnixNano())
	out, err := c.ec2(home).CreateImage(c.ctx, &ec2.CreateImageInput{
		InstanceId: aws.String(builder), Name: aws.String(name),
		TagSpecifications: specifications(tags, types.ResourceTypeImage, types.ResourceTypeSnapshot),
	})
	if err == nil {
		return aws.ToString(out.ImageId)
	}
	// The emulator's answer may get lost on a busy machine; what was made has its name.
	found, lookErr := c.ec2(home).DescribeImages(c.ctx, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("name"), Values: []string{name}}}})
	require.NoError(c, lookErr)
	require.Len(c, found.Images, 1, "%v", err)
	return aws.ToString(found.Images[0].ImageId)
}

// packerCopy copies an AMI the way Packer's ami_regions does: the tags come along, and none on the snapshot.
func (c *cloud) packerCopy(ref string) string {
	c.Helper()
	out, err := c.ec2(other).CopyImage(c.ctx, &ec2.CopyImageInput{
		Name: aws.String("copy-of-" + ref), SourceImageId: aws.String(ref), SourceRegion: aws.String(home), CopyImageTags: aws.Bool(true),
	})
	require.NoError(c, err)
	return aws.ToString(out.ImageId)
}

// baked is an accepted image of the version at home.
func (c *cloud) baked(version string) string {
	c.Helper()
	tags := c.provenance(version)
	ref := c.made(tags)
	require.NoError(c, c.images.Accept(c.ctx, map[string]string{home: ref}, tags))
	return ref
}

// ami reads an image; false when it is gone.
func (c *cloud) ami(region, ref string) (types.Image, bool) {
	c.Helper()
	out, err := c.ec2(region).DescribeImages(c.ctx, &ec2.DescribeImagesInput{Filters: []types.Filter{{Name: aws.String("image-id"), Values: []string{ref}}}})
	require.NoError(c, err)
	if len(out.Images) == 0 {
		return types.Image{}, false
	}
	return out.Images[0], true
}

func (c *cloud) tagsOf(region, ref string) map[string]string {
	c.Helper()
	image, ok := c.ami(region, ref)
	require.True(c, ok, "image %s is not there", ref)
	return tags(image.Tags)
}

func tags(list []types.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// snapshots are the tags of all snapshots with the bake's tag, by id.
func (c *cloud) snapshots(region string) map[string]map[string]string {
	c.Helper()
	return c.snapshotsWith(region, tag.Bake)
}

func (c *cloud) snapshotsWith(region, key string) map[string]map[string]string {
	c.Helper()
	out, err := c.ec2(region).DescribeSnapshots(c.ctx, &ec2.DescribeSnapshotsInput{Filters: []types.Filter{{Name: aws.String("tag-key"), Values: []string{key}}}})
	require.NoError(c, err)
	found := map[string]map[string]string{}
	for _, s := range out.Snapshots {
		found[aws.ToString(s.SnapshotId)] = tags(s.Tags)
	}
	return found
}

func (c *cloud) snapshotExists(region, id string) bool {
	c.Helper()
	out, err := c.ec2(region).DescribeSnapshots(c.ctx, &ec2.DescribeSnapshotsInput{Filters: []types.Filter{{Name: aws.String("snapshot-id"), Values: []string{id}}}})
	require.NoError(c, err)
	return len(out.Snapshots) > 0
}

func (c *cloud) copies() []types.Image {
	c.Helper()
	out, err := c.ec2(other).DescribeImages(c.ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: []types.Filter{{Name: aws.String("tag-key"), Values: []string{tag.Application}}}})
	require.NoError(c, err)
	return out.Images
}

func snapshotOf(image types.Image) string {
	return aws.ToString(image.BlockDeviceMappings[0].Ebs.SnapshotId)
}

func requireKind(t require.TestingT, kind platform.Kind, err error) {
	require.Error(t, err)
	require.Equal(t, kind, platform.KindOf(err), "%v", err)
}

// mutations are the mutating calls of the port since the last reset, by name.
func mutations() []string {
	var names []string
	for _, call := range proxy.Calls() {
		if call.Mutating {
			names = append(names, call.Action)
		}
	}
	return names
}
