package wiring

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/activities/packer"
	"github.com/switchyard/switchyard/internal/awslab/actions"
	"github.com/switchyard/switchyard/internal/awslab/moto"
	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/aws"
	"github.com/switchyard/switchyard/release/spec"
	"github.com/switchyard/switchyard/starter/startertest"
)

const (
	home     = "eu-west-1"
	second   = "eu-central-1"
	bakeTag  = "checkout/production/r1"
	accepted = "switchyard:accepted"
)

// emulator is moto behind a proxy that records, with the plugins installed, for all tests.
var emulator = sync.OnceValues(func() (*emulated, error) {
	dir, err := os.MkdirTemp("", "sy-wiring-")
	if err != nil {
		return nil, err
	}
	e := &emulated{dir: dir}
	if err := InstallPlugins(filepath.Join(dir, "plugins"), startertest.Program); err != nil {
		return nil, err
	}
	if e.server, err = moto.Start(context.Background(), moto.Options{}); err != nil {
		return nil, err
	}
	e.proxy, err = wire.New(e.server.URL)
	return e, err
})

type emulated struct {
	dir    string
	server *moto.Server
	proxy  *wire.Proxy
}

var started atomic.Bool // the emulator; most tests need none

func TestMain(m *testing.M) {
	code := m.Run()
	if started.Load() {
		if e, err := emulator(); err == nil {
			actions.Note(e.proxy.Used())
			e.proxy.Close()
			e.server.Stop()
			_ = os.RemoveAll(e.dir)
		}
	}
	os.Exit(actions.End("bake", code))
}

// lab is an account with real Packer, its amazon plugin and the example's template.
type lab struct {
	*testing.T
	ctx     context.Context
	proxy   *wire.Proxy
	aws     *aws.AWS
	bakery  *Bakery
	spec    spec.Spec
	clients map[string]*ec2.Client
}

func newLab(t *testing.T) *lab {
	t.Helper()
	started.Store(true)
	e, err := emulator()
	require.NoError(t, err)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": e.proxy.URL(), "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	require.NoError(t, e.server.Reset(ctx))
	e.proxy.Reset()
	l := &lab{T: t, ctx: ctx, proxy: e.proxy, aws: aws.New(aws.Options{Poll: 20 * time.Millisecond}), clients: map[string]*ec2.Client{}}
	for _, region := range []string{home, second} {
		cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
		require.NoError(t, err)
		l.clients[region] = ec2.NewFromConfig(cfg)
	}
	program, err := startertest.Program("packer")
	require.NoError(t, err)
	l.bakery = &Bakery{PackerBin: program, PluginDir: filepath.Join(e.dir, "plugins"), StateDir: t.TempDir(), AWS: l.aws}
	l.spec = l.checkout()
	return l
}

// checkout is the example's spec for the emulator: nothing is installed on the builder.
func (l *lab) checkout() spec.Spec {
	l.Helper()
	dir := filepath.Join(l.TempDir(), "aws")
	require.NoError(l, os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "checkout", "packer", "aws"))))
	base, err := l.clients[home].DescribeImages(l.ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []types.Filter{{
		Name: awssdk.String("name"), Values: []string{"amzn2-ami-hvm-2.0.20180810-x86_64-gp2"},
	}}})
	require.NoError(l, err)
	require.NotEmpty(l, base.Images)
	return spec.Spec{
		Application: "checkout", Environment: "production", Version: "1.2.0+build.7", Commit: "abc", Platform: spec.PlatformAWS,
		AWS: &spec.AWS{InstanceType: "t3.micro"},
		Image: spec.Image{Packer: &spec.Packer{
			Template: filepath.Join(dir, "app.pkr.hcl"), Timeout: spec.Duration(3 * time.Minute),
			Variables: map[string]string{"communicator": "none", "skip_checks": "true", "source_ami": awssdk.ToString(base.Images[0].ImageId)},
		}},
		Regions: []spec.Region{
			{Name: home, AWS: &spec.AWSRegion{}},
			{Name: second, AWS: &spec.AWSRegion{KMSKey: "arn:aws:kms:eu-central-1:123456789012:key/12345678-1234-1234-1234-123456789012"}},
		},
	}
}

