package release_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
)

func TestWhichBuildsRunOnTheSchema(t *testing.T) {
	contracted := release.Schema{Version: 8, Floor: 7, Builds: []release.Build{{Version: "1.0", Needs: 6}, {Version: "2.0", Needs: 7}}}
	for _, c := range []struct {
		name    string
		schema  release.Schema
		version string
		needs   int
		want    string
	}{
		{"never contracted", release.Schema{Version: 8}, "1.0", 3, ""},
		{"never contracted, nothing known", release.Schema{}, "1.0", 0, ""},
		{"at the floor", contracted, "3.0", 7, ""},
		{"newer than the floor", contracted, "3.0", 9, ""},
		{"as it was recorded", contracted, "2.0", 0, ""},
		{"recorded below the floor", contracted, "1.0", 0, "version 1.0 needs schema 6 of the database, which was contracted: only builds that need 7 or a newer one run now; restore what the contract took away first, or release a newer version"},
		{"said to be below the floor", contracted, "2.0", 5, "version 2.0 needs schema 5 of the database, which was contracted: only builds that need 7 or a newer one run now; restore what the contract took away first, or release a newer version"},
		{"not known", contracted, "0.9", 0, "the database was contracted to schema 7, and it is not known which schema version 0.9 needs; say so in migrations.schema of a spec that names the image in image.retained"},
	} {
		err := c.schema.CheckBuild(c.version, c.needs)
		if c.want == "" {
			assert.NoError(t, err, c.name)
		} else {
			assert.EqualError(t, err, c.want, c.name)
		}
	}
}

// Reports of releases may come twice and in any order: nothing ever sinks, the last word
// on a build counts, and the list stays bounded.
func TestTheSchemaOnlyGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s release.Schema
		last := map[string]int{}
		for range rapid.IntRange(0, 20).Draw(t, "reports") {
			r := release.Schema{Version: rapid.IntRange(0, 9).Draw(t, "version"), Floor: rapid.IntRange(0, 9).Draw(t, "floor")}
			for range rapid.IntRange(0, 2).Draw(t, "builds") {
				b := release.Build{Version: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "build"), Needs: rapid.IntRange(1, 9).Draw(t, "needs")}
				r.Builds = append(r.Builds, b)
				last[b.Version] = b.Needs
			}
			before := asJSON(t, s)
			old, next := s, s.Take(r)
			require.Equal(t, before, asJSON(t, old), "taking changes nothing that was there")
			require.Equal(t, max(s.Version, r.Version), next.Version)
			require.Equal(t, max(s.Floor, r.Floor), next.Floor)
			require.Equal(t, next, next.Take(r), "the same report again changes nothing")
			s = next
			for version, needs := range last {
				require.Equal(t, needs, s.Needs(version))
			}
		}
	})
}

func TestTheBuildsAreBounded(t *testing.T) {
	var s release.Schema
	for i := range 250 {
		s = s.Take(release.Schema{Builds: []release.Build{{Version: fmt.Sprint(i), Needs: i + 1}}})
	}
	require.Len(t, s.Builds, 100)
	require.Equal(t, 250, s.Needs("249"))
	require.Zero(t, s.Needs("149"), "the oldest are forgotten")
}
