package local

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/cloud"
	"github.com/switchyard/switchyard/release"
)

var (
	_ platform.Images = images{}
	_ platform.Fleets = fleets{}
	_ platform.Router = router{}
)

func in(what, region string) string { return what + " in " + region }

func regionPath(region, rest string) string {
	return "/v1/regions/" + url.PathEscape(region) + rest
}

type images struct{ c *Client }

func imagePath(ref string) string { return "/v1/images/" + url.PathEscape(ref) }

func (i images) Find(ctx context.Context, q platform.ImageQuery) ([]release.Image, error) {
	v := url.Values{"application": {q.Application}, "version": {q.Version}, "inputDigest": {q.InputDigest}}
	var out []release.Image
	err := i.c.do(ctx, call{op: "find images", method: http.MethodGet, path: "/v1/images?" + v.Encode(), out: &out})
	return out, err
}

func (i images) Get(ctx context.Context, region, ref string) (release.Image, error) {
	var out release.Image
	err := i.c.do(ctx, call{op: "get image", resource: in(ref, region), method: http.MethodGet,
		path: imagePath(ref) + "?region=" + url.QueryEscape(region), out: &out})
	return out, err
}

func (i images) Copy(ctx context.Context, region, ref string) (string, error) {
	var out cloud.Text
	err := i.c.do(ctx, call{op: "copy image", resource: ref + " to " + region, method: http.MethodPost,
		path: imagePath(ref) + "/copy?region=" + url.QueryEscape(region), out: &out})
	return out.Value, err
}

func (i images) Root(ctx context.Context, ref string) (string, error) {
	var out cloud.Text
	err := i.c.do(ctx, call{op: "read image root", resource: ref, method: http.MethodGet,
		path: imagePath(ref) + "/root", out: &out})
	return out.Value, err
}

func (i images) Retire(ctx context.Context, region, ref string) error {
	return i.c.do(ctx, call{op: "retire image", resource: in(ref, region), method: http.MethodDelete,
		path: imagePath(ref) + "?region=" + url.QueryEscape(region)})
}

func (i images) Sweep(ctx context.Context, bakeTag string) ([]string, error) {
	var out cloud.Text
	err := i.c.do(ctx, call{op: "sweep images", resource: bakeTag, method: http.MethodPost,
		path: "/v1/sweep?tag=" + url.QueryEscape(bakeTag), out: &out})
	return out.Values, err
}

type fleets struct{ c *Client }

func fleetPath(region, name, rest string) string {
	return regionPath(region, "/fleets/"+url.PathEscape(name)+rest)
}

// Preflight finds nothing: one machine has no quota, and what a spec asks of it is
// checked when the fleet is made.
func (f fleets) Preflight(context.Context, platform.FleetSpec) ([]platform.Finding, error) {
	return nil, nil
}

func (f fleets) Provision(ctx context.Context, s platform.FleetSpec) (release.Fleet, error) {
	var out release.Fleet
	err := f.c.do(ctx, call{op: "provision fleet", resource: in(s.Name, s.Region), method: http.MethodPut,
		path: fleetPath(s.Region, s.Name, ""), body: s, out: &out})
	return out, err
}

func (f fleets) Describe(ctx context.Context, region, name string) (release.Fleet, error) {
	var out release.Fleet
	err := f.c.do(ctx, call{op: "describe fleet", resource: in(name, region), method: http.MethodGet,
		path: fleetPath(region, name, ""), out: &out})
	return out, err
}

func (f fleets) List(ctx context.Context, region string, t release.Target) ([]release.Fleet, error) {
	v := url.Values{"application": {t.Application}, "environment": {t.Environment}}
	var out []release.Fleet
	err := f.c.do(ctx, call{op: "list fleets", resource: in(t.String(), region), method: http.MethodGet,
		path: regionPath(region, "/fleets?"+v.Encode()), out: &out})
	return out, err
}

func (f fleets) Resize(ctx context.Context, region, name string, expected, desired int) error {
	return f.c.do(ctx, call{op: "resize fleet", resource: in(name, region) + " to " + strconv.Itoa(desired), method: http.MethodPost,
		path: fleetPath(region, name, "/resize"), body: cloud.ResizeBody{Expected: expected, Desired: desired}})
}

