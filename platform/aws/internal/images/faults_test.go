package images_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/awslab/wire"
	"github.com/switchyard/switchyard/platform/aws/internal/tag"
	"github.com/switchyard/switchyard/release/spec"
)

// works are the methods that change AWS, each with what has to be there before it.
var works = map[string]func(c *cloud) (do func() error){
	"copy": func(c *cloud) func() error {
		ref := c.baked("v1")
		return func() error {
			_, err := c.images.Copy(c.ctx, other, ref)
			return err
		}
	},
	"copy home": func(c *cloud) func() error {
		ref := c.baked("v1")
		return func() error {
			_, err := c.images.Copy(c.ctx, home, ref)
			return err
		}
	},
	"retire": func(c *cloud) func() error {
		ref := c.baked("v1")
		return func() error { return c.images.Retire(c.ctx, home, ref) }
	},
	"sweep": func(c *cloud) func() error {
		c.leave(c.provenance("v1"))
		return func() error {
			_, err := c.images.Sweep(c.ctx, bake)
			return err
		}
	},
	"accept": func(c *cloud) func() error {
		all := c.provenance("v1")
		ref := c.made(all)
		refs := map[string]string{home: ref, other: c.packerCopy(ref)}
		return func() error { return c.images.Accept(c.ctx, refs, all) }
	},
}

func shared(s *spec.Settings) { s.AWS.ShareWith = []string{"111111111111"} }

// state is what there is in the end, in words that do not depend on ids.
func (c *cloud) state() []string {
	c.Helper()
	var all []string
	for kind, n := range c.left(bake) {
		all = append(all, fmt.Sprint(kind, " ", n))
	}
	for _, region := range []string{home, other} {
		out, err := c.ec2(region).DescribeImages(c.ctx, &ec2.DescribeImagesInput{Owners: []string{"self"}})
		require.NoError(c, err)
		for _, i := range out.Images {
			launch, err := c.ec2(region).DescribeImageAttribute(c.ctx, &ec2.DescribeImageAttributeInput{ImageId: i.ImageId, Attribute: types.ImageAttributeNameLaunchPermission})
			require.NoError(c, err)
			all = append(all, fmt.Sprint(region, " image ", keys(tags(i.Tags)), " ", i.State, " for ", len(launch.LaunchPermissions)))
		}
		for _, s := range c.snapshotsWith(region, tag.Application) {
			all = append(all, fmt.Sprint(region, " snapshot ", keys(s)))
		}
	}
	slices.Sort(all)
	return all
}

func keys(tags map[string]string) []string { return slices.Sorted(maps.Keys(tags)) }

// Every mutating call fails, without and with its effect, and the method is called again, as its
// activity is: the end is that of an undisturbed run.
func TestAnAnswerThatWasLostChangesNothing(t *testing.T) {
	for name, prepare := range works {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, shared)
			do := prepare(c)
			proxy.Reset()
			require.NoError(t, do())
			calls, want := mutations(), c.state()
			require.NotEmpty(t, calls)
			for n := range calls {
				for _, kind := range []wire.Kind{wire.FailBefore, wire.TimeoutAfter} {
					if name == "sweep" && kind == wire.FailBefore {
						continue // it looks for what is there anew every time; a lost answer is the harder case
					}
					t.Run(fmt.Sprintf("%s %d %s", calls[n], n, kind), func(t *testing.T) {
						c := newCloud(t, shared)
						do := prepare(c)
						fault := proxy.Inject(wire.Fault{Match: func(call wire.Call) bool { return call.Mutating }, Nth: n + 1, Kind: kind})
						failed := 0
						for ; failed < 5; failed++ {
							if do() == nil {
								break
							}
						}
						require.True(t, fault.Hit())
						require.Less(t, failed, 5)
						require.Equal(t, want, c.state())
					})
				}
			}
		})
	}
}

// Reads that show what was before the last change.
func TestOldAnswersMakeNothingTwice(t *testing.T) {
	c := newCloud(t)
	ref := c.baked("v1")
	proxy.Reset()
	proxy.Stale(func(call wire.Call) bool { return call.Action == "DescribeImages" }, 3)
	first, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	again, err := c.images.Copy(c.ctx, other, ref)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, c.copies(), 1)
	require.Equal(t, first, aws.ToString(c.copies()[0].ImageId))
}
