package awslab

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/switchyard/switchyard/internal/child"
	"github.com/switchyard/switchyard/platform/aws/userdata"
)

// Tags of an image that say what was baked into it.
const (
	fileTag    = "lab:file:"
	envTag     = "lab:env:"
	versionTag = "switchyard:version"
)

// instance is a virtual machine: one process, which is dead when its process is.
type instance struct {
	machine  // as it was at the start
	port     int
	cancel   context.CancelFunc // ends its health checks
	process  *child.Process
	launched time.Time

	// Guarded by the region's lock.
	check         check
	passes, fails int
	detail        string // why the last check failed
	dead          string // how its process ended, or why there is none
	listens       bool
	ending        bool

	// Of the goroutine that steps the region.
	inService time.Time
	marked    time.Time // when its group was told that it is unhealthy
	served    bool      // it was healthy once
	replaced  bool
}

// follow starts what is new and returns what is gone.
func (r *region) follow(ctx context.Context) (ending []*instance) {
	for id, m := range r.seen.machines {
		r.mu.Lock()
		known := r.instances[id]
		r.mu.Unlock()
		if known == nil {
			r.launch(ctx, m)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, i := range r.instances {
		if _, there := r.seen.machines[id]; !there && !i.ending {
			i.ending = true
			i.cancel()
			ending = append(ending, i)
		}
	}
	return ending
}

// launch starts the process of a machine. One that belongs to no group and was not told
// what to run by a fleet's user data is somebody else's and is left alone.
func (r *region) launch(ctx context.Context, m machine) {
	told, err := r.told(ctx, m.id)
	if err != nil && (m.group == "" || !errors.Is(err, userdata.ErrNotOurs)) {
		if m.group != "" || !errors.Is(err, userdata.ErrNotOurs) {
			r.log.Warn("an instance is not started", "instance", m.id, "error", err)
		}
		if m.group == "" {
			return
		}
	}
	checks, cancel := context.WithCancel(ctx)
	i := &instance{machine: m, port: told.Port, cancel: cancel, launched: time.Now()}
	if i.port == 0 {
		i.port = r.portOf(m)
	}
	command, err := r.command(ctx, i, told)
	if err == nil {
		i.process, err = child.Start(command, func(how string) { r.ended(i, how) })
	}
	if err != nil {
		i.dead = "not started: " + err.Error()
		r.log.Warn("an instance is not started", "instance", m.id, "error", err)
	}
	r.mu.Lock()
	r.instances[m.id] = i
	r.mu.Unlock()
	if i.process != nil {
		r.lab.work.Go(func() { r.checkHealth(checks, i, told.HealthPath) })
	}
}

// told is what the user data of an instance says.
func (r *region) told(ctx context.Context, id string) (userdata.Instance, error) {
	out, err := r.aws.ec2.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: ec2types.InstanceAttributeNameUserData})
	if err != nil {
		return userdata.Instance{}, fmt.Errorf("read the user data of %s: %w", id, err)
	}
	if out.UserData == nil || aws.ToString(out.UserData.Value) == "" {
		return userdata.Instance{}, userdata.ErrNotOurs
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(out.UserData.Value))
	if err != nil {
		return userdata.Instance{}, fmt.Errorf("%w: %w", userdata.ErrNotOurs, err)
	}
	return userdata.Parse(raw)
}

// portOf is where a machine is expected to listen when its user data does not say it.
func (r *region) portOf(m machine) int {
	for _, targets := range r.seen.targets {
		if t, ok := targets[m.id]; ok && t.port != 0 {
			return t.port
		}
	}
	return 8080
}

func (r *region) command(ctx context.Context, i *instance, told userdata.Instance) (child.Command, error) {
	image, err := r.imageTags(ctx, i.image)
	if err != nil {
		return child.Command{}, err
	}
	root, err := r.root(i.image, image)
	if err != nil {
		return child.Command{}, err
	}
	vars := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": root}
	for tag, value := range image {
		if name, ok := strings.CutPrefix(tag, envTag); ok {
			vars[name] = value
		}
	}
	maps.Copy(vars, told.Environment)
	for name, ref := range told.Secrets {
		if vars[name], err = r.secret(ctx, ref); err != nil {
			return child.Command{}, fmt.Errorf("secret %s: %w", name, err)
		}
	}
	version := image[versionTag]
	if version == "" {
		version = i.tags[versionTag]
	}
	maps.Copy(vars, map[string]string{"HOST": i.address, "PORT": strconv.Itoa(i.port), "INSTANCE_ID": i.id, "VERSION": version,
		"SWITCHYARD_ROOT": root, "SWITCHYARD_REGION": r.name})
	c := child.Command{Argv: slices.Clone(r.lab.o.App), Dir: root, Log: r.lab.logPath(i.id)}
	if len(told.Command) > 1 {
		c.Argv = append(c.Argv, told.Command[1:]...)
	}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		c.Env = append(c.Env, k+"="+vars[k])
	}
	return c, os.MkdirAll(filepath.Dir(c.Log), 0o755)
}

func (r *region) imageTags(ctx context.Context, ami string) (map[string]string, error) {
	out, err := r.aws.ec2.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{ami}})
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", ami, err)
	}
	tags := map[string]string{}
	for _, image := range out.Images {
		for _, t := range image.Tags {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags, nil
}

// root is the image's file system, as far as its tags tell of it.
func (r *region) root(ami string, tags map[string]string) (string, error) {
	root := filepath.Join(r.lab.o.Dir, "roots", ami)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	for tag, content := range tags {
		name, ok := strings.CutPrefix(tag, fileTag)
		if !ok {
			continue
		}
		path := filepath.Join(root, filepath.Clean("/"+name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	return root, nil
}

// secret resolves a reference as the instance would, with its own role.
func (r *region) secret(ctx context.Context, ref string) (string, error) {
	if name, ok := strings.CutPrefix(ref, "ssm:"); ok {
		out, err := r.aws.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, err)
		}
		return aws.ToString(out.Parameter.Value), nil
	}
	if name, ok := strings.CutPrefix(ref, "secretsmanager:"); ok {
		out, err := r.aws.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, err)
		}
		return aws.ToString(out.SecretString), nil
	}
	return "", errors.New("the reference is neither ssm:NAME nor secretsmanager:NAME")
}

func (r *region) ended(i *instance, how string) {
	r.mu.Lock()
	i.dead = "its process ended: " + how
	r.mu.Unlock()
	i.cancel()
	r.wake()
}

// end asks the processes of machines that are gone to end: requests in flight finish. It
// waits a moment, so that one without any is gone before the API's caller goes on.
func (r *region) end(gone []*instance) {
	soon := time.After(followEnd)
	for _, i := range gone {
		r.lab.work.Go(func() {
			if i.process != nil {
				i.process.End(drainTime)
			}
			r.mu.Lock()
			delete(r.instances, i.id)
			r.mu.Unlock()
		})
	}
	for _, i := range gone {
		if i.process == nil {
			continue
		}
		select {
		case <-i.process.Done():
		case <-soon:
			return
		}
	}
}

func (i *instance) hostPort() string { return net.JoinHostPort(i.address, strconv.Itoa(i.port)) }
