package cloud

import (
	"fmt"
	"net/http"
	"os"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/local/oci"
	"github.com/switchyard/switchyard/release"
)

func (c *Cloud) imageCalls(on register) {
	on("GET /v1/images", "Images.Find", func(r *http.Request) (any, error) {
		q := r.URL.Query()
		return c.findImages(platform.ImageQuery{Application: q.Get("application"), Version: q.Get("version"), InputDigest: q.Get("inputDigest")})
	})
	on("GET /v1/images/{ref}", "Images.Get", func(r *http.Request) (any, error) {
		return c.images.Info(r.PathValue("ref"))
	})
	on("POST /v1/images/{ref}/copy", "Images.Copy", func(r *http.Request) (any, error) {
		// All regions of a local cloud read one store.
		if err := checkName("copy image", "region", r.URL.Query().Get("region")); err != nil {
			return nil, err
		}
		_, err := c.images.Info(r.PathValue("ref"))
		return Text{Value: r.PathValue("ref")}, err
	})
	on("GET /v1/images/{ref}/root", "Images.Root", func(r *http.Request) (any, error) {
		root, err := c.root(r.PathValue("ref"))
		return Text{Value: root}, err
	})
	on("DELETE /v1/images/{ref}", "Images.Retire", func(r *http.Request) (any, error) {
		return nil, c.retireImage(r.PathValue("ref"))
	})
	on("POST /v1/sweep", "Images.Sweep", func(r *http.Request) (any, error) {
		tag := r.URL.Query().Get("tag")
		if tag == "" {
			return nil, platform.NewError(platform.KindInvalid, "sweep images", "", "", fmt.Errorf("no tag given"))
		}
		removed, err := oci.Sweep(c.images, tag)
		return Text{Values: removed}, err
	})
}

func (c *Cloud) findImages(q platform.ImageQuery) ([]release.Image, error) {
	all, err := c.images.List()
	if err != nil {
		return nil, err
	}
	out := []release.Image{}
	for _, i := range all {
		if (q.Application == "" || q.Application == i.Application) && (q.Version == "" || q.Version == i.Version) &&
			(q.InputDigest == "" || q.InputDigest == i.InputDigest) {
			out = append(out, i)
		}
	}
	return out, nil
}

func (c *Cloud) retireImage(ref string) error {
	c.unpackMu.Lock() // nothing starts from it meanwhile
	defer c.unpackMu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.state.Fleets {
		if f.Spec.Image == ref {
			return platform.Conflict("retire image", ref, "fleet %s runs it", where(f.Spec.Region, f.Spec.Name))
		}
	}
	if err := c.images.Remove(ref); err != nil {
		return err
	}
	if err := os.RemoveAll(c.rootPath(ref)); err != nil {
		return fmt.Errorf("retire image %s: remove its root: %w", ref, err)
	}
	return nil
}
