package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/switchyard/switchyard/platform"
	"github.com/switchyard/switchyard/platform/secretref"
	"github.com/switchyard/switchyard/release"
)

func (c *Cloud) logPath(f *fleet, i *instance) string {
	return filepath.Join(c.cfg.Dir, "logs", f.Spec.Region, f.Spec.Name, i.ID+".log")
}

func (c *Cloud) rootPath(image string) string {
	return filepath.Join(c.cfg.Dir, "roots", strings.TrimPrefix(image, "sha256:"))
}

// root unpacks the image once; the directory is shared by all instances and only read.
func (c *Cloud) root(image string) (string, error) {
	dir := c.rootPath(image)
	return dir, c.images.Unpack(image, dir)
}

// startInstance starts the process of an instance. The record was saved before, so
// that a daemon killed in here leaves a process the next one finds.
func (c *Cloud) startInstance(f *fleet, i *instance) {
	c.unpackMu.Lock() // one start at a time keeps the machine usable
	defer c.unpackMu.Unlock()
	argv, env, err := c.command(f, i)
	c.mu.Lock()
	defer c.mu.Unlock()
	run := c.run(i)
	defer func() { run.starting = false }()
	if f.find(i.ID) == nil || i.State != release.InstancePending || i.PID != 0 || c.ctx.Err() != nil {
		return
	}
	root := c.rootPath(f.Spec.Image)
	if err == nil {
		i.PID, i.StartTicks, err = launch(argv, env, root, c.logPath(f, i), func(how string) { c.instanceEnded(f, i, how) })
	}
	if err != nil {
		f.Failures++
		i.PID, i.NotBefore = 0, time.Now().Add(max(backOff(f.Failures), 250*time.Millisecond))
		i.Reason = "not started: " + err.Error()
		c.log.Warn("instance not started", "fleet", f.key(), "instance", i.ID, "error", err)
	} else {
		i.StartedAt = time.Now().UTC()
		i.Reason = "started, waiting for its first healthy answers"
	}
	if err := c.save(); err != nil {
		c.log.Error("the state is not saved", "error", err)
	}
	c.proxies[f.Spec.Region].wake()
}

func (c *Cloud) instanceEnded(f *fleet, i *instance, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.find(i.ID) != nil {
		c.run(i).ended = how
	}
	c.proxies[f.Spec.Region].wake()
}

// command makes what is executed: paths mapped into the image's root, the address
// filled in, secrets resolved now and kept nowhere else.
func (c *Cloud) command(f *fleet, i *instance) (argv, env []string, err error) {
	root, err := c.root(f.Spec.Image)
	if err != nil {
		return nil, nil, err
	}
	argv = append([]string(nil), f.Spec.Command...)
	if len(argv) == 0 {
		img, err := c.images.Get(f.Spec.Image)
		if err != nil {
			return nil, nil, err
		}
		cfg, err := img.ConfigFile()
		if err != nil {
			return nil, nil, err
		}
		argv = append(append(argv, cfg.Config.Entrypoint...), cfg.Config.Cmd...)
	}
	host, port := splitAddress(i.Address)
	own := map[string]string{
		"HOST": host, "PORT": port, envInstance: i.ID, "SWITCHYARD_ROOT": root, "SWITCHYARD_FLEET": f.Spec.Name,
		envRegion: f.Spec.Region, envCloud: c.id, "VERSION": f.Spec.Version,
	}
	vars := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": root}
	for k, v := range f.Spec.Environment {
		vars[k] = v
	}
	for name, ref := range f.Spec.Secrets {
		if vars[name], err = secretref.Resolve(ref); err != nil {
			return nil, nil, fmt.Errorf("secret %s: %w", name, err)
		}
	}
	for k, v := range own {
		vars[k] = v
	}
	for k, v := range vars {
		env = append(env, k+"="+v)
	}
	sort.Strings(env)
	for n, a := range argv {
		argv[n] = os.Expand(a, func(name string) string {
			if v, ok := own[name]; ok {
				return v
			}
			return "${" + name + "}" // not ours: left for the program
		})
	}
	argv[0] = filepath.Join(root, filepath.Clean("/"+argv[0]))
	return argv, env, nil
}

var probeClient = &http.Client{
	Timeout:       healthTimeout,
	Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func healthy(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := probeClient.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("GET %s answered %s", url, res.Status)
	}
	return nil
}

// probe asks the instance how it is and records what follows from the answer.
func (c *Cloud) probe(f *fleet, i *instance) {
	err := healthy(c.ctx, "http://"+i.Address+f.Spec.HealthPath)
	if c.ctx.Err() != nil {
		return
	}
	trimLog(c.logPath(f, i))
	c.mu.Lock()
	defer c.mu.Unlock()
	run := c.run(i)
	run.probing = false
	if f.find(i.ID) == nil || i.State == release.InstanceTerminating {
		return
	}
	if c.faultUnhealthy(f, i) {
		err = errors.New("fault: its health answers count as failed")
	}
	if !applyProbe(f, i, run, err) {
		return
	}
	if err := c.save(); err != nil {
		c.log.Error("the state is not saved", "error", err)
	}
	c.proxies[f.Spec.Region].wake()
}

// applyProbe says whether the instance's state changed.
func applyProbe(f *fleet, i *instance, run *instanceRun, err error) bool {
	if err != nil {
		run.passes = 0
		run.fails++
		if i.State == release.InstanceInService && run.fails >= failsAllowed {
			i.set(release.InstanceUnhealthy, err.Error())
			return true
		}
		if i.State != release.InstanceInService {
			i.Reason = err.Error()
		}
		return false
	}
	run.fails = 0
	run.passes++
	if i.State != release.InstanceInService && run.passes >= passesNeeded {
		i.set(release.InstanceInService, "")
		i.Served = true
		f.Failures, f.LastEnd = 0, ""
		return true
	}
	return false
}

// fleetLogs names the instances of a fleet, living or gone, whose output is kept:
// the one written to last comes first.
func (c *Cloud) fleetLogs(region, name string) ([]string, error) {
	const op = "list logs"
	if err := errors.Join(checkName(op, "region", region), checkName(op, "fleet name", name)); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(c.cfg.Dir, "logs", region, name, "*.log"))
	if err != nil {
		return nil, err
	}
	written := map[string]time.Time{}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil { // else it was pruned just now
			written[f] = st.ModTime()
		}
	}
	sort.SliceStable(files, func(a, b int) bool { return written[files[a]].After(written[files[b]]) })
	ids := []string{}
	for _, f := range files {
		ids = append(ids, strings.TrimSuffix(filepath.Base(f), ".log"))
	}
	return ids, nil
}

// openLog finds the output of an instance, living or gone.
func (c *Cloud) openLog(id string) (*os.File, error) {
	if err := checkName("read logs", "instance", id); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(c.cfg.Dir, "logs", "*", "*", id+".log"))
	if err != nil || len(found) == 0 {
		return nil, platform.NotFound("read logs", id)
	}
	return os.Open(found[0])
}
