package images_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release/spec"
)

func TestACopyIsEncryptedAndCarriesTheProvenance(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	there, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	image, ok := c.ami(other, there)
	require.True(t, ok)
	require.True(t, aws.ToBool(image.BlockDeviceMappings[0].Ebs.Encrypted))

	want := c.tagsOf(home, ref)
	want[tag.Source] = home + "/" + ref
	have := tags(image.Tags)
	require.NotEmpty(t, have[tag.Accepted])
	for _, m := range []map[string]string{want, have} {
		delete(m, tag.Accepted)
		delete(m, tag.Image)
	}
	require.Equal(t, want, have)
	mark := c.snapshots(other)[snapshotOf(image)]
	require.Equal(t, there, mark[tag.Image])
	require.Equal(t, "v1", mark[tag.Version])

	key := ""
	for _, call := range proxy.Calls() {
		if call.Action == "CopyImage" {
			key = string(call.Body)
		}
	}
	require.Contains(t, key, "KmsKeyId=arn%3Aaws%3Akms%3Aeu-central-1%3A123456789012%3Akey%2Fother")
}

func TestACopyIsMadeOnce(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	first, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	proxy.Reset()
	again, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Empty(t, mutations())
	require.Len(t, c.copies(), 1)

	same, err := c.images.Copy(c.ctx, other, first)
	require.NoError(t, err, "a ref of the region is there already")
	require.Equal(t, first, same)
	same, err = c.images.Copy(c.ctx, home, ref)
	require.NoError(t, err)
	require.Equal(t, ref, same)

	for _, unknown := range []string{noImage, "nonsense"} {
		_, err = c.images.Copy(c.ctx, other, unknown)
		requireKind(t, platform.KindNotFound, err)
	}
}

func TestACopyOfPackersIsTaken(t *testing.T) {
	c := newCloud(t)
	tags := c.provenance("v1")
	ref := c.made(tags)
	packers := c.packerCopy(ref)
	require.NoError(t, c.images.Accept(c.ctx, map[string]string{home: ref, other: packers}, tags))
	there, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, packers, there)
}

func TestAnImageThatSwitchyardDidNotBakeIsCopiedToo(t *testing.T) {
	c := newCloud(t)
	ref := c.made(map[string]string{"team": "payments"})
	first, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, "payments", c.tagsOf(other, first)["team"])
	again, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

func TestACopyIsAwaited(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	require.NoError(t, server.SetDefaultImageState(c.ctx, "pending"))
	type result struct {
		ref string
		err error
	}
	done := make(chan result, 1)
	go func() {
		there, err := c.images.Copy(c.ctx, other, ref)
		done <- result{there, err}
	}()
	pending := ""
	require.Eventually(t, func() bool {
		for _, i := range c.copies() {
			pending = aws.ToString(i.ImageId)
		}
		return pending != ""
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, server.SetImageState(c.ctx, other, pending, "available"))
	r := <-done
	require.NoError(t, r.err)
	require.Equal(t, pending, r.ref)
}

func TestACopyThatFailedIsRemovedAndMadeOnceMore(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	failed := 0
	fail := func() {
		for _, i := range c.copies() {
			require.NoError(t, server.SetImageState(c.ctx, other, aws.ToString(i.ImageId), "failed"))
			failed++
		}
	}
	proxy.Inject(wire.Fault{Action: "CopyImage", Kind: wire.Hook, After: fail})
	there, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, 1, failed)
	list := c.copies()
	require.Len(t, list, 1)
	require.Equal(t, there, aws.ToString(list[0].ImageId))
	require.Len(t, c.snapshots(other), 1, "the snapshot of the failed copy went with it")

	// The token of the first copy brings the id of an image that is gone, which is noticed.
	require.NoError(t, c.images.Retire(c.ctx, other, there))
	again, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.NotEqual(t, there, again)
	require.Len(t, c.copies(), 1)

	require.NoError(t, c.images.Retire(c.ctx, other, again))
	proxy.Inject(wire.Fault{Action: "CopyImage", Kind: wire.Hook, Times: 10, After: fail})
	_, err = c.images.Copy(c.ctx, other, ref)
	require.ErrorContains(t, err, "KMS")
	require.Empty(t, c.copies())
	require.Empty(t, c.snapshots(other))
}

func TestOtherAccountsMayLaunchTheImage(t *testing.T) {
	c := newCloud(t, func(s *spec.Settings) { s.AWS.ShareWith = []string{"111111111111", "222222222222"} })
	ref := c.baked("v1")
	for _, region := range []string{home, other} {
		there, err := c.images.Copy(c.ctx, region, ref)
		require.NoError(t, err)
		image, _ := c.ami(region, there)
		launch, err := c.ec2(region).DescribeImageAttribute(c.ctx, &ec2.DescribeImageAttributeInput{ImageId: &there, Attribute: types.ImageAttributeNameLaunchPermission})
		require.NoError(t, err)
		var accounts []string
		for _, p := range launch.LaunchPermissions {
			accounts = append(accounts, aws.ToString(p.UserId))
		}
		require.ElementsMatch(t, []string{"111111111111", "222222222222"}, accounts, region)
		volume, err := c.ec2(region).DescribeSnapshotAttribute(c.ctx, &ec2.DescribeSnapshotAttributeInput{
			SnapshotId: aws.String(snapshotOf(image)), Attribute: types.SnapshotAttributeNameCreateVolumePermission})
		require.NoError(t, err)
		require.Len(t, volume.CreateVolumePermissions, 2, region)

		proxy.Reset()
		_, err = c.images.Copy(c.ctx, region, ref)
		require.NoError(t, err)
		require.Empty(t, mutations(), "what is shared is not shared again")
	}
}

func TestUnencryptedOnlyWhereTheSpecSaysSo(t *testing.T) {
	c := newCloud(t, func(s *spec.Settings) { s.AWS.EncryptVolumes = aws.Bool(false) })
	there, err := c.images.Copy(c.ctx, other, c.baked("v1"))
	require.NoError(t, err)
	image, _ := c.ami(other, there)
	require.False(t, aws.ToBool(image.BlockDeviceMappings[0].Ebs.Encrypted))
}

// The emulator copies no image of another account, so what AWS needs for it is looked at.
func TestARegionWithAnAccountOfItsOwnMayReadTheImage(t *testing.T) {
	c := newCloud(t, func(s *spec.Settings) { s.Regions[1].AWS.Role = "arn:aws:iam::222222222222:role/switchyard" })
	ref := c.baked("v1")
	image, _ := c.ami(home, ref)
	_, _ = c.images.Copy(c.ctx, other, ref)
	launch, err := c.ec2(home).DescribeImageAttribute(c.ctx, &ec2.DescribeImageAttributeInput{ImageId: &ref, Attribute: types.ImageAttributeNameLaunchPermission})
	require.NoError(t, err)
	require.Len(t, launch.LaunchPermissions, 1)
	require.Equal(t, "222222222222", aws.ToString(launch.LaunchPermissions[0].UserId))
	volume, err := c.ec2(home).DescribeSnapshotAttribute(c.ctx, &ec2.DescribeSnapshotAttributeInput{
		SnapshotId: aws.String(snapshotOf(image)), Attribute: types.SnapshotAttributeNameCreateVolumePermission})
	require.NoError(t, err)
	require.Len(t, volume.CreateVolumePermissions, 1)
	for _, call := range proxy.Calls() {
		if call.Action == "CopyImage" {
			require.Contains(t, string(call.Body), "TagSpecification.1.Tag", "AWS copies no tags of another account's image")
		}
	}
}
