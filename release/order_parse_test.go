package release_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

func TestBrokenBodies(t *testing.T) {
	const (
		approve  = `; send a body like {"by": "ada", "gate": "switch", "plan": "sha256:…"}`
		override = `; send a body like {"by": "ada", "gate": "window", "comment": "why"}`
		extend   = `; send a body like {"by": "ada", "for": "2h"}`
		other    = `; send a body like {"by": "ada", "comment": "why"}`
	)
	long := strings.Repeat("a", 201)
	for _, c := range []struct {
		name string
		kind release.OrderKind
		body string
		want string
	}{
		{"nothing", release.OrderApprove, ``, `approve: the body is empty` + approve},
		{"spaces", release.OrderAbort, " \n\t ", `abort: the body is empty` + other},
		{"null", release.OrderRollback, `null`, `rollback: the body is empty` + other},
		{"a text", release.OrderAbort, `"ada"`, `abort: the body is not a JSON object` + other},
		{"a bare word", release.OrderAbort, `ada`, `abort: the body is not a JSON object` + other},
		{"a list", release.OrderApprove, `[{"by":"bob"}]`, `approve: the body is not a JSON object` + approve},
		{"a number", release.OrderPause, `1`, `pause: the body is not a JSON object` + other},
		{"YAML", release.OrderPause, `by: ada`, `pause: the body is not a JSON object` + other},
		{"cut off", release.OrderPause, `{"by": "ada"`, `pause: not JSON: it ends in the middle` + other},
		{"single quotes", release.OrderPause, `{'by': 'ada'}`, `pause: not JSON: invalid character '\'' looking for beginning of object key string at byte 2` + other},
		{"trailing comma", release.OrderPause, `{"by": "ada",}`, `pause: not JSON: invalid character '}' looking for beginning of object key string at byte 14` + other},
		{"two objects", release.OrderPause, `{"by": "ada"} {"by": "bob"}`, `pause: there is more after the JSON object` + other},
		{"rubbish after", release.OrderPause, `{"by": "ada"} please`, `pause: there is more after the JSON object` + other},
		{"nobody", release.OrderResume, `{}`, `resume: "by" is missing: who gives this order?` + other},
		{"nobody but spaces", release.OrderResume, `{"by": "  "}`, `resume: "by" is missing: who gives this order?` + other},
		{"null by", release.OrderResume, `{"by": null}`, `resume: "by" is missing: who gives this order?` + other},
		{"number as by", release.OrderResume, `{"by": 7}`, `resume: "by" is of type number, it has to be text` + other},
		{"object as by", release.OrderResume, `{"by": {"name": "ada"}}`, `resume: "by" is of type object, it has to be text` + other},
		{"list as comment", release.OrderReject, `{"by": "ada", "comment": ["no"]}`, `reject: "comment" is of type array, it has to be text` + other},
		{"long by", release.OrderResume, `{"by": "` + long + `"}`, `resume: "by" is 201 bytes long, at most 200 are taken` + other},
		{"long id", release.OrderResume, `{"by": "ada", "id": "` + long + `"}`, `resume: "id" is 201 bytes long, at most 200 are taken` + other},
		{"long comment", release.OrderAbort, `{"by": "ada", "comment": "` + strings.Repeat("b", 1001) + `"}`, `abort: "comment" is 1001 bytes long, at most 1000 are taken` + other},
		{"line break in by", release.OrderAbort, `{"by": "ada\nbob"}`, `abort: "by" is "ada\nbob": it has characters that nobody can see` + other},
		{"invisible character in by", release.OrderAbort, `{"by": "ada\u200b"}`, `abort: "by" is "ada\u200b": it has characters that nobody can see` + other},
		{"unknown field", release.OrderApprove, `{"by": "bob", "user": "x"}`, `approve: unknown field "user"; known are by, comment, gate, plan, for, id` + approve},
		{"misspelt field", release.OrderApprove, `{"by": "bob", "gates": "switch"}`, `approve: unknown field "gates"; known are by, comment, gate, plan, for, id` + approve},
		{"kind in the body", release.OrderApprove, `{"by": "bob", "kind": "rollback"}`, `approve: unknown field "kind"; known are by, comment, gate, plan, for, id` + approve},
		{"no duration", release.OrderExtendSoak, `{"by": "ada"}`, `extend-soak: "for" is missing: how much longer?` + extend},
		{"no time at all", release.OrderExtendSoak, `{"by": "ada", "for": "0s"}`, `extend-soak: "for" is missing: how much longer?` + extend},
		{"number as duration", release.OrderExtendSoak, `{"by": "ada", "for": 2}`, `extend-soak: "for" is of type number, it has to be text with a unit, like "2h"` + extend},
		{"duration without unit", release.OrderExtendSoak, `{"by": "ada", "for": "2"}`, `extend-soak: the duration "2" has no unit; write 2s, 2m or 2h` + extend},
		{"duration in words", release.OrderExtendSoak, `{"by": "ada", "for": "a while"}`, `extend-soak: "a while" is not a duration` + extend},
		{"negative duration", release.OrderExtendSoak, `{"by": "ada", "for": "-2h"}`, `extend-soak: the duration "-2h" has a sign; durations count from zero up` + extend},
		{"endless duration", release.OrderExtendSoak, `{"by": "ada", "for": "99999999d"}`, `extend-soak: the duration "99999999d" is longer than a hundred years` + extend},
		{"duration of another order", release.OrderPause, `{"by": "ada", "for": "2h"}`, `pause: "for" belongs to extend-soak only` + other},
		{"gate of another order", release.OrderPause, `{"by": "ada", "gate": "switch"}`, `pause: "gate" and "plan" belong to approve and reject only` + other},
		{"plan of another order", release.OrderRollback, `{"by": "ada", "plan": "sha256:1"}`, `rollback: "gate" and "plan" belong to approve and reject only` + other},
		{"override of nothing", release.OrderOverride, `{"by": "ada", "comment": "why"}`, `override: "gate" is missing: what is overridden? One of freeze, window, readiness, analysis` + override},
		{"override of the gate", release.OrderOverride, `{"by": "ada", "gate": "switch", "comment": "why"}`, `override: "gate" is "switch"; an override is of one of freeze, window, readiness, analysis` + override},
		{"override without a reason", release.OrderOverride, `{"by": "ada", "gate": "freeze", "comment": " "}`, `override: "comment" is missing: an override needs a reason` + override},
		{"override with a plan", release.OrderOverride, `{"by": "ada", "gate": "freeze", "comment": "why", "plan": "sha256:1"}`, `override: "plan" belongs to approve and reject only` + override},
		{"override with a time", release.OrderOverride, `{"by": "ada", "gate": "freeze", "comment": "why", "for": "2h"}`, `override: "for" belongs to extend-soak only` + override},
		{"a novel", release.OrderAbort, `{"by": "` + strings.Repeat("a", 17000) + `"}`, `abort: the body is 17010 bytes long, at most 16384 are read` + other},
		{"binary", release.OrderAbort, "\x00\x01\x02", `abort: the body is not a JSON object` + other},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := release.ParseOrder(c.kind, []byte(c.body))
			require.EqualError(t, err, c.want)
			assert.Equal(t, c.kind, o.Kind)
		})
	}
}