func (l *lab) order() activities.BakeOrder {
	l.Helper()
	digest, err := l.bakery.InputDigest(l.ctx, l.spec)
	require.NoError(l, err)
	return activities.BakeOrder{Release: "r1", Tag: bakeTag, Spec: l.spec, InputDigest: digest}
}

func (l *lab) bake() (string, error) {
	l.Helper()
	return l.bakery.Bake(l.ctx, l.order(), func(string) {})
}

// left is what is there of the bake, by kind and with its region, without what was accepted.
func (l *lab) left() []string {
	l.Helper()
	var left []string
	only := []types.Filter{{Name: awssdk.String("tag:switchyard:bake"), Values: []string{bakeTag}}}
	for region, e := range l.clients {
		add := func(kind string, n int) {
			for range n {
				left = append(left, kind+" in "+region)
			}
		}
		instances, err := e.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{Filters: append(slices.Clone(only),
			types.Filter{Name: awssdk.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped"}})})
		require.NoError(l, err)
		add("instance", len(instances.Reservations))
		keys, err := e.DescribeKeyPairs(l.ctx, &ec2.DescribeKeyPairsInput{})
		require.NoError(l, err)
		add("key pair", len(keys.KeyPairs))
		groups, err := e.DescribeSecurityGroups(l.ctx, &ec2.DescribeSecurityGroupsInput{Filters: only})
		require.NoError(l, err)
		add("security group", len(groups.SecurityGroups))
		volumes, err := e.DescribeVolumes(l.ctx, &ec2.DescribeVolumesInput{Filters: only})
		require.NoError(l, err)
		add("volume", len(volumes.Volumes))
		images, err := e.DescribeImages(l.ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}})
		require.NoError(l, err)
		for _, i := range images.Images {
			if tagOf(i.Tags, accepted) == "" {
				add("image", 1)
			}
		}
		snapshots, err := e.DescribeSnapshots(l.ctx, &ec2.DescribeSnapshotsInput{Filters: only})
		require.NoError(l, err)
		for _, s := range snapshots.Snapshots {
			if tagOf(s.Tags, accepted) == "" {
				add("snapshot", 1)
			}
		}
	}
	slices.Sort(left)
	return left
}

func tagOf(tags []types.Tag, key string) string {
	for _, t := range tags {
		if awssdk.ToString(t.Key) == key {
			return awssdk.ToString(t.Value)
		}
	}
	return ""
}

func (l *lab) images() platform.Images {
	l.Helper()
	p, err := l.aws.Open(l.spec.Settings())
	require.NoError(l, err)
	return p.Images
}

func TestAnAMIIsBakedInAllRegionsWithItsProvenance(t *testing.T) {
	l := newLab(t)
	order := l.order()
	ref, err := l.bakery.Bake(l.ctx, order, func(string) {})
	require.NoError(t, err)
	require.Empty(t, l.left())

	found, err := l.images().Find(l.ctx, platform.ImageQuery{Application: "checkout", InputDigest: order.InputDigest})
	require.NoError(t, err)
	require.Len(t, found, 1)
	image := found[0]
	require.Equal(t, ref, image.Ref)
	require.Equal(t, "1.2.0+build.7", image.Version)
	require.Equal(t, "abc", image.Commit)
	require.Equal(t, l.spec.Image.Packer.Variables["source_ami"], image.Base, "the template says what it was built on")
	require.Len(t, image.Regions, 2)

	for region, ref := range image.Regions {
		out, err := l.clients[region].DescribeImages(l.ctx, &ec2.DescribeImagesInput{ImageIds: []string{ref}})
		require.NoError(t, err)
		ebs := out.Images[0].BlockDeviceMappings[0].Ebs
		require.True(t, awssdk.ToBool(ebs.Encrypted), region)
		require.Contains(t, awssdk.ToString(out.Images[0].Name), "checkout-1.2.0-build.7-")
		snapshot, err := l.clients[region].DescribeSnapshots(l.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{awssdk.ToString(ebs.SnapshotId)}})
		require.NoError(t, err)
		for key, value := range map[string]string{
			"switchyard:application": "checkout", "switchyard:version": "1.2.0+build.7", "switchyard:commit": "abc", "switchyard:release": "r1",
			"switchyard:input-digest": order.InputDigest, "switchyard:base": image.Base, "switchyard:bake": bakeTag,
		} {
			require.Equal(t, value, tagOf(out.Images[0].Tags, key), key)
			require.Equal(t, value, tagOf(snapshot.Snapshots[0].Tags, key), key)
		}
		require.NotEmpty(t, tagOf(out.Images[0].Tags, "switchyard:built"))
	}

	// The regions have it, so that nothing is left to copy.
	l.proxy.Reset()
	there, err := l.images().Copy(l.ctx, second, ref)
	require.NoError(t, err)
	require.Equal(t, image.Regions[second], there)
	for _, call := range l.proxy.Calls() {
		require.False(t, call.Mutating, call.Action)
	}
}

