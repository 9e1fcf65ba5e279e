package activities_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/switchyard/switchyard/activities"
	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/release"
)

type listing []string

func (l *listing) RegisterActivityWithOptions(_ any, o activity.RegisterOptions) {
	*l = append(*l, o.Name)
}

func TestEveryNameOfTheContractIsRegisteredOnce(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	require.NoError(t, err)
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			want = append(want, strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	var all, bake listing
	activities.Register(&all, activities.All{}, false)
	activities.Register(&bake, activities.All{}, true)
	require.ElementsMatch(t, want, []string(all))
	require.Equal(t, activities.Names(), []string(all))
	require.True(t, slices.Contains(bake, activities.BakeImage))
	require.False(t, slices.Contains(bake, activities.ShiftTraffic), "a switch never waits behind a bake")
}

// breaking is a router whose calls end cancelled while the activity goes on.
type breaking struct{ platform.Router }

func (breaking) Weights(context.Context, string, release.Target) (release.Weights, error) {
	return nil, context.Canceled
}

func TestACallThatWasCancelledInsideIsAFailureOfTheActivity(t *testing.T) {
	b := newBench(t)
	p := b.cloud.Platform("fake")
	p.Router = breaking{p.Router}
	b.all.Traffic.Platforms = activities.Set{"fake": platform.Fixed(p)}
	_, err := run[activities.Shift](b, activities.ShiftTraffic, activities.ShiftInput{Place: place, Expected: allBlue, Want: allGreen})
	requireKind(t, err, "Unknown", false)
}