func TestGoodBodies(t *testing.T) {
	for _, c := range []struct {
		kind release.OrderKind
		body string
		want release.Order
	}{
		{release.OrderApprove, ` {"by": " bob ", "gate": " switch", "plan": "sha256:0123456789ab "} `, release.Order{By: "bob", Gate: "switch", Plan: "sha256:0123456789ab"}},
		{release.OrderApprove, `{"by": "bob"}`, release.Order{By: "bob"}},
		{release.OrderReject, `{"by": "bob", "comment": "not today", "id": "1"}`, release.Order{By: "bob", Comment: "not today", ID: "1"}},
		{release.OrderExtendSoak, `{"by": "Zoë Ω", "for": "1d12h"}`, release.Order{By: "Zoë Ω", For: spec.Duration(36 * time.Hour)}},
		{release.OrderOverride, `{"by": "eve", "gate": " readiness ", "comment": "the old image is bad"}`, release.Order{By: "eve", Gate: "readiness", Comment: "the old image is bad"}},
		{release.OrderPause, "\n{\"by\":\"eve\"}\n", release.Order{By: "eve"}},
	} {
		c.want.Kind = c.kind
		got, err := release.ParseOrder(c.kind, []byte(c.body))
		require.NoError(t, err, c.body)
		assert.Equal(t, c.want, got)
	}
}

func TestEveryOrderIsExplained(t *testing.T) {
	for _, h := range release.OrderKinds() {
		_, body, ok := strings.Cut(h.Help, "Body: ")
		require.True(t, ok, "the help of %s shows a body", h.Kind)
		_, err := release.ParseOrder(h.Kind, []byte(body))
		require.NoError(t, err, "the body that the help of %s shows is taken", h.Kind)
	}
}

// Whatever is sent, parsing answers; what it lets through is within bounds.
func TestParsingNeverPanics(t *testing.T) {
	pieces := []string{`{`, `}`, `"by"`, `:`, `"ada"`, `,`, `"for"`, `"2h"`, `null`, `1e9`, `[`, `]`, `"id"`, `"\ud800"`, "\xff", ` `}
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 16).Draw(t, "pieces"), "")
		kind := rapid.SampledFrom(release.OrderKinds()).Draw(t, "kind").Kind
		o, err := release.ParseOrder(kind, []byte(body))
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), string(kind)+": "))
			return
		}
		require.NotEmpty(t, o.By)
		require.GreaterOrEqual(t, o.For, spec.Duration(0))
	})
}

func TestRefusalsAreKeptWithinBounds(t *testing.T) {
	s := stateIn(t, release.PhaseSoak)
	for range 100 {
		s.Refuse(release.OrderAbort, strings.Repeat("ä", 9000), errors.New(strings.Repeat("x", 9000)), t0)
	}
	require.Len(t, s.Refusals, 20)
	assert.Less(t, len(asJSON(t, s.Refusals)), 64<<10)
	assert.True(t, strings.HasSuffix(s.Refusals[0].By, "ä…"), "cut between characters")
}