// killPacker ends Packer and its plugins at once, as the death of their machine would.
func (l *lab) killPacker() {
	files, _ := filepath.Glob(filepath.Join(l.bakery.StateDir, "bakes", "*", "attempt-*", "process.json"))
	for _, f := range files {
		raw, err := os.ReadFile(f)
		assert.NoError(l, err)
		var p struct{ PID int }
		assert.NoError(l, json.Unmarshal(raw, &p))
		assert.NoError(l, syscall.Kill(-p.PID, syscall.SIGKILL))
	}
}

func TestAKilledBakeIsSweptClean(t *testing.T) {
	for name, call := range map[string]wire.Call{
		"when the builder was started":       {Action: "RunInstances", Region: home},
		"when the image was made":            {Action: "CreateImage", Region: home},
		"when the image was being copied":    {Action: "CopyImage", Region: second},
		"when the first image was encrypted": {Action: "CopyImage", Region: home},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			hit := l.proxy.Inject(wire.Fault{Kind: wire.Hook, After: l.killPacker, Match: func(c wire.Call) bool {
				return c.By == wire.ByPacker && c.Action == call.Action && c.Region == call.Region
			}})
			_, err := l.bake()
			require.Equal(t, packer.Crash, packer.KindOf(err), "%v", err)
			require.True(t, hit.Hit())
			require.NotEmpty(t, l.left())

			removed, err := l.images().Sweep(l.ctx, bakeTag)
			require.NoError(t, err)
			require.NotEmpty(t, removed)
			require.Empty(t, l.left())

			ref, err := l.bake()
			require.NoError(t, err, "the next try is not in the way of the last one")
			require.NotEmpty(t, ref)
			require.Empty(t, l.left())
		})
	}
}

func TestACancelledBakeIsSweptClean(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	l.proxy.Inject(wire.Fault{Kind: wire.Hook, After: cancel, Match: func(c wire.Call) bool { return c.Action == "CopyImage" && c.Region == second }})
	_, err := l.bakery.Bake(ctx, l.order(), func(string) {})
	require.ErrorIs(t, err, context.Canceled)
	_, err = l.images().Sweep(l.ctx, bakeTag)
	require.NoError(t, err)
	require.Empty(t, l.left())
}

// A bake that begins where an earlier one was killed removes what that one left.
func TestTheNextBakeSweepsTheLastOne(t *testing.T) {
	l := newLab(t)
	l.proxy.Inject(wire.Fault{Kind: wire.Hook, After: l.killPacker, Match: func(c wire.Call) bool { return c.Action == "CreateImage" }})
	_, err := l.bake()
	require.Error(t, err)
	_, err = l.bake()
	require.NoError(t, err)
	require.Empty(t, l.left())
}

func TestATemplateThatForgetsItsTagsIsRefused(t *testing.T) {
	l := newLab(t)
	raw, err := os.ReadFile(l.spec.Image.Packer.Template)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(raw), "tags = merge(var.switchyard_tags,", "tags = merge(")
	require.NotEqual(t, string(raw), text)
	require.NoError(t, os.WriteFile(l.spec.Image.Packer.Template, []byte(text), 0o600))
	_, err = l.bake()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, activities.ErrTemplate, app.Type())
	require.ErrorContains(t, err, "switchyard_tags")
}