func (f fleets) HoldScaleIn(ctx context.Context, region, name, holder string) error {
	return f.c.do(ctx, call{op: "hold scale-in", resource: in(name, region), method: http.MethodPut,
		path: fleetPath(region, name, "/hold?holder="+url.QueryEscape(holder))})
}

func (f fleets) ReleaseScaleIn(ctx context.Context, region, name, holder string) error {
	return f.c.do(ctx, call{op: "release scale-in", resource: in(name, region), method: http.MethodDelete,
		path: fleetPath(region, name, "/hold?holder="+url.QueryEscape(holder))})
}

func (f fleets) Attach(ctx context.Context, region, name string) error {
	return f.c.do(ctx, call{op: "attach fleet", resource: in(name, region), method: http.MethodPut,
		path: fleetPath(region, name, "/route")})
}

func (f fleets) Detach(ctx context.Context, region, name string) error {
	return f.c.do(ctx, call{op: "detach fleet", resource: in(name, region), method: http.MethodDelete,
		path: fleetPath(region, name, "/route")})
}

func (f fleets) Readiness(ctx context.Context, region, name string, instances int) ([]platform.Finding, error) {
	var out []platform.Finding
	err := f.c.do(ctx, call{op: "examine fleet", resource: in(name, region), method: http.MethodGet,
		path: fleetPath(region, name, "/readiness?instances="+strconv.Itoa(instances)), out: &out})
	return out, err
}

func (f fleets) Retire(ctx context.Context, region, name string) error {
	return f.c.do(ctx, call{op: "retire fleet", resource: in(name, region), method: http.MethodDelete,
		path: fleetPath(region, name, ""), timeout: retireTimeout})
}

type router struct{ c *Client }

func targetPath(region string, t release.Target, rest string) string {
	return regionPath(region, "/targets/"+url.PathEscape(t.Application)+"/"+url.PathEscape(t.Environment)+rest)
}

func (r router) Entry(ctx context.Context, region string, t release.Target) (string, error) {
	var out cloud.Text
	err := r.c.do(ctx, call{op: "read entry", resource: in(t.String(), region), method: http.MethodGet,
		path: targetPath(region, t, "/entry"), out: &out})
	return out.Value, err
}

func (r router) Probe(ctx context.Context, region string, t release.Target, fleet string) (platform.Probe, error) {
	var out platform.Probe
	err := r.c.do(ctx, call{op: "read probe", resource: in(fleet, region), method: http.MethodGet,
		path: targetPath(region, t, "/probe?fleet="+url.QueryEscape(fleet)), out: &out})
	return out, err
}

func (r router) Weights(ctx context.Context, region string, t release.Target) (release.Weights, error) {
	var out release.Weights
	err := r.c.do(ctx, call{op: "read weights", resource: in(t.String(), region), method: http.MethodGet,
		path: targetPath(region, t, "/weights"), out: &out})
	return out, err
}

func (r router) SetWeights(ctx context.Context, region string, t release.Target, expected, want release.Weights) error {
	return r.c.do(ctx, call{op: "set weights", resource: in(t.String(), region), method: http.MethodPut,
		path: targetPath(region, t, "/weights"), body: cloud.SetWeightsBody{Expected: expected, Want: want}})
}

func (r router) Requests(ctx context.Context, region string, t release.Target) ([]release.Requests, error) {
	var out []release.Requests
	err := r.c.do(ctx, call{op: "read request counters", resource: in(t.String(), region), method: http.MethodGet,
		path: targetPath(region, t, "/requests"), out: &out})
	return out, err
}

func (r router) Load(ctx context.Context, region string, t release.Target, since, until time.Time, step time.Duration) ([]release.Load, error) {
	v := url.Values{"since": {since.Format(time.RFC3339Nano)}, "until": {until.Format(time.RFC3339Nano)}, "step": {step.String()}}
	var out []release.Load
	err := r.c.do(ctx, call{op: "read load", resource: in(t.String(), region), method: http.MethodGet,
		path: targetPath(region, t, "/load?"+v.Encode()), out: &out})
	return out, err
}

func (r router) Traits(ctx context.Context, region string, t release.Target) (platform.Traits, error) {
	var out platform.Traits
	err := r.c.do(ctx, call{op: "read route's traits", resource: in(t.String(), region), method: http.MethodGet,
		path: targetPath(region, t, "/traits"), out: &out})
	return out, err
}