func TestAnImageIsBuiltOnTheParentOfTheRelease(t *testing.T) {
	l := newLab(t)
	without := l.order().InputDigest
	parent, err := l.bake()
	require.NoError(t, err)
	l.spec.Image.Packer.Parent = parent
	order := l.order()
	require.NotEqual(t, without, order.InputDigest)
	ref, err := l.bakery.Bake(l.ctx, order, func(string) {})
	require.NoError(t, err)
	image, err := l.images().Get(l.ctx, home, ref)
	require.NoError(t, err)
	require.Equal(t, parent, image.Base)
}

func TestABakeWithoutAWSSaysSo(t *testing.T) {
	_, err := (&Bakery{}).Bake(t.Context(), activities.BakeOrder{Spec: spec.Spec{Application: "checkout", Platform: spec.PlatformAWS}}, func(string) {})
	require.ErrorContains(t, err, "bakes no AMIs")
	require.Equal(t, platform.KindInvalid, platform.KindOf(err))
}

func TestTheProvenanceOfAnAMICantBeProven(t *testing.T) {
	err := (&Bakery{}).VerifyProvenance(t.Context(), "ami-0123456789abcdef0", "key.pem")
	require.Equal(t, platform.KindInvalid, platform.KindOf(err))
	require.ErrorContains(t, err, "image.provenance.verify")
}

func TestTheTemplateLearnsOfTheRegionsThatPackerCanReach(t *testing.T) {
	region := func(name, role, key string) spec.Region {
		return spec.Region{Name: name, AWS: &spec.AWSRegion{Role: role, KMSKey: key}}
	}
	var v packer.Vars
	regional(&v, spec.Settings{Regions: []spec.Region{region("a", "", "key-a"), region("b", "", ""), region("c", "arn:other", "key-c")}})
	require.Equal(t, packer.Vars{Region: "a", Regions: []string{"b"}, KMSKey: "key-a", KMSKeys: map[string]string{"b": ""}}, v)

	v = packer.Vars{}
	regional(&v, spec.Settings{Regions: []spec.Region{region("a", "", ""), region("b", "", "")}})
	require.Equal(t, packer.Vars{Region: "a", Regions: []string{"b"}}, v)
}

func TestTheNameOfAnImageFitsAWSAndIsItsOwn(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s := spec.Spec{Application: "checkout", Version: "1.0.0+" + strings.Repeat("long", 40)}
	one, other := imageName(s, at), imageName(s, at)
	require.NotEqual(t, one, other)
	require.Less(t, len(one), 128)
	require.Regexp(t, `^checkout-1\.0\.0-long[a-z]*-20260304T050607Z-[0-9a-f]{8}$`, one)
}

func TestPackerGetsCredentialsThatRefresh(t *testing.T) {
	asked := 0
	server, err := serveCredentials(func(context.Context) (awssdk.Credentials, error) {
		asked++
		return awssdk.Credentials{
			AccessKeyID: fmt.Sprintf("AKIA%d", asked), SecretAccessKey: "secret", SessionToken: "session",
			CanExpire: true, Expires: time.Now().Add(time.Second),
		}, nil
	})
	require.NoError(t, err)
	defer server.close()
	for _, e := range server.environment([]string{"AWS_PROFILE=mine", "AWS_ACCESS_KEY_ID=mine", "PATH=/bin"}, home) {
		name, value, _ := strings.Cut(e, "=")
		require.NotEqual(t, "mine", value, name)
		t.Setenv(name, value)
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	require.Equal(t, home, cfg.Region)
	for _, want := range []string{"AKIA1", "AKIA2"} {
		have, err := cfg.Credentials.Retrieve(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, have.AccessKeyID, "what is about to end is asked for anew")
		require.Equal(t, "session", have.SessionToken)
	}
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "guessed")
	cfg, err = config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	_, err = cfg.Credentials.Retrieve(t.Context())
	require.ErrorContains(t, err, "only the bake")
}
